"""Occlusion: how far the target's score drops when a patch of the image is covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .baseline import Baseline, filled
from .chunks import chunk_size, chunks, fast_layout, target_scores
from .maps import Maps

GREY = 0.5
BOUND = 1e-4  # of a probability, or of the largest logit: float32 results depend on the batch size by less
WHAT = "all patches at once give the baseline's score; the strongest patch, covered afresh and alone, gives its drop"


@dataclass(frozen=True)
class Grid:
    """Where patches lie: starts by rows and columns; the last ones touch the far edges, so every pixel is covered."""

    size: tuple[int, int]
    patch: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Upper left corners, row by row."""
        return tuple((top, left) for top in self.tops for left in self.lefts)

    def covers(self, tops: Tensor, lefts: Tensor) -> Tensor:
        """Masks (n, 1, H, W), true under the patches that begin at these rows and columns."""
        rows, columns = torch.arange(self.size[0]), torch.arange(self.size[1])
        down = (rows >= tops[:, None]) & (rows < tops[:, None] + self.patch)
        along = (columns >= lefts[:, None]) & (columns < lefts[:, None] + self.patch)
        return (down[:, :, None] & along[:, None, :])[:, None]

    def union(self) -> Tensor:
        """Mask (1, H, W) of the pixels under any patch."""
        down, along = (self._membership(starts, length).amax(1) for starts, length in self._axes())
        return (down[:, None] * along > 0)[None]

    def spread(self, drops: Tensor) -> Tensor:
        """For each pixel the mean drop over the patches that cover it: (n, places) to (n, H, W), float64."""
        down, along = (self._membership(starts, length) for starts, length in self._axes())
        total = down @ drops.double().view(-1, len(self.tops), len(self.lefts)) @ along.T
        return total / (down.sum(1)[:, None] * along.sum(1))

    def _axes(self) -> tuple[tuple[tuple[int, ...], int], tuple[tuple[int, ...], int]]:
        return (self.tops, self.size[0]), (self.lefts, self.size[1])

    def _membership(self, starts: tuple[int, ...], length: int) -> Tensor:
        pixels, begins = torch.arange(length)[:, None], torch.tensor(starts)[None]
        return ((pixels >= begins) & (pixels < begins + self.patch)).double()


def grid(size: tuple[int, int], patch: int | None = None, stride: int | None = None) -> Grid:
    """The patches of an image of ``size``; by default about a seventh of the short side, moved by half a patch.

    Raises:
        StriateError: A patch that is no patch of this image, or a stride that leaves pixels uncovered.
    """
    short = min(size)
    if patch is None:
        # Twice the stride, so that all pixels but those at the edges are covered equally often: no pattern in the map.
        patch = min(short, 2 * stride if stride is not None else 2 * max(1, round(short / 14)))
    if not 1 <= patch <= short:
        raise StriateError(f"patch is {patch}", accepted=f"1 to {short} pixels for images of {size[0]} x {size[1]}")
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= stride <= patch:
        raise StriateError(f"stride is {stride}", accepted=f"1 to {patch} pixels, so that every pixel is covered")
    return Grid(size, patch, _starts(size[0], patch, stride), _starts(size[1], patch, stride))


def occlusion(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    patch: int | None = None,
    stride: int | None = None,
    baseline: Baseline = GREY,
    score: Literal["logit", "probability"] = "logit",
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The drop of the target's score when a pixel is covered, mean over the patches that cover it, (N, H, W).

    Positive where covering hurts the target. One forward pass a patch, one for the whole image, three for the check.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        patch: Side of the square patch in input pixels; twice the stride when None.
        stride: Pixels from patch to patch; half a patch when None. With both None, about a 14th of the short side.
        baseline: What covers, in pixel values from 0 to 1: one number, one for each channel, or ``"mean"`` for each
            image's own channel means.
        score: What drops: the logit, or the probability. A net that is sure keeps its probability whatever is covered.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Source: Zeiler & Fergus 2014, section 4.2 (grey square). There a pixel shows the probability with the patch centred
    on it; here the mean drop of the logit over all patches that cover it.
    """
    size = (images.shape[-2], images.shape[-1])
    where = grid(size, patch, stride)
    fill, words = filled(images, baseline)
    tops, lefts = torch.tensor(where.places).T
    count = len(where.places)
    chunk = chunk_size(net, images, memory=memory)
    drops = torch.empty(len(images), count, dtype=torch.float64)
    with undisturbed(net), torch.no_grad(), progress.task("occlusion", len(images) * count, unit="patches") as step:
        clean = torch.cat([_scores(net, *part, score) for part in chunks(net, images, targets, memory=memory)])
        for jobs in torch.split(torch.arange(len(images) * count), chunk):
            rows, place = jobs // count, jobs % count
            covered = torch.where(where.covers(tops[place], lefts[place]).to(images.device), fill[rows], images[rows])
            after = _scores(net, covered, targets[rows], score)
            drops[rows, place] = clean[rows] - after
            step(len(jobs))
        checks = tuple(
            _check(
                net,
                images[i],
                targets[i : i + 1],
                fill=fill[i],
                where=where,
                drops=drops[i],
                clean=clean[i],
                score=score,
            )
            for i in range(len(images))
        )
    return Maps(
        where.spread(drops).float(),
        units=f"drop of the target's {score} when covered with {words}, patch {where.patch}, "
        f"{len(where.tops)} x {len(where.lefts)} places",
        signed=True,
        checks=checks,
    )


def _check(
    net: Net, image: Tensor, target: Tensor, *, fill: Tensor, where: Grid, drops: Tensor, clean: Tensor, score: str
) -> MapCheck:
    """By other means than the map: all patches at once beside a constant image, and one patch set by slices, alone."""
    whole = torch.where(where.union().to(image.device), fill, image)
    constant = fill.expand_as(image).clone()
    top, left = where.places[int(drops.argmax())]
    alone = image.clone()
    alone[:, top : top + where.patch, left : left + where.patch] = fill
    logits = torch.cat([net.logits(fast_layout(one[None])).double() for one in (whole, constant, alone)])
    covered, baseline, strongest = _of_target(logits, target.expand(3), score)
    scale = 1.0 if score == "probability" else float(logits.abs().max()) or 1.0
    gaps = ((covered - baseline).abs(), (clean - strongest - drops.max()).abs())
    residual = float(max(gaps)) / scale
    return MapCheck(WHAT, Number.of(residual, why="arithmetic: no interval"), BOUND, residual <= BOUND)


def _scores(net: Net, images: Tensor, targets: Tensor, score: str) -> Tensor:
    return _of_target(net.logits(fast_layout(images)).double(), targets, score)


def _of_target(logits: Tensor, targets: Tensor, score: str) -> Tensor:
    values = logits.softmax(1) if score == "probability" else logits
    return target_scores(values, targets.to(values.device)).cpu()


def _starts(length: int, patch: int, stride: int) -> tuple[int, ...]:
    starts = list(range(0, length - patch + 1, stride))
    return tuple(starts if starts[-1] == length - patch else [*starts, length - patch])
