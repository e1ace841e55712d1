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
        "stylize": Entry(
            "striate.synthesis.painter:stylized",
            "fast style: any picture in a style that a painter has learnt, in one pass",
            ("johnson2016perceptual", "ulyanov2016instance"),
        ),
    },
    hint="striate methods",
)
