"""How far each layer's activations move when the image is shifted, scaled, turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.transforms.affine import Rotation, Scale, Translation
from striate.data.transforms.motion import Fill
from striate.metrics.bootstrap import bootstrapped
from striate.nets.net import Net

from ..attribution.chunks import chunk_size, fast_layout
from .layers import find_layer
from .payload import Invariance, LayerCurve, TransformCurve

FILL: Fill = "edge"  # what comes from outside repeats the nearest pixel: black would be a change of its own
IMAGES = 64  # of a split, spread over it
Moved = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Sweep:
    """One transform with its amounts; the first amount leaves the image as it is."""

    name: str
    unit: str
    amounts: tuple[float, ...]
    move: Moved


def shifted(images: Tensor, share: float) -> Tensor:
    """Images moved down by a share of their height, in whole pixels."""
    pixels = torch.tensor([[0.0, round(share * images.shape[-2])]]).expand(len(images), 2)
    return Translation(fill=FILL).apply(images, {"pixels": pixels})


def scaled(images: Tensor, factor: float) -> Tensor:
    """Images enlarged about their middle, bilinearly."""
    factors = torch.full((len(images), 2), factor, dtype=torch.float64)
    return images if factor == 1 else Scale(fill=FILL).apply(images, {"factors": factors})


def turned(images: Tensor, degrees: float) -> Tensor:
    """Images turned about their middle counter-clockwise, bilinearly."""
    angle = torch.full((len(images),), degrees, dtype=torch.float64)
    return images if degrees == 0 else Rotation(fill=FILL).apply(images, {"angle": angle})


SWEEPS = (
    Sweep("shift", "% of the height, downwards", tuple(step / 20 for step in range(7)), shifted),
    Sweep("scale", "times", tuple(1 + step / 10 for step in range(9)), scaled),
    Sweep("rotation", "degrees", tuple(float(step) for step in range(0, 331, 30)), turned),
)


def invariance(
    net: Net,
    images: Tensor,
    layers: Sequence[str],
    *,
    labels: Tensor | None = None,
    sweeps: Sequence[Sweep] = SWEEPS,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Invariance:
    """Distance of a layer's activations for the transformed image from those for the image, by amount, by layer.

    Activations are whole, not pooled: averages over space would hide a shift. A distance is Euclidean, divided by the
    root mean square distance between two different images at that layer, so that layers can be compared: 0 is the
    image itself, 1 as far as another image. The pixels come first, as ``"input"``. Cost: one forward pass an image,
    and one for each amount.

    Args:
        net: A net; left bit for bit as found.
        images: (N, C, H, W), at least two.
        layers: Sites.
        labels: (N,) class whose probability is followed; None for the class predicted for the image as it is.
        sweeps: Transforms with their amounts.
        seed: Of the intervals' draws.
        memory: Budget in bytes beside the net.
        progress: How progress is shown.

    Raises:
        StriateError: Fewer than two images, or images that are all alike.

    Source: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", figure 5, who shift, scale and
    turn five images and plot plain distances at the first and the last layer.
    """
    if len(images) < 2:
        raise StriateError(f"{len(images)} image", accepted="at least 2: distances count in those between images")
    size = (int(images.shape[-2]), int(images.shape[-1]))
    sites = {name: find_layer(net, size, name).name for name in layers if name != "input"}
    names = ("input", *sites)
    most = chunk_size(net, images, memory=memory // 2)
    logits, between = _between(net, images, sites, most)
    targets = logits.argmax(1) if labels is None else labels.cpu()
    amounts = sum(len(each.amounts) for each in sweeps)
    moved = {sweep.name: torch.zeros(len(sweep.amounts), len(names), len(images)).double() for sweep in sweeps}
    sure = {sweep.name: torch.zeros(len(sweep.amounts), len(images)).double() for sweep in sweeps}
    with progress.task("invariance", len(images) * amounts) as step:
        for start in range(0, len(images), most):
            part = images[start : start + most]
            rows = slice(start, start + len(part))
            first = _activations(net, part, sites)[0]
            for sweep in sweeps:
                for place, amount in enumerate(sweep.amounts):
                    found, output = _activations(net, sweep.move(part, amount), sites)
                    for layer, name in enumerate(names):
                        gap = (found[name] - first[name]).flatten(1).double()
                        moved[sweep.name][place, layer, rows] = gap.norm(dim=1).cpu() / between[name]
                    chosen = targets[rows, None]
                    sure[sweep.name][place, rows] = output.softmax(1).gather(1, chosen)[:, 0]
                    step(len(part))
    curves = tuple(
        TransformCurve(
            sweep.name,
            sweep.unit,
            sweep.amounts,
            tuple(
                LayerCurve(name, tuple(_mean(each[layer], seed) for each in moved[sweep.name]))
                for layer, name in enumerate(names)
            ),
            tuple(_mean(each, seed) for each in sure[sweep.name]),
        )
        for sweep in sweeps
    )
    return Invariance(len(images), FILL, "the predicted class" if labels is None else "the labelled class", curves)


def _between(net: Net, images: Tensor, sites: dict[str, str], most: int) -> tuple[Tensor, dict[str, float]]:
    """Logits of the images, and for each layer the root mean square distance between two different ones."""
    sums: dict[str, Tensor] = {}
    squares: dict[str, float] = {}
    logits = []
    for part in torch.split(images, most):
        found, output = _activations(net, part, sites)
        logits.append(output)
        for name, values in found.items():
            flat = values.flatten(1).double()
            sums[name] = sums.get(name, 0) + flat.sum(0)
            squares[name] = squares.get(name, 0.0) + float(flat.square().sum())
    n = len(images)
    between = {}
    for name, total in sums.items():
        mean_square = 2 * (n * squares[name] - float(total.square().sum())) / (n * (n - 1))
        if mean_square <= 1e-12 * squares[name] / n:
            raise StriateError(f"at {name!r} all images are alike", accepted="different images")
        between[name] = mean_square**0.5
    return torch.cat(logits), between


def _activations(net: Net, images: Tensor, sites: dict[str, str]) -> tuple[dict[str, Tensor], Tensor]:
    with net.look(read=(*sites.values(), "output")) as see, torch.no_grad():
        seen = see(fast_layout(images))
        found = {"input": images.detach(), **{name: seen[site].detach() for name, site in sites.items()}}
        return found, net.as_logits(seen.output).double().cpu()


def _mean(values: Tensor, seed: int) -> Number:
    return bootstrapped(lambda rows: values[rows].mean(1), len(values), seed=seed, method="percentile")
