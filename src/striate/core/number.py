"""Numbers that carry their interval, the count behind them, or the reason why they are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A measured value; ``low`` and ``high`` bound its 95 % interval unless ``why`` says otherwise.

    Attributes:
        value: The number, or None where it is undefined (``why`` then says why).
        low: Lower end of the interval, or None.
        high: Upper end of the interval, or None.
        n: How many observations stand behind it, or None.
        why: Why the value or the interval is missing, or how the interval was made.

    Raises:
        ValueError: A value is not finite, or is missing without a reason.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    why: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"Number.{name} is {number}; give None with a reason in `why` instead")
        if self.value is None and not self.why:
            raise ValueError("a Number without value needs its `why`")

    @classmethod
    def of(cls, value: float, *, n: int | None = None, why: str = "") -> Number:
        """A number from arithmetic that may fail: one that is not finite becomes None, with ``why`` or its own word."""
        if math.isfinite(value):
            return cls(float(value), n=n, why=why)
        return cls(None, n=n, why=why or f"the computation gave {value}")

    @classmethod
    def missing(cls, why: str) -> Number:
        """No number, and why."""
        return cls(None, why=why)

    def __float__(self) -> float:
        return math.nan if self.value is None else self.value
