"""Figures of pairs found by walking over every threshold, in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction


def walk(scores: list[float], same: list[bool]) -> list[tuple[Fraction, Fraction]]:
    """Share of different pairs accepted and of same ones refused, from accepting none to accepting all."""
    found = []
    for threshold in [max(scores) + 1, *sorted(set(scores), reverse=True)]:
        accepted = [truth for score, truth in zip(scores, same, strict=True) if score >= threshold]
        wrong = Fraction(accepted.count(False), same.count(False))
        found.append((wrong, 1 - Fraction(accepted.count(True), same.count(True))))
    return found


def equal_error(scores: list[float], same: list[bool]) -> Fraction:
    """Where the two shares cross, both taken as straight between neighbouring thresholds."""
    steps = walk(scores, same)
    for (a, b), (c, d) in itertools.pairwise(steps):
        if a <= b and c >= d:
            # a + t (c - a) = b + t (d - b)
            t = (b - a) / ((c - a) - (d - b)) if (c - a) != (d - b) else Fraction(0)
            return a + t * (c - a)
    raise AssertionError("the shares go from (0, 1) to (1, 0): they cross")


def accepted_at(scores: list[float], same: list[bool], rate: Fraction) -> Fraction:
    """Largest share of same pairs accepted with at most this share of different ones."""
    return max(1 - refused for accepted, refused in walk(scores, same) if accepted <= rate)
