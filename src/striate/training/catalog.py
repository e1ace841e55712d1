"""Recipes by name, none of them loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from striate.core.codec import from_json
from striate.core.errors import StriateError
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


def load_recipe(name: str) -> Recipe:
    """The recipe of this name, or the one that a file ``....json`` holds, as a run or a search writes it.

    Raises:
        UnknownNameError: There is none of this name.
        StriateError: The file cannot be read, or holds no recipe.
    """
    if not name.endswith(".json"):
        return RECIPES.load(name)
    from .recipe import Recipe

    try:
        return from_json(json.loads(Path(name).read_text(encoding="utf-8")), Recipe)
    except (OSError, ValueError) as error:
        raise StriateError(f"{name} holds no recipe: {error}", accepted="best.json of a search") from error
