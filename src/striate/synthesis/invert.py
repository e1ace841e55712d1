"""Inversion: one picture rebuilt from its code at every layer, and how much of it is lost on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.rng import Rng, image_ids
from striate.imageopt.objective import code_of
from striate.metrics.rank_correlation import rank_correlation
from striate.nets.net import Net

from .depth import Layer, layers_of
from .inverse import ADAM, CITES, Inversion, code_error, codes_at, image_of
from .judge import seen_by
from .made import Made
from .payload import Measured
from .sheet import contact_sheet
from .watch import Watch


@dataclass(frozen=True, eq=False)
class Inverses:
    """The inverses at one layer, row ``k * P + p`` the k-th of picture p; measured after rounding to 8 bits.

    Attributes:
        layer: Where.
        images: (K * P, C, H, W).
        scores: Minus the regularised loss of the search's own result, (K * P,).
        history: Scores step by step, (steps + 1, K * P).
        code: Error of each code: L2 distance over the norm of the wanted code.
        pixels: Root mean square error of each image's pixels, in [0, 1].
        predicted: Class that the net sees in each; empty where it has none.
        spread: For each picture the mean over pixels of their standard deviation over its K inverses.
    """

    layer: Layer
    images: Tensor
    scores: Tensor
    history: Tensor
    code: tuple[float, ...]
    pixels: tuple[float, ...]
    predicted: tuple[int, ...]
    spread: tuple[float, ...]


def invert(
    net: Net,
    images: Tensor,
    layers: Sequence[str] = ("all",),
    *,
    names: Sequence[str] = (),
    count: int = 1,
    steps: int = 160,
    seed: int = 0,
    way: Inversion = ADAM,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """Pictures rebuilt from noise by their codes at each layer, with the error of code and pixels by layer.

    Minimises ``|F(x) - F0|^2 / |F0|^2 + l_a R_a(x) + l_V R_V(x)``, F0 the picture's code. Cost: ``steps`` passes
    forward and backward for each picture, inverse and layer, no deeper than the layer, and about twelve forward.

    Args:
        net: Whose layers.
        images: (P, C, H, W) in [0, 1].
        layers: Sites or module paths; ``all`` spreads about twelve over the net's depth (`depth.through`).
        names: Of the pictures; by default numbers.
        count: Inverses of one code, which differ in the seed of their start: ``seed``, ``seed + 1``...
        steps: Of the search, at each layer.
        seed: Of the start.
        way: How (`inverse.SEARCHES`).
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        UnknownNameError: A layer is not there.
        StriateError: The net cannot take such images, a layer is dead for one, no gradient comes through.

    Source: Mahendran & Vedaldi 2015, equation 5, with their normalisation (`natural.Natural`). They descend over pixels
    with momentum, 400 steps, ``l_V`` .5, 5 and 50. We take Adam over the spectrum of Olah et al. 2017, ``l_V`` .05, .5
    and 1.5, and shift by a quarter of the layer's stride at each step, as their article of 2016 shifts. Measured on
    SqueezeNet at 224 px, one photograph, equal weights: regularised loss at features.7 after 200 passes .258 (over
    pixels .276), at features.12 .289 (.313), at features.2 after 150 passes .163 (.158; L-BFGS needs half of the passes
    there and is behind at .34 to .31 at features.5); at equal loss, the spectrum finds the colours and pixels do not.
    Without shifts the inverse of features.12 has a lower code error (.30 after 250 passes; with them .38 after 200) and
    no face. ``lbfgs`` minimises the
    paper's own objective over pixels.
    """
    wanted, labels = _checked(net, images, names, count), _labels(names, len(images))
    chosen = layers_of(net, wanted, layers)
    if watch is not None:
        watch.progress.say(f"layers: {', '.join(layer.name for layer in chosen)}")
    codes = codes_at(net, chosen, images, memory=memory)
    starts = torch.cat([_start(images, seed + k, way.noise) for k in range(count)])
    found = []
    for layer in chosen:
        code = codes[layer.name].repeat(count, *[1] * (codes[layer.name].ndim - 1))
        searched = image_of(
            net, layer, code, start=starts, steps=steps, way=way, memory=memory, watch=watch, label=layer.name
        )
        rounded = from_bytes(to_bytes(searched.images)).to(images)
        again = code_of(net, rounded, layer.name, memory=memory)[layer.name]
        found.append(
            Inverses(
                layer,
                searched.images,
                searched.scores,
                searched.history,
                tuple(code_error(again, code)),
                tuple(map(float, (rounded - images.repeat(count, 1, 1, 1)).flatten(1).square().mean(1).sqrt())),
                _predicted(net, rounded, memory),
                tuple(map(float, _spread(rounded, len(images)))),
            )
        )
    return _made(net, images, found, labels, count=count, steps=steps, seed=seed, way=way, memory=memory)


def _made(
    net: Net,
    images: Tensor,
    found: list[Inverses],
    labels: list[str],
    *,
    count: int,
    steps: int,
    seed: int,
    way: Inversion,
    memory: int,
) -> Made:
    """Everything in the order picture, layer, inverse, as one looks at it."""
    order = [(p, at, k) for p in range(len(images)) for at in range(len(found)) for k in range(count)]
    rows = [(found[at], k * len(images) + p) for p, at, k in order]
    length = max(len(each.history) for each in found)
    history = torch.full((length, len(order)), torch.nan)
    for place, (each, row) in enumerate(rows):
        history[: len(each.history), place] = each.history[:, row].cpu()
    stems = [f"{labels[p]}-{_file(found[at].layer.name)}{f'-{k}' if count > 1 else ''}" for p, at, k in order]
    strips = {
        f"{label}-layers": contact_sheet(
            torch.stack([images[p], *(each.images[p] for each in found)]), across=_across(len(found) + 1)
        )
        for p, label in enumerate(labels)
    }
    own = _predicted(net, images, memory)
    one = found[0].layer if len(found) == 1 else None
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    return Made(
        images=torch.stack([each.images[row] for each, row in rows]),
        stems=tuple(stems),
        targets=tuple(f"{labels[p]} from {found[at].layer.name}" for p, at, _ in order),
        words=_words(way, one, shape),
        scores=torch.stack([each.scores[row] for each, row in rows]),
        history=history,
        steps=steps,
        seed=seed,
        seeds=tuple(seed + k for _, _, k in order),
        steady=False,
        sources=dict(zip(labels, images, strict=True)) | strips,
        source=tuple(labels[p] for p, _, _ in order),
        tables=_tables(net, found, labels, own, order),
        notes=(f"mid grey has a pixel error of {_grey(images):.3f} here: above it, no likeness is left",),
        cites=CITES,
    )


def _tables(
    net: Net, found: list[Inverses], labels: list[str], own: tuple[int, ...], order: list[tuple[int, int, int]]
) -> tuple[Measured, ...]:
    pictures = len(labels)
    several = len(order) > len(found) * pictures

    def seen(each: Inverses, rows: Sequence[int]) -> tuple[float | str | None, ...]:
        if not own:
            return (None,)
        same = [each.predicted[row] == own[row % pictures] for row in rows]
        return (100.0 * sum(same) / len(same),)

    every = range(len(found[0].code))
    rho = rank_correlation(
        [each.layer.depth for each in found], [sum(each.pixels) for each in found]
    ) if len(found) > 1 else None  # fmt: skip
    curve = Measured(
        "What each layer still knows" + ("" if rho is None else f": depth and pixel error rise together at {rho:.2f}"),
        ("layer", "depth (%)", "code error (%)", "pixel error (RMSE)", "PSNR (dB)", "same class (%)", "spread"),
        tuple(
            (
                each.layer.name,
                100.0 * each.layer.depth,
                100.0 * _mean(each.code),
                _mean(each.pixels),
                _psnr(_mean([error**2 for error in each.pixels])),
                *seen(each, every),
                _mean(each.spread) if several else None,
            )
            for each in found
        ),
    )
    rows = [(labels[p], found[at], k * pictures + p, k) for p, at, k in order]
    single = Measured(
        "Each inverse, after 8 bits",
        ("picture", "layer", "inverse", "code error (%)", "pixel error (RMSE)", "PSNR (dB)", "the net sees"),
        tuple(
            (
                label,
                each.layer.name,
                float(k),
                100.0 * each.code[row],
                each.pixels[row],
                _psnr(each.pixels[row] ** 2),
                _name(net, each.predicted[row]) if own else None,
            )
            for label, each, row, k in rows
        ),
    )
    return curve, single


def _start(images: Tensor, seed: int, noise: float) -> Tensor:
    """Grey noise for each picture, by the seed and the picture's pixels."""
    drawn = Rng(seed, "synthesis/invert").normal(image_ids(images), images.shape[1:]).to(images)
    return (0.5 + noise * drawn).clamp(0, 1)


