"""Attribution: for each image a map of what speaks for the target, one page a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .maps import Method

_HERE = "striate.inside.attribution"

METHODS: Registry[Method] = Registry(
    "method",
    {
        "gradient": Entry(
            f"{_HERE}.gradient:gradient",
            "how fast the target's score changes with each pixel",
            cites=("simonyan2013deep",),
        ),
        "grad_cam": Entry(
            f"{_HERE}.grad_cam:grad_cam",
            "where a layer speaks for the target, channels weighed by their mean gradient",
            cites=("selvaraju2017grad",),
        ),
        "occlusion": Entry(
            f"{_HERE}.occlusion:occlusion",
            "how far the target's score drops when a patch is covered",
            cites=("zeiler2014visualizing",),
        ),
    },
    hint="striate methods",
)
