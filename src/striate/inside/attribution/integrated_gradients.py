"""Integrated gradients: the rise of the score from a baseline to the image, shared out among the pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import UnknownNameError
from striate.core.progress import SILENT, Progress, Step
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .baseline import Baseline, filled
from .chunks import looked_into
from .completeness import completeness, scores_and_level
from .maps import Maps
from .points import at_least, groups, per_row, sums

Rule = Literal["gauss_legendre", "midpoint"]
RULES: tuple[Rule, ...] = ("gauss_legendre", "midpoint")
POINTS = (50, 100, 200, 400)  # "20 to 300 steps are enough" for most nets, says section 5
BOUND = 0.05  # of the rise: "within 5 %" in section 5 of the paper
WHAT = "the map sums to the rise of the target's logit from the baseline to the image"


def integrated_gradients(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    steps: int | None = None,
    baseline: Baseline = 0.0,
    rule: Rule = "gauss_legendre",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Image less baseline, times the mean gradient on the straight path between them, signed, (N, C, H, W).

    One forward and one backward pass a point of the path; two forward passes for the check, completeness: the map sums
    to the score of the image less that of the baseline. Without ``steps`` an image begins with 50 points, and while its
    sum is off by more than the bound it is done again with twice as many, up to 400: 750 points where nothing helps.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        steps: Points on the path, exactly; None takes as many as completeness needs (50 where it is not checked).
        baseline: Where it begins, in pixel values from 0 to 1: one number, one for each channel, or ``"mean"`` for each
            image's own channel means. Black, the paper's choice, shows nothing; but a pixel that is black itself gets 0
            whatever it says, so dark objects want another baseline.
        rule: How the integral is taken: at the points of Gauss and Legendre, or in the middle of equal parts.
        check: Whether completeness is checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: No step, or a baseline that is no colour.
        UnknownNameError: An unknown rule.

    Source: Sundararajan, Taly & Yan 2017, equation 1; proposition 1 is the check, 5 % and more steps where it fails are
    of section 5. Equation 3 takes the right ends of equal parts; here the rules are of higher order.
    """
    counts = (POINTS if check else POINTS[:1]) if steps is None else (at_least(steps, 1, "steps"),)
    fill, words = filled(images, baseline)
    values = torch.zeros(images.shape)
    checks: list[MapCheck] = [MapCheck.left_out(WHAT, BOUND)] * len(images)
    todo = torch.arange(len(images))
    for count in counts:
        places = quadrature(rule, count)
        with (
            looked_into(net, images),
            progress.task("integrated_gradients", len(todo) * count, unit="points") as step,
        ):
            for rows in groups(net, images[todo], count=count, memory=memory):
                which = todo[rows]
                part, start, wanted = images[which].detach(), fill[which], targets[which]
                found = _path(net, part, start, wanted, places=places, memory=memory, step=step)
                values[which] = found.float().cpu()
                if check:
                    made = _checks(net, part, start, wanted, maps=found, count=count, memory=memory)
                    for i, each in zip(which.tolist(), made, strict=True):
                        checks[i] = each
        todo = torch.tensor([i for i in todo.tolist() if checks[i].holds is False], dtype=torch.int64)
        if not len(todo):
            break
    return Maps(
        values,
        units=f"part of the rise of the target's logit from {words} that a pixel accounts for; drawn is the sum over "
        "the channels",
        signed=True,
        checks=tuple(checks),
        share=0.995,
    )


def _path(
    net: Net, images: Tensor, start: Tensor, targets: Tensor, *, places: tuple[Tensor, Tensor], memory: int, step: Step
) -> Tensor:
    """Difference times mean gradient on the path, (n, C, H, W) float64."""
    points, weights = places

    def point(rows: Tensor, numbers: Tensor) -> Tensor:
        return torch.lerp(start[rows], images[rows], per_row(points[numbers]).to(images))

    def terms(slopes: Tensor, _rows: Tensor, numbers: Tensor) -> tuple[Tensor]:
        return (slopes.mul_(per_row(weights[numbers]).to(slopes)),)

    (mean,) = sums(net, images, targets, count=len(points), point=point, terms=terms, memory=memory, step=step)
    return mean * (images - start)


def _checks(
    net: Net, images: Tensor, start: Tensor, targets: Tensor, *, maps: Tensor, count: int, memory: int
) -> tuple[MapCheck, ...]:
    """Completeness of maps made with so many points."""
    ends = torch.cat([images, start.expand_as(images)])
    scores, level = scores_and_level(net, ends, targets.repeat(2), memory=memory)
    return completeness(
        WHAT,
        totals=maps.sum((1, 2, 3)).cpu(),
        rises=scores[: len(images)] - scores[len(images) :],
        level=level[: len(images)],
        bounds=torch.full((len(images),), BOUND),
        n=count,
        why="points on the path; arithmetic: no interval",
    )


def quadrature(rule: str, steps: int) -> tuple[Tensor, Tensor]:
    """Points in (0, 1) and their weights, which sum to 1, float64: exact for lines, Gauss and Legendre's to 2n - 1.

    Raises:
        UnknownNameError: No such rule.
    """
    if rule == "midpoint":
        return (torch.arange(steps, dtype=torch.float64) + 0.5) / steps, torch.full((steps,), 1 / steps).double()
    if rule != "gauss_legendre":
        raise UnknownNameError("rule", rule, RULES)
    points, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((points + 1) / 2), torch.from_numpy(weights / 2)
