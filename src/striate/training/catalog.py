"""Recipes by name, none of them loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .recipe import Recipe

RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        "quick": Entry(
            "striate.training.recipes:QUICK",
            "a small net on small images in about a minute: SGD, one cycle, label smoothing, mirrored images",
            ("smith2018super", "sutskever2013importance", "szegedy2016rethinking"),
        ),
        "robust": Entry(
            "striate.training.recipes:ROBUST",
            "against attacks (--harden): as quick, with six times the images",
            ("smith2018super", "szegedy2016rethinking"),
        ),
        "certified": Entry(
            "striate.training.recipes:CERTIFIED",
            "against interval bounds (--harden ibp): AdamW without decay, one cycle, images as they are",
            ("loshchilov2019decoupled", "smith2018super"),
        ),
        "style": Entry(
            "striate.training.recipes:STYLE",
            "a painter in one style (task style): AdamW without decay, one cycle, batches of 4, mirrored and shifted",
            ("loshchilov2019decoupled", "smith2018super"),
        ),
        "decode": Entry(
            "striate.training.recipes:DECODE",
            "a decoder of a layer's code (task decode): AdamW without decay, one cycle, batches of 32",
            ("loshchilov2019decoupled", "smith2018super"),
        ),
    },
)
