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
            takes=("target", "size", "steps", "preset", "prior"),
            defaults={"steps": 128},
        ),
        "stylize": Kind(
            "striate.verbs.kinds.learnt:stylize",
            "pictures in a style that was learnt, in one pass",
            takes=("image", "size", "prior"),
            needs=("image", "prior"),
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
