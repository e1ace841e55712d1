"""Integrated gradients: the rise of the score from a baseline to the image, shared out among the pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import UnknownNameError
from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .baseline import Baseline, filled
from .chunks import looked_into
from .completeness import completeness, scores_and_level
from .maps import Maps
from .points import at_least, groups, per_row, sums

Rule = Literal["gauss_legendre", "midpoint"]
RULES: tuple[Rule, ...] = ("gauss_legendre", "midpoint")
BOUND = 0.05  # of the rise: "within 5 %" in section 5 of the paper
WHAT = "the map sums to the rise of the target's logit from the baseline to the image"


def integrated_gradients(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    steps: int = 50,
    baseline: Baseline = 0.0,
    rule: Rule = "gauss_legendre",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Image less baseline, times the mean gradient on the straight path between them, signed, (N, C, H, W).

    One forward and one backward pass a point of the path; two forward passes for the check, completeness: the map sums
    to the score of the image less that of the baseline.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        steps: Points on the path.
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

    Source: Sundararajan, Taly & Yan 2017, equation 1; proposition 1 is the check, 5 % is of section 5. Equation 3 takes
    the right ends of equal parts; here the rules are of higher order.
    """
    places, weights = quadrature(rule, at_least(steps, 1, "steps"))
    fill, words = filled(images, baseline)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with (
        looked_into(net, images),
        progress.task("integrated_gradients", len(images) * len(places), unit="points") as step,
    ):
        for rows in groups(net, images, count=len(places), memory=memory):
            part, start, wanted = images[rows].detach(), fill[rows], targets[rows]

            def point(which: Tensor, numbers: Tensor, part: Tensor = part, start: Tensor = start) -> Tensor:
                return torch.lerp(start[which], part[which], per_row(places[numbers]).to(part))

            def terms(slopes: Tensor, _which: Tensor, numbers: Tensor) -> tuple[Tensor]:
                return (slopes.mul_(per_row(weights[numbers]).to(slopes)),)

            (mean,) = sums(net, part, wanted, count=len(places), point=point, terms=terms, memory=memory, step=step)
            found = mean * (part - start)
            values.append(found.float().cpu().contiguous())
            if not check:
                checks.extend([MapCheck.left_out(WHAT, BOUND)] * len(part))
                continue
            ends = torch.cat([part, start.expand_as(part)])
            scores, level = scores_and_level(net, ends, wanted.repeat(2), memory=memory)
            above, below = scores[: len(part)], scores[len(part) :]
            checks.extend(
                completeness(
                    WHAT, totals=found.sum((1, 2, 3)).cpu(), rises=above - below, level=level[: len(part)],
                    bounds=torch.full((len(part),), BOUND),
                )
            )  # fmt: skip
    return Maps(
        torch.cat(values),
        units=f"part of the rise of the target's logit from {words} that a pixel accounts for; drawn is the sum over "
        "the channels",
        signed=True,
        checks=tuple(checks),
        share=0.995,
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
