"""Images of classes."""

from __future__ import annotations

from striate.synthesis.made import Made
from striate.synthesis.visualise import class_images

from .ask import Ask
from .learnt import through_prior


def class_(ask: Ask) -> Made:
    """Images of classes."""
    if ask["prior"]:
        return through_prior(ask)
    return class_images(
        ask.net,
        ask.classes(),
        steps=ask["steps"],
        seed=ask.seed,
        size=ask.size,
        preset=ask["preset"] or "olah",
        count=ask["count"] or 1,
        memory=ask.memory,
        watch=ask.watch,
    )
