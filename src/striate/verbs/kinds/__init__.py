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
        "style": Kind(
            "striate.verbs.kinds.styles:style",
            "the content of one picture in the style of others",
            takes=(
                "image",
                "style",
                "mask",
                "content",
                "keep_colour",
                "way",
                "layer",
                "search",
                "size",
                "steps",
            ),
            needs=("image", "style"),
            defaults={"steps": 200, "way": "gram", "search": "lbfgs"},
        ),
        "style_film": Kind(
            "striate.verbs.kinds.films:style_film",
            "a film in the style of pictures, without flicker",
            takes=("image", "style", "content", "keep_colour", "layer", "search", "size", "count", "steps"),
            needs=("image", "style"),
            defaults={"steps": 150, "search": "lbfgs"},
        ),
        "texture": Kind(
            "striate.verbs.kinds.styles:texture",
            "noise with the texture of a picture",
            takes=("style", "layer", "search", "size", "steps"),
            needs=("style",),
            defaults={"steps": 200, "search": "lbfgs"},
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
