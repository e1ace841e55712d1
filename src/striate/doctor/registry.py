"""All checks, in the order in which they are asked: data, start, run, end; families as they stand in ``checks/``."""

from __future__ import annotations

import importlib
from functools import cache

from .check import PHASES, Check
from .payload import CheckRow

FAMILIES = (
    "values",
    "images",
    "labels",
    "targets",
    "splits",
    "shortcuts",
    "sight",
    "outputs",
    "augmentation",
    "wiring",
    "layers",
    "signal",
    "capacity",
    "optimizers",
    "gradients",
    "loss",
    "rates",
    "schedules",
    "noise",
    "evaluation",
    "outcome",
    "beyond",
    "runs",
)


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by phase, then family, then its place in the file."""
    found = []
    for family in FAMILIES:
        module = importlib.import_module(f"{__package__}.checks.{family}")
        found += [each for each in vars(module).values() if isinstance(each, Check)]
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise ValueError(f"checks of one name: {sorted({each for each in names if names.count(each) > 1})}")
    return tuple(sorted(found, key=lambda each: PHASES.index(each.phase)))


def rows() -> tuple[CheckRow, ...]:
    """Every check as the list shows it."""
    return tuple(
        CheckRow(
            each.name,
            each.family,
            each.what,
            each.phase,
            each.needs,
            each.symptom,
            each.cost,
            tuple(f"{one.name}: {one.value:g} ({one.source})" for one in each.thresholds),
            each.source,
            each.mend,
        )
        for each in all_checks()
    )
