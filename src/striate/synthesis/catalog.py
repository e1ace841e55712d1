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
        "dream": Entry(
            "striate.synthesis.dream:dream",
            "DeepDream: ascend a layer's energy from a picture or noise, octave by octave",
            ("mordvintsev2015inceptionism", "mordvintsev2015deepdream"),
        ),
    },
    hint="striate methods",
)
