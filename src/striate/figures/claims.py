"""Claims: what a source says, what is right, what we computed, and whether ours agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .payload import Claim

SAME: Final = "as right"  # the source gives the right number
PRINTED = 1e-6  # numbers that are no integers agree to six decimals, unless a claim says otherwise


@dataclass(frozen=True)
class Computed:
    """What the code of a figure gives: its claims, and where one helps a picture (SVG text, or PNG bytes)."""

    claims: tuple[Claim, ...]
    picture: str | bytes = ""


def claim(
    what: str, ours: Any, right: Any, *, says: Any = None, tolerance: float | None = None, note: str = ""
) -> Claim:
    """A claim whose verdict is the comparison of ``ours`` with ``right``, number by number.

    Args:
        what: What is computed.
        ours: A number, a text, a tensor, or nested sequences of them.
        right: The right value, of the same form.
        says: What the source gives: None for nothing, `SAME` where it is right.
        tolerance: Largest absolute difference; 0 where all numbers are integers, else `PRINTED`.
        note: Where the source is wrong, and by which paper.

    >>> claim("mean", [2.5, 4.0], [2.5, 4.5], tolerance=0.1).passed
    False
    """
    mine, truth = _plain(ours), _plain(right)
    if tolerance is None:
        tolerance = PRINTED if _has_float(truth) or _has_float(mine) else 0.0
    source = truth if isinstance(says, str) and says == SAME else _plain(says)
    return Claim(
        what=what,
        source=None if source is None else shown(source),
        right=shown(truth),
        ours=shown(mine),
        tolerance=tolerance,
        passed=agree(mine, truth, tolerance),
        note=note,
    )


def holds(what: str, fact: bool, *, note: str = "") -> Claim:
    """A claim that something is so: right is ``"yes"``, ours is what was found."""
    return claim(what, "yes" if fact else "no", "yes", note=note)


def agree(ours: Any, right: Any, tolerance: float) -> bool:
    """Whether two values have one form, equal texts, numbers at most ``tolerance`` apart; NaN agrees with nothing."""
    if isinstance(ours, str) or isinstance(right, str):
        return bool(ours == right)
    if isinstance(ours, Sequence) and isinstance(right, Sequence):
        return len(ours) == len(right) and all(agree(a, b, tolerance) for a, b in zip(ours, right, strict=True))
    if isinstance(ours, Sequence) or isinstance(right, Sequence):
        return False
    return abs(float(ours) - float(right)) <= tolerance


def shown(value: Any) -> float | str:
    """A value as a table shows it: a number as it is, sequences as text with commas, rows set apart by strokes."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return _text(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # a tensor, or an array
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _has_float(value: Any) -> bool:
    if isinstance(value, str):
        return False
    if isinstance(value, Sequence):
        return any(_has_float(item) for item in value)
    return isinstance(value, float)


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        deep = any(isinstance(item, Sequence) and not isinstance(item, str) for item in value)
        return (" / " if deep else ", ").join(_text(item) for item in value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.7g}"
    return str(value)
