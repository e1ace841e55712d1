"""Pictures of attacked images: as they were, as they became, and the change, amplified."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.image import encode_png, enlarge

SHOWN = 8
SIDE = 128  # pixels; smaller images are enlarged by a whole factor


@dataclass(frozen=True, eq=False)
class Shown:
    """One attacked image to be shown: its row in the split, its class, whether it fooled, before and after, how far."""

    row: int
    label: int
    fooled: bool
    before: Tensor
    after: Tensor
    away: float = 0.0


def chosen(candidates: list[Shown], most: int = SHOWN) -> list[Shown]:
    """At most so many: those that fooled if any did, the nearest first; one of each class, then more."""
    candidates = [each for each in candidates if each.fooled] or candidates
    candidates = sorted(candidates, key=lambda each: (each.away, each.row))
    picked: dict[int, Shown] = {}
    for each in candidates:
        if each.label not in {other.label for other in picked.values()}:
            picked[each.row] = each
    for each in candidates:
        if len(picked) < most:
            picked.setdefault(each.row, each)
    return sorted(list(picked.values())[:most], key=lambda each: (each.away, each.row))


def names_of(row: int) -> tuple[str, str, str]:
    """Album keys of a row: original, attacked, difference."""
    return f"{row}-clean.png", f"{row}-attacked.png", f"{row}-difference.png"


def pictures(shown: list[Shown]) -> tuple[dict[str, bytes], float]:
    """The album, and the factor by which the differences are amplified around mid grey: one for all, a whole number."""
    largest = max((float((each.after - each.before).abs().max()) for each in shown), default=0.0)
    factor = float(max(1, int(0.5 / largest))) if largest > 0 else 1.0
    album: dict[str, bytes] = {}
    for each in shown:
        difference = (0.5 + factor * (each.after - each.before)).clamp(0, 1)
        for name, image in zip(names_of(each.row), (each.before, each.after, difference), strict=True):
            if image.shape[0] in {1, 3}:
                album[name] = encode_png(enlarge(image.to(torch.float32), SIDE))
    return album, factor
