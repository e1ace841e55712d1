"""Learning-rate schedules: pure functions of the step, so that a resumed run meets the same rates.

Each gives the share of the peak rate at a step of so many steps (the first is 0, the last steps - 1), after a linear
warm-up over the share ``warm`` of all steps. The way down is written in shares of the run, so that it fits a run of any
length: ``end`` is the share of the peak at the last step. Plateau also looks at the figures on dev of the epochs that
are finished, which a checkpoint keeps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from striate.core.errors import StriateError, UnknownNameError

from .catalog import SCHEDULES


def constant(step: int, steps: int, *, warm: float = 0.0) -> float:
    """1 at every step after the warm-up."""
    rising, past = _phase(step, steps, warm)
    return rising if past is None else 1.0


def cosine(step: int, steps: int, *, warm: float = 0.0, end: float = 0.0) -> float:
    """Linear warm-up over the share ``warm`` of all steps, then half a cosine down to ``end``.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5, one period without restarts; the warm-up is Goyal et al.
    2017, section 2.2.
    """
    rising, past = _phase(step, steps, warm)
    return rising if past is None else end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * past))


def cosine_restarts(
    step: int, steps: int, *, warm: float = 0.0, end: float = 0.0, cycles: float = 4, growth: float = 1.0
) -> float:
    """``cycles`` half cosines, each from 1 down to ``end``, each ``growth`` times as long as the one before.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5, T_mult their growth.
    """
    rising, past = _phase(step, steps, warm)
    if past is None:
        return rising
    lengths = [growth**index for index in range(round(cycles))]
    place = past * sum(lengths)
    for length in lengths[:-1]:
        if place < length - 1e-9:
            break
        place -= length
    else:
        length = lengths[-1]
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * place / length))


def one_cycle(step: int, steps: int, *, warm: float = 0.3, start: float = 0.1, end: float = 0.0) -> float:
    """Linear from ``start`` up to 1 over the share ``warm`` of all steps, then linear down to ``end``.

    Source: Smith & Topin 2018, "Super-convergence", section 3. It differs from the paper in two ways: the way down may
    be longer than the way up, and goes straight to ``end`` instead of adding a third phase of far smaller rates.
    """
    rising, past = _phase(step, steps, warm)
    return start + (1.0 - start) * rising if past is None else 1.0 + (end - 1.0) * past


def step_decay(step: int, steps: int, *, warm: float = 0.0, every: float = 1 / 3, factor: float = 0.1) -> float:
    """Times ``factor`` after every share ``every`` of the way down: ``factor ** floor(past / every)``.

    Source: Krizhevsky et al. 2012, section 5, who divide by 10 when dev no longer falls; He et al. 2016, section 3.4.
    """
    rising, past = _phase(step, steps, warm)
    # a little is added, so that a step that falls on a boundary counts as past it whatever the rounding
    return rising if past is None else factor ** math.floor(past / every + 1e-9)


def exponential(step: int, steps: int, *, warm: float = 0.0, end: float = 0.01) -> float:
    """``end ** past``: the same factor each step; exp(-k t) with k = ln(1 / end) over the whole way down."""
    rising, past = _phase(step, steps, warm)
    return rising if past is None else end**past


def inverse_time(step: int, steps: int, *, warm: float = 0.0, end: float = 0.05) -> float:
    """1 / (1 + k t), with k = 1 / end - 1 over the whole way down.

    Source: Robbins & Monro 1951: the sum of such rates is infinite, that of their squares is not.
    """
    rising, past = _phase(step, steps, warm)
    return rising if past is None else 1.0 / (1.0 + (1.0 / end - 1.0) * past)


def polynomial(step: int, steps: int, *, warm: float = 0.0, end: float = 0.0, power: float = 1.0) -> float:
    """``end + (1 - end) (1 - past) ** power``: a straight line where the power is 1."""
    rising, past = _phase(step, steps, warm)
    return rising if past is None else end + (1.0 - end) * (1.0 - past) ** power


def plateau(
    step: int,
    steps: int,
    *,
    dev: Sequence[float] = (),
    warm: float = 0.0,
    factor: float = 0.1,
    patience: float = 2,
    end: float = 0.0,
) -> float:
    """Times ``factor`` whenever more than ``patience`` epochs in a row brought no new best on dev; never below ``end``.

    ``dev`` holds a figure of each finished epoch, the lowest best. After a fall the count begins anew.

    Source: Krizhevsky et al. 2012, section 5, by hand; counted as torch's ``ReduceLROnPlateau`` counts, without its
    threshold.
    """
    best, waited, share = math.inf, 0, 1.0
    for figure in dev:
        waited = 0 if figure < best else waited + 1
        best = min(best, figure)
        if waited > patience:
            waited, share = 0, max(share * factor, end)
    rising, past = _phase(step, steps, warm)
    return (rising if past is None else 1.0) * share


def _phase(step: int, steps: int, warm: float) -> tuple[float, float | None]:
    """Share of the warm-up done and None while it lasts; then 1 and the share of the way down, which ends at 1."""
    peak = warm * steps
    if step < peak:
        return step / peak, None
    return 1.0, (step - peak) / max(steps - 1 - peak, 1.0)


_BACKWARD = ("plateau",)  # schedules that look at the epochs before
_RANGES = {  # of numbers that are no shares: least, greatest, in words
    "cycles": (1, 1000, "a whole number of at least 1"),
    "growth": (1, 100, "a number from 1 to 100"),
    "power": (0, 100, "a number from 0 to 100"),
    "patience": (0, 10**6, "a whole number of at least 0"),
    "every": (1e-6, 1, "a share of the run above 0"),
}
_ABOVE_0 = {("exponential", "end"), ("inverse_time", "end")}  # their way down never reaches 0


@dataclass(frozen=True)
class Schedule:
    """A schedule by name (`striate methods` lists them) with its numbers.

    >>> Schedule("cosine")(0, 10)
    1.0

    Raises:
        StriateError: The name is unknown, a number is not one of that schedule's, or lies out of its range.
    """

    name: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise UnknownNameError("schedule", self.name, SCHEDULES)
        for key, value in self.numbers.items():
            least, greatest, accepted = _RANGES.get(key, (0.0, 1.0, "a number from 0 to 1"))
            if (self.name, key) in _ABOVE_0:
                least, accepted = 1e-12, "a number above 0, up to 1"
            if not least <= value <= greatest:
                raise StriateError(f"{key} of schedule {self.name} is {value}", accepted=accepted)
        try:
            self(0, 1)
        except TypeError as error:
            raise StriateError(f"schedule {self.name} does not take {sorted(self.numbers)} ({error})") from error

    def __call__(self, step: int, steps: int, dev: Sequence[float] = ()) -> float:
        """Share of the peak rate at ``step`` of ``steps``; ``dev``: figures of the finished epochs, the lowest best."""
        before = {"dev": dev} if self.name in _BACKWARD else {}
        return SCHEDULES.load(self.name)(step, steps, **before, **self.numbers)
