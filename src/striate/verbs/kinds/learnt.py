"""Images through what a run has learnt: a decoder, a painter."""

from __future__ import annotations

from pathlib import Path

from striate.core.errors import StriateError
from striate.synthesis.decoder import load_decoder
from striate.synthesis.made import Made
from striate.synthesis.painter import load_painter, stylized
from striate.synthesis.prior import decoder_prior, prior_images

from .ask import Ask


def through_prior(ask: Ask) -> Made:
    """Images of classes among what a learnt decoder paints, beside those that are free in their pixels."""
    for option in ("preset", "count"):
        if ask[option]:
            raise StriateError(f"--{option} does nothing with --prior", accepted="--steps, --target")
    prior = decoder_prior(load_decoder(Path(ask["prior"])))
    if ask["size"] and ask.size != prior.size:
        raise StriateError(
            f"--size {ask['size']}", accepted=f"{prior.size[0]} x {prior.size[1]}, which the prior paints"
        )
    return prior_images(
        ask.net, ask.classes(), prior, steps=ask["steps"], seed=ask.seed, memory=ask.memory, watch=ask.watch
    )


def stylize(ask: Ask) -> Made:
    """Pictures in the style that a run has learnt."""
    stems, pictures = ask.pictures("image")
    return stylized(ask.net, pictures, load_painter(Path(ask["prior"])), stems=stems, memory=ask.memory)
