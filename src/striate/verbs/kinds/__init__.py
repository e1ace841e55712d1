"""Kinds of synthesis: which options each takes, and the page of code that hands them on. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from striate.synthesis.made import Made

    from .ask import Ask

COMMON = ("judge", "film")


@dataclass(frozen=True)
class Kind(Entry):
    """One kind of synthesis.

    Attributes:
        takes: Options beside judge and film.
        needs: Those of them that must be given.
        defaults: Values of options that are not given.
    """

    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


KINDS: Registry[Callable[[Ask], Made]] = Registry(
    "kind of synthesis",
    {
        "class": Kind(
            "striate.verbs.kinds.classes:class_",
            "what a net holds for typical of a class",
            takes=("target", "size", "steps", "preset"),
            defaults={"steps": 128, "preset": "pixels"},
        ),
        "invert": Kind(
            "striate.verbs.kinds.invert:invert_",
            "pictures rebuilt from their codes at one layer, several, or all",
            takes=("image", "layer", "count", "size", "steps", "search"),
            needs=("image",),
            defaults={"layer": "all", "count": 1, "steps": 160, "search": "adam"},
        ),
        "morph": Kind(
            "striate.verbs.kinds.morph:morph_",
            "pictures between two pictures, by pixels or by codes",
            takes=("image", "space", "layer", "way", "count", "size", "steps"),
            needs=("image",),
            defaults={"count": 12},
        ),
    },
    hint="striate synthesize --help",
)


def kind_named(name: str) -> Kind:
    """The kind of this name.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    entry = KINDS[name]
    assert isinstance(entry, Kind)
    return entry
