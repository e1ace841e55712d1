"""RISE: how much higher the score is where a pixel is left visible by random masks."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.nets.net import Net

from .baseline import Baseline, filled
from .chunks import chunk_size, fast_layout, looked_into
from .maps import Maps
from .points import at_least, steadiness

GREY = 0.5
WHAT = (
    "the standard error of the map, from the maps of even and of odd masks, as a share of the map's size, leaves it "
    "above chance"
)


def rise(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    samples: int = 1000,
    cells: int = 7,
    shown: float = 0.5,
    baseline: Baseline = GREY,
    score: Literal["logit", "probability"] = "logit",
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """How much higher the target's score is, on average, when a pixel is shown than when it is not known, (N, H, W).

    Signed: positive where showing helps the target. One forward pass a mask; the check costs nothing: the maps of the
    even and of the odd masks agree, so that the standard error is clearly less than the map's size. Masks are drawn for
    each image by its pixels.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        samples: Masks, at least 4.
        cells: Cells of a mask along each side, at most the short side of the image; smooth by bilinear interpolation.
        shown: Probability that a cell is shown, above 0 and below 1.
        baseline: What stands where the image is not shown, as in `occlusion`.
        score: What is averaged, the logit or the probability.
        seed: Seed of the masks.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: Fewer samples, another share, more cells than pixels, a baseline that is no colour.

    Source: Petsiuk, Das & Saenko 2018, section 3.1 and equation 6 (masks), there with 4000 to 8000 of them. Their map
    is the mean of score times mask, over the mean mask; here less the mean score, as a covariance without bias: the
    same order of pixels in expectation, zero where a pixel says nothing, and a variance that no constant score adds to.
    """
    count = at_least(samples, 4, "samples")
    size = (images.shape[-2], images.shape[-1])
    if not 0 < shown < 1:
        raise StriateError(f"shown is {shown}", accepted="a probability above 0 and below 1")
    if not 1 <= at_least(cells, 1, "cells") <= min(size):
        raise StriateError(f"cells is {cells}", accepted=f"1 to {min(size)} for images of {size[0]} x {size[1]}")
    fill, words = filled(images, baseline)
    rng, ids = Rng(seed, "rise"), image_ids(images)
    most = chunk_size(net, images, memory=memory)
    values, errors = [], []
    with (
        looked_into(net, images),
        torch.no_grad(),
        progress.task("rise", len(images) * count, unit="masks") as step,
    ):
        for i, image in enumerate(images.detach()):
            draw = Masks(size, cells=cells, shown=shown, count=count, rng=rng, ids=ids[i : i + 1])
            sums = [_Sums(size) for _ in range(2)]
            for part in torch.split(torch.arange(count), most):
                masks = draw.of(part).to(image)
                seen = fast_layout(torch.lerp(fill[i], image, masks[:, None]))
                logits = net.logits(seen).double()
                scores = (logits.softmax(1) if score == "probability" else logits)[:, int(targets[i])].cpu()
                for parity, each in enumerate(sums):
                    each.add(scores[part % 2 == parity], masks.cpu()[part % 2 == parity])
                step(len(part))
            values.append(_Sums.covariance(sums) / shown)
            errors.append((_Sums.covariance(sums[:1]) - _Sums.covariance(sums[1:])) / (2 * shown))
    maps = torch.stack(values)
    return Maps(
        maps.float(),
        units=f"mean rise of the target's {score} where the pixel is shown, over {count} masks of {cells} x {cells} "
        f"cells, the rest {words}",
        signed=True,
        checks=steadiness(torch.stack(errors), maps, count=count, what=WHAT),
    )


class Masks:
    """The masks of one image: random cells, enlarged bilinearly and moved by up to a cell."""

    def __init__(self, size: tuple[int, int], *, cells: int, shown: float, count: int, rng: Rng, ids: Tensor) -> None:
        self.size, self.cells = size, cells
        side = cells + 1
        self.grids = (rng.child("cells").uniform(ids, (count, side, side))[0] < shown).float()
        self.steps = tuple(math.ceil(length / cells) for length in size)
        self.shifts = tuple(
            rng.child(axis).integers(ids, (count,), high=step)[0]
            for axis, step in zip(("down", "across"), self.steps, strict=True)
        )

    def of(self, numbers: Tensor) -> Tensor:
        """Masks (n, H, W) in [0, 1] of these numbers; each pixel's mean is the share of cells that are shown."""
        down, across = (
            enlargement(self.cells + 1, step)[shift[numbers][:, None] + torch.arange(length)]
            for step, shift, length in zip(self.steps, self.shifts, self.size, strict=True)
        )
        return down @ self.grids[numbers] @ across.mT


def enlargement(cells: int, step: int) -> Tensor:
    """Weights (cells * step, cells) of bilinear enlargement by a whole factor, pixel centres aligned; rows sum to 1."""
    places = ((torch.arange(cells * step) + 0.5) / step - 0.5).clamp(0, cells - 1)
    return (1 - (places[:, None] - torch.arange(cells)).abs()).clamp_min(0)


class _Sums:
    """Sums over masks of score times mask, masks, scores, in float64."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.products, self.masks = torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        self.scores, self.count = 0.0, 0

    def add(self, scores: Tensor, masks: Tensor) -> None:
        masks = masks.double()
        self.products += torch.einsum("n,nhw->hw", scores, masks)
        self.masks += masks.sum(0)
        self.scores += float(scores.sum())
        self.count += len(scores)

    @staticmethod
    def covariance(parts: list[_Sums]) -> Tensor:
        """Of score and mask at each pixel, without bias, over all of the parts, (H, W)."""
        count, scores = sum(each.count for each in parts), sum(each.scores for each in parts)
        masks = torch.stack([each.masks for each in parts]).sum(0)
        return (torch.stack([each.products for each in parts]).sum(0) - scores * masks / count) / (count - 1)
