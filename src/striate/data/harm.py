"""Findings on augmentation: which transforms take from images what their labels hang on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number

from .payload import Augmented, Change

LOST = 0.2  # share of objects gone from which on it is told
BLANK = 0.02  # share of draws with nothing to see
UNLABELLED = 0.3  # share of a region map without labels
_COLOURS = frozenset(
    {
        "red", "orange", "yellow", "green", "teal", "cyan", "blue", "purple", "violet", "pink", "magenta", "brown",
        "black", "white", "grey", "gray",
    }
)  # fmt: skip
_SIDES = frozenset({"left", "right"})
_TURNED = frozenset({"6", "9", "six", "nine"})
_CHARACTERS = 5  # classes of a single letter or digit that make the others characters, too


@dataclass(frozen=True)
class _Named:
    """What the names of the classes say: transforms that such labels do not survive, and the words for it."""

    check: str
    transforms: tuple[str, ...]
    holds: Callable[[Sequence[str]], bool]
    words: str


_NAMED = (
    _Named(
        "augment-colour",
        ("hue", "grey", "colour_cast", "saturation", "solarise", "rand_augment", "trivial_augment"),
        lambda names: len(_words(names) & _COLOURS) > 1,
        "Classes are named after colours, and {name} changes them",
    ),
    _Named(
        "augment-mirror",
        ("flip",),
        lambda names: _words(names) >= _SIDES,
        "Classes are named left and right, and {name} turns one into the other",
    ),
    _Named(
        "augment-mirror",
        ("flip", "flip_vertical"),
        lambda names: sum(len(name) == 1 for name in names) >= _CHARACTERS,
        "Classes are letters or digits, and {name} makes them others, or none",
    ),
    _Named(
        "augment-turn",
        ("trivial_augment",),
        lambda names: len(_words(names) & _TURNED) > 1,
        "6 and 9 are classes, and {name} turns images by up to 135 degrees",
    ),
)


def augment_findings(result: Augmented, classes: Sequence[str], *, data: str) -> tuple[Finding, ...]:
    """What is likely to destroy labels, by the numbers of the grid and by the names of the classes.

    Args:
        result: The grid.
        classes: Names of the classes.
        data: How the data are named on a command line.
    """
    found = []
    for change in result.transforms:
        picture = next((each.file for each in result.pictures if each.transform == change.name), None)
        notes = [*_measured(result, change), *_by_names(change, classes)]
        for check, severity, sure, seen, number in notes:
            about = Evidence(f"{change.words}; it may take away {change.harms}", None, None if number else picture)
            found.append(
                Finding(
                    id=f"{check}/{change.name}",
                    check=check,
                    severity=severity,
                    sure=sure,
                    seen=seen,
                    evidence=(Evidence("share", number, picture), about) if number else (about,),
                    mend=f"Look at more draws of {change.name}; leave it out where labels are lost.",
                    command=shlex.join(["striate", "augment", data, "--transforms", change.name, "--draws", "6"]),
                )
            )
    return tuple(found)


Note = tuple[str, Severity, float, str, Number | None]  # check, severity, how sure, what was seen, its number


def _measured(result: Augmented, change: Change) -> list[Note]:
    lost, blank, bare = (number.value or 0.0 for number in (change.lost, change.blank, change.unlabelled))
    found: list[Note] = []
    if lost > LOST:
        what = "the classes of region maps" if result.task == "regions" else "the marked objects"
        seen = f"{change.name} takes {100 * lost:.0f} % of {what} out of sight."
        found.append(("augment-loses", "warning", 0.9, seen, change.lost))
    if blank > BLANK:
        seen = f"{change.name} leaves nothing to see in {100 * blank:.0f} % of the draws."
        found.append(("augment-blank", "warning", 0.9, seen, change.blank))
    if bare > UNLABELLED:
        seen = f"{change.name} leaves {100 * bare:.0f} % of the pixels of region maps without a label."
        found.append(("augment-void", "note", 0.9, seen, change.unlabelled))
    return found


def _by_names(change: Change, classes: Sequence[str]) -> list[Note]:
    return [
        (rule.check, "warning", 0.7, f"{rule.words.format(name=change.name)}.", None)
        for rule in _NAMED
        if change.name in rule.transforms and rule.holds(classes)
    ]


def _words(names: Sequence[str]) -> set[str]:
    """The words that the names of classes are made of, in small letters."""
    return {word for name in names for word in re.split(r"[^a-z0-9]+", name.lower())}