def _spread(images: Tensor, pictures: int) -> Tensor:
    """Mean over pixels of the standard deviation over a picture's inverses, (P,); 0 for one."""
    stacked = images.reshape(-1, pictures, *images.shape[1:])
    spread: Tensor = stacked.std(0, correction=0).flatten(1).mean(1)
    return spread


def _predicted(net: Net, images: Tensor, memory: int) -> tuple[int, ...]:
    return () if net.outputs == "other" else tuple(seen_by(net, images, memory=memory)[1].tolist())


def _checked(net: Net, images: Tensor, names: Sequence[str], count: int) -> tuple[int, int]:
    if net.channels not in {1, 3}:
        raise StriateError(f"{net.name} takes {net.channels} channels", accepted="1 or 3, for a picture")
    net.check(images)
    if len(images) == 0:
        raise StriateError("no pictures", accepted="at least one")
    if names and len(names) != len(images):
        raise StriateError(f"{len(names)} names for {len(images)} pictures", accepted="one name a picture")
    if count < 1:
        raise StriateError(f"count is {count}", accepted="at least 1")
    return int(images.shape[-2]), int(images.shape[-1])


def _labels(names: Sequence[str], count: int) -> list[str]:
    """Names of the pictures, each once."""
    plain = list(names) or [f"picture-{k}" for k in range(count)]
    return [name if plain.count(name) == 1 else f"{name}-{k}" for k, name in enumerate(plain)]


def _words(way: Inversion, one: Layer | None, shape: tuple[int, int, int]) -> str:
    where = "the layer" if one is None else one.name
    near = f"minus the normalised distance of the code at {where}"
    if way.natural is None:
        return near
    weights = sorted({way.smoothness_at(one)} if one else set(way.smoothness))
    shown = " or ".join(f"{each / way.natural.sigma(shape) ** way.natural.beta:.3g}" for each in weights)
    return f"{near} - alpha-norm({way.natural.alpha:g}) - {shown} * total variation (beta {way.natural.beta:g})"


def _across(pictures: int) -> int:
    """Pictures a row of a strip: all, or two rows from eight on."""
    return pictures if pictures <= 8 else math.ceil(pictures / 2)


def _file(layer: str) -> str:
    return layer.replace("#", "_")


def _grey(images: Tensor) -> float:
    return float((images - 0.5).flatten(1).square().mean(1).sqrt().mean())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _psnr(square: float) -> float | None:
    """Peak signal-to-noise ratio of a mean square error, the peak being 1; None where nothing differs."""
    return -10 * math.log10(square) if square > 0 else None


def _name(net: Net, index: int) -> str:
    return net.classes[index] if index < len(net.classes) else str(index)
