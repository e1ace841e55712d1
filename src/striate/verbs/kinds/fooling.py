"""Fooling images."""

from __future__ import annotations

from striate.synthesis.fool import fooling_images, way_named
from striate.synthesis.made import Made

from .ask import Ask

MANY = 100  # classes; evolving for more takes hours, so that has to be asked for


def fool(ask: Ask) -> Made:
    """Images that fool: by gradient of the first ten classes, evolved of all where they are not many."""
    every = len(ask.net.classes)
    asked_for_all = ask["target"] in {"all", ("all",)} and "all" not in ask.net.classes
    evolved = way_named(ask["way"]).evolves and every <= MANY
    targets = list(range(every)) if asked_for_all else ask.classes(default=every if evolved else 10)
    return fooling_images(
        ask.net,
        targets,
        way=ask["way"],
        steps=ask["steps"],
        seed=ask.seed,
        size=ask.size,
        memory=ask.memory,
        watch=ask.watch,
    )
