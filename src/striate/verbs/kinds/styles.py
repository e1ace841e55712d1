"""Pictures in another style, and textures."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.synthesis.made import Made
from striate.synthesis.mrf import CONTENT as PATCH_CONTENT
from striate.synthesis.mrf import patch_style_images
from striate.synthesis.style import CONTENT, style_images
from striate.synthesis.texture import textures
from striate.verbs.options import words

from .ask import USUAL, Ask

WAYS = ("gram", "mrf")


def style(ask: Ask) -> Made:
    """Pictures in the style of others."""
    if ask["way"] not in WAYS:
        raise UnknownNameError("way of style", ask["way"], WAYS)
    names, contents = _of_one_size(ask)
    if ask["way"] == "mrf":
        return _by_patches(ask, names, contents)
    return style_images(
        ask.net,
        contents,
        ask.pictures("style")[1],
        content=CONTENT if ask["content"] is None else ask["content"],
        layers=layers(ask),
        masks=_masks(ask),
        colours="content" if ask["keep_colour"] else "style",
        search=ask["search"],
        steps=ask["steps"],
        names=names,
        memory=ask.memory,
        watch=ask.watch,
    )


def texture(ask: Ask) -> Made:
    """Textures of pictures, which are read at the net's usual size whatever that of the texture."""
    usual = min(ask.net.geometry.size) if ask.net.geometry else USUAL
    names, pictures = ask.pictures("style", side=usual)
    return textures(
        ask.net,
        pictures,
        size=ask.size if ask["size"] else None,
        layers=layers(ask),
        search=ask["search"],
        steps=ask["steps"],
        seed=ask.seed,
        names=names,
        memory=ask.memory,
        watch=ask.watch,
    )


def _by_patches(ask: Ask, names: list[str], contents: Tensor) -> Made:
    for option in ("mask", "keep_colour"):
        if ask[option]:
            shown = option.replace("_", "-")
            raise StriateError(f"--{shown} does nothing for style by patches", hint="--way gram")
    return patch_style_images(
        ask.net,
        contents,
        ask.pictures("style")[1],
        content=PATCH_CONTENT if ask["content"] is None else ask["content"],
        layers=layers(ask),
        search=ask["search"],
        steps=ask["steps"],
        names=names,
        memory=ask.memory,
        watch=ask.watch,
    )


def layers(ask: Ask) -> tuple[str, ...]:
    """The sites of the style that were asked for."""
    return words(ask["layer"]) if ask["layer"] else ()


def _of_one_size(ask: Ask) -> tuple[list[str], Tensor]:
    """Stems and pixels (N, C, H, W) of the content pictures."""
    names, found = ask.pictures("image")
    sizes = {tuple(each.shape[1:]) for each in found}
    if len(sizes) > 1:
        shown = " and ".join(f"{width}x{height}" for height, width in sorted(sizes)[:3])
        raise StriateError(
            f"pictures of {shown} pixels", accepted="pictures of one shape in a call", hint="one call for each"
        )
    return names, torch.stack(found)


def _masks(ask: Ask) -> list[Tensor]:
    """Masks (H, W), brought to size as the pictures are."""
    return [each.mean(0) for each in ask.pictures("mask")[1]] if ask["mask"] else []
