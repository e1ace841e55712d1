"""Caricatures of pictures."""

from __future__ import annotations

from striate.synthesis.caricature import caricatures
from striate.synthesis.made import Made

from .ask import Ask


def caricature(ask: Ask) -> Made:
    """Caricatures of pictures by a layer."""
    return caricatures(
        ask.net,
        ask["layer"],
        dict(zip(*ask.pictures("image"), strict=True)),
        steps=ask["steps"],
        seed=ask.seed,
        preset=ask["preset"],
        memory=ask.memory,
        watch=ask.watch,
    )
