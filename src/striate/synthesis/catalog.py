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
        "style": Entry(
            "striate.synthesis.style:style_images",
            "style transfer: the codes of one picture with the Gram matrices of others",
            ("gatys2016image",),
        ),
        "mrf_style": Entry(
            "striate.synthesis.mrf:patch_style_images",
            "style transfer by patches: each patch of the codes near one of the style's",
            ("li2016combining",),
        ),
        "style_film": Entry(
            "striate.synthesis.film_style:style_film",
            "style transfer for films: frames that begin as, and keep to, earlier ones moved along the optical flow",
            ("ruder2016artistic",),
        ),
        "texture": Entry(
            "striate.synthesis.texture:textures",
            "texture: noise brought to the Gram matrices of a picture",
            ("gatys2015texture",),
        ),
    },
    hint="striate methods",
)
