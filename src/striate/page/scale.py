"""From numbers to places on paper: few ticks at round numbers, and straight scales between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .format import fixed


@dataclass(frozen=True)
class Ticks:
    """Round numbers, evenly apart: a step of 1, 2 or 5 times a power of ten."""

    values: tuple[float, ...]
    step: float

    @property
    def decimals(self) -> int:
        """Decimals that tell neighbouring ticks apart."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))


def ticks(low: float, high: float, *, most: int = 5) -> Ticks:
    """Ticks inside [low, high] with at most ``most`` steps between them, as close together as that allows.

    >>> ticks(0, 1).values
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    span = high - low
    if not (math.isfinite(span) and span > 0):
        raise ValueError(f"no ticks between {low} and {high}")
    order = math.floor(math.log10(span / most))
    for step in (factor * 10.0**power for power in (order, order + 1) for factor in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first <= most:
            break
    return Ticks(tuple(_round(step * index, step) for index in range(first, last + 1)), step)


def cover(values: list[float], *, zero: bool = False, pad: float = 0.0) -> tuple[float, float]:
    """An interval that holds the values (and 0, where asked), ``pad`` of its width added at the free ends."""
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-6):  # nothing to tell apart: room around the one value
        half = 0.5 * (max(abs(low), abs(high)) or 1.0) if abs(low) > 1e-6 else 0.5
        low, high = (0.0, 1.0) if zero and abs(low) <= 1e-6 else (low - half, high + half)
    room = pad * (high - low)
    return (low if zero and low == 0 else low - room, high if zero and high == 0 else high + room)


@dataclass(frozen=True)
class Scale:
    """A straight line through (low, start) and (high, end): from a number to a place in pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of ``value``; beyond the ends it is held at them."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def label(value: float, marks: Ticks, *, percent: bool = False) -> str:
    """What stands at a tick."""
    places = marks.decimals
    return fixed(100 * value, max(places - 2, 0)) if percent else fixed(value, places)


def _round(value: float, step: float) -> float:
    return round(value, max(0, -math.floor(math.log10(step) + 1e-9)) + 1)
