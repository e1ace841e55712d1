"""Dreams of pictures."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError
from striate.synthesis.dream import Dreaming, dream
from striate.synthesis.made import Made
from striate.synthesis.zoom import with_zoom, zoom_frames
from striate.verbs.painting import channels

from .ask import Ask

STEPS = 10  # at each octave of a picture, as published
STEPS_FROM_NOISE = 30  # where there is nothing to begin with


def dream_(ask: Ask) -> Made:
    """A dream of each picture, or of noise, with a film that zooms into it where one is wanted."""
    names, found = ask.pictures("image") if ask["image"] else ([], [])
    sizes = {tuple(each.shape[-2:]) for each in found}
    if len(sizes) > 1:
        shown = " and ".join(f"{height} x {width}" for height, width in sorted(sizes)[:3])
        raise StriateError(f"pictures of {shown} pixels", accepted="pictures of one aspect, or one at a time")
    steps = ask["steps"] or _steps(ask, from_noise=not found)
    how = Dreaming(octaves=ask["octaves"], steps=steps, rate=ask["rate"])
    made = dream(
        ask.net,
        torch.stack(found) if found else None,
        names=names,
        layer=ask["layer"],
        channels=_channels(ask["channel"]),
        targets=ask.classes() if ask["target"] else (),
        guide=ask.picture("guide")[1] if ask["guide"] else None,
        how=how,
        size=None if found else ask.size,
        seed=ask.seed,
        memory=ask.memory,
        watch=ask.watch,
    )
    if not ask["zoom"]:
        return made
    frames = zoom_frames(ask.net, made, ask["zoom"], how=how, seed=ask.seed, memory=ask.memory, watch=ask.watch)
    return with_zoom(made, frames)


def _steps(ask: Ask, *, from_noise: bool) -> int:
    """Steps at each octave where none are asked for; a net of one size takes those of all octaves at its one."""
    each = STEPS_FROM_NOISE if from_noise else STEPS
    return each * int(ask["octaves"]) if ask.net.size is not None else each


def _channels(given: str | int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Numbers of channels; none where none were given."""
    if given is None:
        return ()
    found = channels(given) if isinstance(given, str) else (given,) if isinstance(given, int) else tuple(given)
    if not found:
        raise StriateError("channel is all", accepted="numbers such as 3,8-11", hint="without it all rise at once")
    return found
