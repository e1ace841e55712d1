"""Pictures between two pictures."""

from __future__ import annotations

from typing import Any

from striate.core.errors import StriateError
from striate.synthesis.made import Made
from striate.synthesis.morph import morph

from .ask import Ask

OF_CODES = ("layer", "way", "steps")


def morph_(ask: Ask) -> Made:
    """Frames from the first picture to the second; with a layer in code space, else as pixels."""
    given: dict[str, Any] = {name: ask[name] for name in OF_CODES if ask[name] is not None}
    space = ask["space"] or ("code" if given else "pixel")
    if space == "pixel" and given:
        raise StriateError(f"--{next(iter(given))} does nothing in pixel space", accepted="--space code")
    names, images = ask.alike("image")
    if len(names) != 2:
        raise StriateError(f"image names {len(names)} files", accepted="two for morph: the first and the last picture")
    return morph(
        ask.net,
        images[0],
        images[1],
        space=space,
        names=(names[0], names[1]),
        frames=ask["count"],
        seed=ask.seed,
        memory=ask.memory,
        watch=ask.watch,
        **given,
    )
