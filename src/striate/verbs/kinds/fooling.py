"""Fooling images."""

from __future__ import annotations

from striate.synthesis.fool import fooling_images, way_named
from striate.synthesis.made import Made

from .ask import Ask


def fool(ask: Ask) -> Made:
    """Images that fool: by gradient of the first ten classes, evolved of all."""
    way = way_named(ask["way"])
    every = len(ask.net.classes)
    return fooling_images(
        ask.net,
        ask.classes(default=every if way.evolves else 10),
        way=ask["way"],
        steps=ask["steps"],
        seed=ask.seed,
        size=ask.size,
        memory=ask.memory,
        watch=ask.watch,
    )
