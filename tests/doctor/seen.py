"""What the checks of untrained models see in a tiny set-up, nothing folded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from striate.core.finding import Finding
from striate.doctor.case import Case
from striate.doctor.check import Check
from striate.doctor.checks import capacity, layers, outputs, signal, wiring
from striate.doctor.setup import Setup

SLOW = ("capacity",)  # asked by name only
CHECKS = tuple(
    each
    for family in (outputs, wiring, layers, signal, capacity)
    for each in vars(family).values()
    if isinstance(each, Check)
)


def every(
    model: nn.Module, loss: Callable[..., Any] | None, x: Any, y: Tensor | None, *, also: str = "", **parts: Any
) -> list[Finding]:
    """All findings of phase start; a check that fails fails the test. ``x`` is a loader where there is no ``y``."""
    case = Case(Setup(model, loss_fn=loss, train=x if y is None else (x, y), **parts))
    out = []
    for each in CHECKS:
        if (each.name in SLOW and each.name != also) or any(map(case.lacks, each.needs)):
            continue
        out += [each.finding(one) for one in each.look(case, each.limits)]
    return out


def found(model: nn.Module, loss: Callable[..., Any] | None, x: Any, y: Tensor | None, **parts: Any) -> set[str]:
    """Names of the checks that saw something."""
    return {each.check for each in every(model, loss, x, y, **parts)}


def seen(
    check: str, model: nn.Module, loss: Callable[..., Any] | None, x: Any, y: Tensor | None, **parts: Any
) -> Finding:
    """What one check saw."""
    return next(each for each in every(model, loss, x, y, also=check, **parts) if each.check == check)
