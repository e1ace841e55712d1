"""The kinds of images that can be made."""

from __future__ import annotations

from typing import Any

from striate.core.registry import Entry, Registry

METHODS: Registry[Any] = Registry(
    "kind of synthesis",
    {
        "class": Entry(
            "striate.synthesis.visualise:class_images",
            "class images: ascend a class's score from mid grey, less a penalty on the contrast",
            ("simonyan2013deep",),
        ),
        "invert": Entry(
            "striate.synthesis.invert:invert",
            "inversion: the picture whose code at a layer is that of a given one, and what is lost with depth",
            ("mahendran2015understanding",),
        ),
        "morph": Entry(
            "striate.synthesis.morph:morph",
            "morphs: frames between two pictures, by pixels, by the codes of a layer, or by those of a generator",
            ("shoemake1985animating", "white2016sampling"),
        ),
    },
    hint="striate methods",
)
