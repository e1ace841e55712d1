"""Images of classes, units, channels and directions."""

from __future__ import annotations

from dataclasses import replace

from striate.core.errors import UnknownNameError
from striate.synthesis.made import Made
from striate.synthesis.visualise import PRESETS, SOURCES, class_images

from .ask import Ask
from .learnt import through_prior


def class_(ask: Ask) -> Made:
    """Images of classes."""
    if ask["prior"]:
        return through_prior(ask)
    preset = ask["preset"] or "pixels"
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    made = class_images(
        ask.net,
        ask.classes(),
        steps=ask["steps"],
        seed=ask.seed,
        size=ask.size,
        preset=PRESETS[preset],
        memory=ask.memory,
        watch=ask.watch,
    )
    return replace(made, cites=SOURCES[preset])
