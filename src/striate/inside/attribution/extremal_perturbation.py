"""Extremal perturbation: the part of a stated size that, shown alone, keeps the target's score highest."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng, image_ids
from striate.data.transforms.focus import Blur
from striate.imageopt.canvas import Masked, Spread
from striate.imageopt.objective import logit, ranked_area, weighted
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import solve
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .completeness import scores_and_level
from .maps import Maps
from .points import at_least

CELLS = 32  # along the short side; TorchRay has cells of 7 pixels at 224
HILL = 3 / 32  # of the short side: the scale of a hill, 21 pixels at 224
BLUR = 0.09  # of the short side: 20 pixels at 224
WEIGHT = 100.0  # of the area, in units of what blurring all of the image changes the score by
GROWTH = (
    0.01,
    0.1,
    1.0,
    10.0,
)  # of that weight, round by round: first the score says which part, then the area how much
RATE = 0.1
LEAST = 0.3  # of the largest logit: that change is taken for at least so much
BOUND = 0.25
MOVED = 8
WHAT = (
    "the mask has the area asked for, and through it the target's score is higher than on average through the same "
    "mask moved at random"
)


def extremal_perturbation(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    area: float = 0.1,
    steps: int = 100,
    seed: int = 0,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """A smooth mask in [0, 1] that shows a share ``area`` of the image, and the target in it, (N, H, W).

    What the mask does not show is blurred. The mask is found by Adam: the target's logit less the distance of the
    sorted mask from a share of ones, which weighs more from round to round. One forward and one backward pass a step,
    four to eight forward passes beside them, and nine for the check: the area is met within a quarter, and the masked
    score is above the mean of the scores through the same mask moved to 8 random places (around the edges). Nothing of
    the map itself is random.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        area: Share of the image that is shown, above 0 and below 1.
        steps: Of the search.
        seed: Seed of the places to which the check moves the mask.
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: No step, or an area that is no share.

    Source: Fong, Patrick & Vedaldi 2019, equations 1 to 4. There gradient ascent with momentum and a weight of the area
    that grows at every step; here Adam in four rounds, and a weight in units of what blurring all of the image changes
    the score by, so that it serves all nets.
    """
    at_least(steps, 1, "steps")
    size = (images.shape[-2], images.shape[-1])
    clean = images.detach()
    sigma = {"sigma": clean.new_full((1,), BLUR * min(size))}
    blurred = torch.cat([Blur(size[0]).apply(image[None], sigma) for image in clean])
    cell = max(1, round(min(size) / CELLS))
    spread = Spread(size, cell, HILL * min(size))
    with undisturbed(net):
        scores, level = scores_and_level(net, torch.cat([clean, blurred]), targets.repeat(2), memory=1)
    # What the mask can win or lose, so that one weight serves all nets.
    rise = (scores[: len(clean)] - scores[len(clean) :]).abs()
    weight = (WEIGHT * torch.maximum(rise, LEAST * level[: len(clean)]).clamp_min(1e-6)).to(clean)
    masks = _searched(
        net, clean, blurred, targets, spread=spread, area=area, weight=weight, steps=steps, progress=progress
    )
    if check:
        with undisturbed(net):
            checks = _checks(
                net, clean, blurred, targets, masks=masks, area=area, steps=steps, seed=seed, memory=memory
            )
    else:
        checks = (MapCheck.left_out(WHAT, BOUND),) * len(clean)
    return Maps(
        masks.float().cpu(),
        units=f"how far the pixel is shown by the mask of {area:.0%} of the image that keeps the target highest",
        signed=False,
        checks=checks,
    )


def _searched(
    net: Net,
    images: Tensor,
    others: Tensor,
    targets: Tensor,
    *,
    spread: Spread,
    area: float,
    weight: Tensor,
    steps: int,
    progress: Progress,
) -> Tensor:
    """The masks (N, H, W), found in rounds in which the area weighs more and more.

    Images pass one by one: float32 results hang on the size of a batch, and a search of many steps would let an image's
    neighbours steer it.
    """
    cells = images.new_ones(len(images), *spread.cells)
    for turn, share in enumerate(GROWTH):
        size = ranked_area(spread.coarse, area)
        found = solve(
            net,
            logit(targets.to(images.device)) - weighted(size, share * weight, f"{share:g} own weight * {size.words}"),
            start=images,
            canvas=Masked(images, others, spread, first=cells),
            search=Adam(rate=RATE, falling=turn == len(GROWTH) - 1),
            steps=math.ceil(steps / len(GROWTH)),
            keep="last",
            memory=1,
            progress=progress,
            label=f"extremal_perturbation, round {turn + 1}",
        )
        assert found.free is not None
        cells = found.free
    return spread(cells).detach()


def _checks(
    net: Net,
    images: Tensor,
    others: Tensor,
    targets: Tensor,
    *,
    masks: Tensor,
    area: float,
    steps: int,
    seed: int,
    memory: int,
) -> tuple[MapCheck, ...]:
    """Area and score of each mask, and the scores of the same mask moved."""
    rng, ids, size = Rng(seed, "extremal_perturbation"), image_ids(images), masks.shape[1:]
    shifts = [rng.child(f"axis {axis}").integers(ids, (MOVED,), high=length) for axis, length in enumerate(size)]

    def score(each: Tensor) -> Tensor:
        return scores_and_level(net, torch.lerp(others, images, each[:, None]), targets, memory=memory)[0]

    own = score(masks)
    moved = []
    for turn in range(MOVED):
        places = [(int(down), int(across)) for down, across in zip(shifts[0][:, turn], shifts[1][:, turn], strict=True)]
        moved.append(score(torch.stack([torch.roll(m, at, (0, 1)) for m, at in zip(masks, places, strict=True)])))
    chance = torch.stack(moved).mean(0)
    gaps = (masks.double().mean((1, 2)).cpu() / area - 1).abs()
    return tuple(
        MapCheck(
            WHAT,
            Number.of(gap, n=steps, why="steps; of the area; the score is that of the mask beside those of moved ones"),
            BOUND,
            gap <= BOUND and above,
        )
        for gap, above in zip(gaps.tolist(), (own > chance).tolist(), strict=True)
    )
