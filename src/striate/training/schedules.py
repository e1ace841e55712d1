"""Learning-rate schedules: pure functions of the step, so that a resumed run meets the same rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from striate.core.errors import StriateError, UnknownNameError


def constant(step: int, steps: int) -> float:
    """1 at every step."""
    del step, steps
    return 1.0


def cosine(step: int, steps: int, *, warm: float = 0.0, end: float = 0.0) -> float:
    """Linear warm-up over the share ``warm`` of all steps, then half a cosine down to ``end``.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5, one period without restarts; the warm-up is Goyal et al.
    2017, section 2.2.
    """
    rising, past = _phase(step, steps, warm)
    return rising if past is None else end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * past))


def one_cycle(step: int, steps: int, *, warm: float = 0.3, start: float = 0.1, end: float = 0.0) -> float:
    """Linear from ``start`` up to 1 over the share ``warm`` of all steps, then linear down to ``end``.

    Source: Smith & Topin 2018, "Super-convergence", section 3. It differs from the paper in two ways: the way down may
    be longer than the way up, and goes straight to ``end`` instead of adding a third phase of far smaller rates.
    """
    rising, past = _phase(step, steps, warm)
    return start + (1.0 - start) * rising if past is None else 1.0 + (end - 1.0) * past


def _phase(step: int, steps: int, warm: float) -> tuple[float, float | None]:
    """Share of the warm-up done and None while it lasts; then 1 and the share of the way down, which ends at 1."""
    peak = warm * steps
    if step < peak:
        return step / peak, None
    return 1.0, (step - peak) / max(steps - 1 - peak, 1.0)


# the share of the peak rate at a step of so many steps: the first step is 0, the last steps - 1
SCHEDULES: Mapping[str, Callable[..., float]] = MappingProxyType(
    {"one_cycle": one_cycle, "cosine": cosine, "constant": constant}
)


@dataclass(frozen=True)
class Schedule:
    """A schedule by name (``one_cycle``, ``cosine``, ``constant``) with its numbers.

    >>> Schedule("cosine")(0, 10)
    1.0

    Raises:
        StriateError: The name is unknown, a number is not one of that schedule's, or lies outside [0, 1].
    """

    name: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise UnknownNameError("schedule", self.name, SCHEDULES)
        for key, value in self.numbers.items():
            if not 0.0 <= value <= 1.0:
                raise StriateError(f"{key} of schedule {self.name} is {value}", accepted="a number from 0 to 1")
        try:
            self(0, 1)
        except TypeError as error:
            raise StriateError(f"schedule {self.name} does not take {sorted(self.numbers)} ({error})") from error

    def __call__(self, step: int, steps: int) -> float:
        """Share of the peak rate at ``step`` of ``steps``."""
        return SCHEDULES[self.name](step, steps, **self.numbers)
