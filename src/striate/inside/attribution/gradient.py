"""Gradient: how fast the target's score changes with each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.passes import input_gradient

from .chunks import chunks, looked_into, target_scores
from .maps import Maps
from .slope import BOUND, DOUBLE, central_slope, checked_again, slope_checks

STEPS = (2e-3, 5e-4, 1e-4)  # Euclidean lengths of the steps of the check, in pixel values
WHAT = "a small step along the gradient changes the logit at the rate of the gradient's length"
KINK = (
    f"{WHAT}; the image lies on a kink of the net, as flat areas do that tie in max pooling: a millionth beside it the "
    "gradient is as it should be, at the image itself it is one of several"
)
ASIDE, ASIDE_STEPS = 1e-6, (1e-8, 3e-9, 1e-9)  # in float64: how far beside an image, and the steps there


def gradient(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The derivative of the target's logit by every pixel, raw and signed, (N, C, H, W).

    One forward and one backward pass an image, for the input's gradient alone; six forward passes more for the check:
    a step along the gradient must change the logit at the rate of the gradient's length. An image that fails is looked
    at again in float64, at steps a thousand times smaller (six passes). One that lies on a kink has no derivative: it
    fails, and its check says so (one forward and backward pass and six forward passes beside the image).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Source: Simonyan, Vedaldi & Zisserman 2013, section 3. Pixels there are from 0 to 255 and here from 0 to 1.
    """
    found = list(gradients(net, images, targets, check=check, memory=memory, progress=progress, label="gradient"))
    return Maps(
        torch.cat([part.float().cpu().contiguous() for _, part, _ in found]),
        units="change of the target's logit by one unit of pixel value (black to white); drawn is the largest "
        "absolute value over the channels",
        signed=False,
        checks=tuple(each for _, _, checks in found for each in checks),
        share=0.995,
    )


def gradients(
    net: Net, images: Tensor, targets: Tensor, *, check: bool, memory: int, progress: Progress, label: str
) -> Iterator[tuple[Tensor, Tensor, tuple[MapCheck, ...]]]:
    """Chunk by chunk the images, their gradients (n, C, H, W), and a check of each gradient."""
    with looked_into(net, images), progress.task(label, len(images)) as step:
        for part, wanted in chunks(net, images, targets, memory=memory, backward=True):
            leaf = part.clone().requires_grad_()
            logits = net.logits(leaf)
            found = input_gradient(target_scores(logits, wanted), leaf).detach()
            if check:
                level = logits.detach().abs().amax(1)
                del logits  # the graph, before the passes of the check
                checks = _checks(net, part, wanted, found=found, level=level)
            else:
                checks = (MapCheck.left_out(WHAT, BOUND),) * len(part)
            yield part, found, checks
            step(len(part))


def _checks(net: Net, images: Tensor, targets: Tensor, *, found: Tensor, level: Tensor) -> tuple[MapCheck, ...]:
    def again(double: Net, i: int) -> MapCheck:
        one, steps = slice(i, i + 1), [DOUBLE * step for step in STEPS]
        (checked,) = _along(
            double, images[one].double(), targets[one], found=found[one].double(), level=level[one], steps=steps
        )
        return (
            checked
            if checked.holds or not _right_aside(double, images[one], targets[one])
            else replace(checked, what=KINK)
        )

    return checked_again(net, _along(net, images, targets, found=found, level=level, steps=STEPS), again)


def _right_aside(double: Net, image: Tensor, target: Tensor) -> bool:
    """Whether beside the image (1, C, H, W), where no two values tie, the gradient is the derivative."""
    noise = Rng(0, "aside").normal(image_ids(image), image.shape[1:]).to(image.device)
    leaf = (image + ASIDE * noise.double()).requires_grad_()
    logits = double.logits(leaf)
    found, level = input_gradient(target_scores(logits, target), leaf), logits.detach().abs().amax(1)
    (checked,) = _along(double, leaf.detach(), target, found=found, level=level, steps=ASIDE_STEPS)
    return checked.holds is True


def _along(
    net: Net, images: Tensor, targets: Tensor, *, found: Tensor, level: Tensor, steps: Sequence[float]
) -> tuple[MapCheck, ...]:
    lengths = found.double().flatten(1).norm(dim=1)
    flat = torch.full_like(found, found[0].numel() ** -0.5)  # where there is no gradient any direction will do
    unit = (found / lengths.clamp(min=1e-30).to(found.dtype).view(-1, 1, 1, 1)).to(images.dtype)
    direction = torch.where((lengths > 0).view(-1, 1, 1, 1), unit, flat)

    def score(move: float) -> Tensor:
        with torch.no_grad():
            return target_scores(net.logits(images + move * direction), targets).cpu()

    return slope_checks(
        WHAT,
        found=central_slope(score, steps),
        predicted=lengths.cpu(),
        level=level.cpu(),
        step=STEPS[1],  # what float32 can show: the gradient itself is float32
    )
