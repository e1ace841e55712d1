"""From images under attack to the numbers about the net: shares with intervals, medians, classes, members."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from striate.core.number import Number
from striate.metrics.intervals import quantile_of_normal, wilson

from .album import Shown, chosen, names_of, pictures
from .judging import survival
from .payload import Attacked, ClassRobustness, CurvePoint, Masking, Member, Robustness


def robustness_of(
    images: Sequence[Attacked],
    *,
    method: str,
    norm: str,
    radius: float,
    target: int | None,
    names: tuple[str, ...],
    masking: Masking,
    members: tuple[str, ...],
    curve: Mapping[float, int],
    passes: Mapping[str, int],
    shown: list[Shown],
) -> tuple[Robustness, dict[str, bytes]]:
    """The payload, and its pictures.

    Args:
        images: Every image, in the order of the split.
        method: Method id.
        norm: Name of the norm.
        radius: Largest change.
        target: Class to be taken for.
        names: Of the classes.
        masking: The verdict.
        members: Names of the attacks of an ensemble, in order.
        curve: How many images are broken at which radius; empty where no curve was asked for.
        passes: Of single images.
        shown: Images that may be shown.
    """
    shown = chosen(shown)
    album, factor = pictures(shown)
    named = {each.row for each in shown if names_of(each.row)[0] in album}
    listed = tuple(_pictured(one) if one.row in named else one for one in images)
    n, moved = len(listed), [one for one in listed if one.survives_8bit is not None]
    result = Robustness(
        method=method,
        norm=norm,
        radius=radius,
        target=target,
        n=n,
        clean_accuracy=wilson(sum(one.clean == one.label for one in listed), n),
        robust_accuracy=wilson(sum(not one.success for one in listed), n),
        distance=median([one.distance for one in moved]),
        survives_8bit=wilson(sum(bool(one.survives_8bit) for one in moved), len(moved), of="successes"),
        survives_jpeg=survival([one.survives_jpeg for one in moved]),
        masking=masking,
        per_image=listed,
        passes=dict(passes),
        curve=tuple(CurvePoint(at, wilson(n - broken, n)) for at, broken in sorted(curve.items())),
        members=_members(listed, members),
        smallest=median([one.smallest for one in listed if one.smallest]),
        per_class=_classes(listed) if target is None else (),
        names=names,
        factor=factor,
    )
    return result, album


def median(values: Sequence[float]) -> Number:
    """The median with the interval of its order statistics, which supposes nothing of the distribution."""
    n = len(values)
    if n == 0:
        return Number.missing("no image was fooled by a change")
    ordered = sorted(values)
    reach = quantile_of_normal() * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return Number(middle, ordered[low], ordered[high], n, "median; 95 % interval by order statistics")


def _pictured(one: Attacked) -> Attacked:
    original, picture, difference = names_of(one.row)
    return replace(one, original=original, picture=picture, difference=difference)


def _members(images: Sequence[Attacked], names: Sequence[str]) -> tuple[Member, ...]:
    """How many images each attack broke, and the share that was left then."""
    broken, n = Counter(one.broken_by for one in images if one.success), len(images)
    left, found = sum(not one.success for one in images) + sum(broken[name] for name in names), []
    for name in names:
        left -= broken[name]
        found.append(Member(name, broken[name], wilson(left, n)))
    return tuple(found)


def _classes(images: Sequence[Attacked]) -> tuple[ClassRobustness, ...]:
    found = []
    for label in sorted({one.label for one in images}):
        own = [one for one in images if one.label == label]
        taken = Counter(one.predicted for one in own if one.success).most_common(1)
        found.append(
            ClassRobustness(
                label=label,
                clean_accuracy=wilson(sum(one.clean == one.label for one in own), len(own)),
                robust_accuracy=wilson(sum(not one.success for one in own), len(own)),
                taken_for=taken[0][0] if taken else None,
            )
        )
    return tuple(found)
