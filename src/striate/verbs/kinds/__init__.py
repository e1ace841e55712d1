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
            takes=("target", "size", "steps", "preset", "count", "prior"),
            defaults={"steps": 128},
        ),
        "caricature": Kind(
            "striate.verbs.kinds.caricature:caricature",
            "a picture drawn anew, with more of what a layer says of it",
            takes=("image", "layer", "size", "steps", "preset"),
            needs=("image", "layer"),
            defaults={"steps": 128, "preset": "olah"},
        ),
        "channel": Kind(
            "striate.verbs.kinds.units:channel",
            "what channels of a layer answer to",
            takes=("layer", "channel", "size", "steps", "preset", "count", "negative"),
            needs=("layer", "channel"),
            defaults={"steps": 128, "preset": "olah"},
        ),
        "direction": Kind(
            "striate.verbs.kinds.units:direction",
            "what a direction among a layer's channels looks like: of pictures, or random",
            takes=("layer", "image", "size", "steps", "preset", "count", "negative"),
            needs=("layer",),
            defaults={"steps": 128, "preset": "olah"},
        ),
        "facets": Kind(
            "striate.verbs.kinds.facets:facets",
            "the several kinds of a class, from the means of its pictures",
            takes=("target", "data", "layer", "size", "steps", "preset", "count"),
            needs=("target", "data"),
            defaults={"steps": 96, "preset": "olah", "count": 4},
        ),
        "layer": Kind(
            "striate.verbs.kinds.units:layer",
            "what a whole layer answers to",
            takes=("layer", "size", "steps", "preset", "count"),
            needs=("layer",),
            defaults={"steps": 128, "preset": "olah"},
        ),
        "pair": Kind(
            "striate.verbs.kinds.units:pair",
            "what two channels answer to at once, and each alone",
            takes=("layer", "channel", "size", "steps", "preset"),
            needs=("layer", "channel"),
            defaults={"steps": 128, "preset": "olah"},
        ),
        "unit": Kind(
            "striate.verbs.kinds.units:unit",
            "what one unit of a layer answers to",
            takes=("layer", "channel", "place", "size", "steps", "preset", "count", "negative"),
            needs=("layer", "channel"),
            defaults={"steps": 128, "preset": "olah"},
        ),
        "fool": Kind(
            "striate.verbs.kinds.fooling:fool",
            "what a net is sure of though it shows nothing",
            takes=("target", "size", "steps", "way"),
            defaults={"way": "gradient"},
        ),
        "dream": Kind(
            "striate.verbs.kinds.dreams:dream_",
            "what a layer finds in a picture, made more of",
            takes=("image", "layer", "channel", "target", "guide", "size", "steps", "octaves", "rate", "zoom"),
            defaults={"octaves": 4, "rate": 1.5 / 255},
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
        "stylize": Kind(
            "striate.verbs.kinds.learnt:stylize",
            "pictures in a style that was learnt, in one pass",
            takes=("image", "size", "prior"),
            needs=("image", "prior"),
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
            "pictures between two pictures, by pixels, codes of a layer, or a learnt decoder",
            takes=("image", "space", "layer", "way", "count", "size", "steps", "prior"),
            needs=("image",),
            defaults={"count": 12},
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
