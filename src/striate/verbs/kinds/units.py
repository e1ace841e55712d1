"""Images of units, channels, layers, directions and pairs of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.synthesis.made import Made
from striate.synthesis.units import (
    How,
    channel_images,
    direction_images,
    layer_images,
    pair_images,
    unit_images,
)
from striate.verbs import painting

from .ask import Ask

if TYPE_CHECKING:
    from striate.imageopt.objective.units import Place


def unit(ask: Ask) -> Made:
    """Images of one unit of each channel."""
    return unit_images(ask.net, ask["layer"], _channels(ask), place=_place(ask), how=_how(ask))


def channel(ask: Ask) -> Made:
    """Images of channels."""
    return channel_images(ask.net, ask["layer"], _channels(ask), how=_how(ask))


def layer(ask: Ask) -> Made:
    """Images of a whole layer."""
    return layer_images(ask.net, ask["layer"], how=_how(ask))


def direction(ask: Ask) -> Made:
    """Images of directions."""
    pictures = dict(zip(*ask.pictures("image"), strict=True)) if ask["image"] else None
    return direction_images(ask.net, ask["layer"], pictures=pictures, how=_how(ask))


def pair(ask: Ask) -> Made:
    """Images of two channels at once and alone."""
    return pair_images(ask.net, ask["layer"], _channels(ask), how=_how(ask))


def _how(ask: Ask) -> How:
    side = ask["size"]
    return How(
        steps=ask["steps"],
        seed=ask.seed,
        size=(side, side) if side else None,
        preset=ask["preset"],
        negative=bool(ask.options.get("negative")),
        count=ask.options.get("count") or 1,
        memory=ask.memory,
        watch=ask.watch,
    )


def _channels(ask: Ask) -> tuple[int, ...]:
    given = ask["channel"]
    return painting.channels(given) if isinstance(given, str) else tuple(given)


def _place(ask: Ask) -> Place | None:
    given = ask["place"]
    return painting.place(given) if isinstance(given, str) else given
