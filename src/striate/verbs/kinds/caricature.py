"""Caricatures of pictures."""

from __future__ import annotations

from torch import Tensor

from striate.synthesis.caricature import caricatures
from striate.synthesis.made import Made

from .ask import Ask


def caricature(ask: Ask) -> Made:
    """Caricatures of pictures by a layer, all cut to the middle that they have room for."""
    names, pictures = ask.pictures("image")
    height, width = (min(each.shape[axis] for each in pictures) for axis in (-2, -1))
    return caricatures(
        ask.net,
        ask["layer"],
        {name: _middle(each, height, width) for name, each in zip(names, pictures, strict=True)},
        steps=ask["steps"],
        seed=ask.seed,
        preset=ask["preset"],
        memory=ask.memory,
        watch=ask.watch,
    )


def _middle(picture: Tensor, height: int, width: int) -> Tensor:
    top, left = (picture.shape[-2] - height) // 2, (picture.shape[-1] - width) // 2
    return picture[:, top : top + height, left : left + width].contiguous()
