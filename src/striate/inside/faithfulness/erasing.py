"""The target's score while more and more of an image is put in place of another, in the order of a map."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import Progress
from striate.inside.attribution.chunks import chunk_size, fast_layout, looked_into
from striate.nets.net import Net

Score = Literal["logit", "probability"]
BLUR = 20  # the short side over so many is the standard deviation of the blur


def even_counts(images: Tensor, steps: int) -> tuple[int, ...]:
    """How many pixels are replaced after 0, 1 .. ``steps`` steps of equal size.

    Raises:
        StriateError: There are fewer pixels than steps.
    """
    pixels = images.shape[-2] * images.shape[-1]
    if not 1 <= steps <= pixels:
        raise StriateError(f"steps is {steps}", accepted=f"1 to {pixels}, the pixels of an image")
    return tuple(round(pixels * step / steps) for step in range(steps + 1))


def replaced_scores(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    ranks: Tensor,
    counts: Sequence[int],
    other: Tensor,
    score: Score = "probability",
    memory: int,
    progress: Progress,
    label: str,
) -> Tensor:
    """Scores (..., N, len(counts)), float64: of the image whose first ``count`` pixels by ``ranks`` are of ``other``.

    ``ranks`` has shape (..., N, H * W), ``other`` that of the images. One forward pass for each map, image and count;
    the whole image and the whole other are the same for all maps of an image and pass once.
    """
    flat = ranks.reshape(-1, len(images), ranks.shape[-1])
    kinds, pixels = len(flat), ranks.shape[-1]
    found = torch.empty(kinds, len(images), len(counts), dtype=torch.float64)
    inner = [place for place, count in enumerate(counts) if 0 < count < pixels]
    jobs = [
        (kind, image, place) for image in range(len(images)) for kind in range(kinds) for place in inner
    ]  # an image's jobs lie together: its pixels stay in the cache
    ends = [
        (image, place) for place, count in enumerate(counts) if count in (0, pixels) for image in range(len(images))
    ]
    most = chunk_size(net, images, memory=memory)
    size = (-1, 1, images.shape[-2], images.shape[-1])
    with looked_into(net, images), torch.no_grad(), progress.task(label, len(jobs) + len(ends), unit="passes") as step:
        for at in range(0, len(ends), most):
            rows, places = torch.tensor(ends[at : at + most]).T
            whole = torch.tensor([counts[place] == 0 for place in places.tolist()], device=images.device)
            shown = torch.where(whole[:, None, None, None], images[rows], other[rows])
            found[:, rows, places] = target_values(net, shown, targets[rows], score)
            step(len(rows))
        for at in range(0, len(jobs), most):
            kind, rows, places = torch.tensor(jobs[at : at + most]).T
            limits = torch.tensor([counts[place] for place in places.tolist()])
            mask = (flat[kind, rows] < limits[:, None]).view(size).to(images.device)
            found[kind, rows, places] = target_values(
                net, torch.where(mask, other[rows], images[rows]), targets[rows], score
            )
            step(len(rows))
    return found.view(*ranks.shape[:-1], len(counts))


def falls(
    net: Net,
    images: Tensor,
    targets: Tensor,
    changed: Callable[[Tensor, Tensor], Tensor],
    *,
    count: int,
    score: Score,
    memory: int,
    progress: Progress,
    label: str,
) -> Tensor:
    """How far the target's score falls under ``count`` changes of each image, (N, count) float64.

    ``changed`` gives the images (n, C, H, W) of these rows (n,) under the changes of these numbers (n,). One forward
    pass for each change, and one for the image as it is.
    """
    found = torch.empty(len(images), count, dtype=torch.float64)
    most = chunk_size(net, images, memory=memory)
    with looked_into(net, images), torch.no_grad(), progress.task(label, len(images) * count, unit="passes") as step:
        whole = [
            target_values(net, part, wanted, score)
            for part, wanted in zip(torch.split(images, most), torch.split(targets, most), strict=True)
        ]
        clean = torch.cat(whole)
        for jobs in torch.split(torch.arange(len(images) * count), most):
            rows, numbers = jobs // count, jobs % count
            found[rows, numbers] = clean[rows] - target_values(net, changed(rows, numbers), targets[rows], score)
            step(len(jobs))
    return found


def target_values(net: Net, images: Tensor, targets: Tensor, score: Score) -> Tensor:
    """The target's logit or probability of each image, (n,), float64, on the CPU."""
    logits = net.logits(fast_layout(images)).double().cpu()
    values = logits.softmax(1) if score == "probability" else logits
    return values.gather(1, targets.cpu()[:, None])[:, 0]


def area(curves: Tensor, counts: Sequence[int]) -> Tensor:
    """Area under curves (..., len(counts)) over the share of pixels, by the trapezoidal rule."""
    at = torch.tensor(counts, dtype=torch.float64) / counts[-1]
    return torch.trapezoid(curves, at, dim=-1)


def covered(images: Tensor, baseline: float | str) -> Tensor:
    """Images of one colour: a pixel value, or ``"mean"`` for each image's own channel means.

    Raises:
        StriateError: Neither of these.
    """
    if baseline == "mean":
        return images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    if isinstance(baseline, str) or not 0 <= baseline <= 1:
        raise StriateError(f"baseline is {baseline!r}", accepted='a pixel value from 0 to 1, or "mean"')
    return torch.full_like(images, float(baseline))


def blurred(images: Tensor, deviation: float | None = None) -> Tensor:
    """Images under a Gaussian blur, the outermost pixels repeated beyond them.

    ``deviation`` is in pixels; a 20th of the short side when None, at least 1.
    """
    if deviation is None:
        deviation = max(1.0, min(images.shape[-2:]) / BLUR)
    reach = math.ceil(3 * deviation)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / deviation).square())
    bell = (bell / bell.sum()).to(images)
    channels = images.shape[1]
    padded = F.pad(images.detach(), (reach,) * 4, mode="replicate")
    down = F.conv2d(padded, bell.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(down, bell.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)
