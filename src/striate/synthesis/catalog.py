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
        "fool": Entry(
            "striate.synthesis.fool:fooling_images",
            "fooling images: what a net is sure of and nobody else sees, by gradient or evolved by MAP-Elites",
            ("nguyen2015deep",),
        ),
    },
    hint="striate methods",
)
