"""Slopes by finite differences: the independent side of the checks of gradient methods."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from striate.core.number import Number
from striate.inside.payload import MapCheck
from striate.nets.net import Net

BOUND = 0.02  # relative; the nets at hand stay below a third of it, a wrong backward rule exceeds it many times
DOUBLE = 1e-3  # share of a float32 step that float64 takes: between kinks where the first could not stay


def central_slope(score: Callable[[float], Tensor], steps: Sequence[float]) -> Tensor:
    """Slope of ``score`` at 0 for each image, (n,) float64: the median over the step sizes of central differences.

    ``score(t)`` gives one number an image. In float32 a large step crosses kinks of the net and a small one drowns in
    rounding; the median needs no knowledge of which is which. Cost: two forward passes a step size.
    """
    slopes = [(score(step).double() - score(-step).double()) / (2 * step) for step in steps]
    return torch.stack(slopes).median(dim=0).values


def slope_checks(
    what: str, *, found: Tensor, predicted: Tensor, level: Tensor, step: float, bound: float = BOUND
) -> tuple[MapCheck, ...]:
    """One check an image: ``found`` and ``predicted`` slopes (n,) differ by at most ``bound`` of the predicted one.

    ``level`` (n,) is the size of the scores that were subtracted: a slope below what their float32 rounding can show at
    ``step`` is held to that instead.
    """
    resolution = 8 * torch.finfo(torch.float32).eps * level.double().abs() / step
    scale = torch.maximum(predicted.double().abs(), resolution / bound)
    gap = (found.double() - predicted.double()).abs()
    residuals = torch.where(gap == 0, 0.0, gap / scale)
    return tuple(
        MapCheck(
            what=what,
            residual=Number.of(residual, why="arithmetic: no interval"),
            bound=bound,
            holds=math.isfinite(residual) and residual <= bound,
        )
        for residual in residuals.tolist()
    )


def checked_again(
    net: Net, checks: tuple[MapCheck, ...], again: Callable[[Net, int], MapCheck]
) -> tuple[MapCheck, ...]:
    """The checks, those that failed made once more by a float64 copy of the net, in which steps can be much smaller.

    Where the kinks of a net lie closer together than float32 can resolve, a right gradient fails the first check. A net
    that cannot be copied or does not run in float64 keeps what the first check said.

    Args:
        net: The net.
        checks: One for each image.
        again: The check of an image, by its number, made with the copy.
    """
    if all(check.holds for check in checks):
        return checks
    try:
        double = net.with_module(copy.deepcopy(net.module).double()).eval()
        return tuple(check if check.holds else again(double, i) for i, check in enumerate(checks))
    except Exception:  # whatever a net does that knows float32 alone: then the first check is the last word
        return checks
