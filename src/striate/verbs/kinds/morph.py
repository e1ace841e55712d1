"""Pictures between two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import code_of
from striate.synthesis.decoder import load_decoder
from striate.synthesis.made import Made
from striate.synthesis.morph import morph, morph_latent

from .ask import Ask

USED = {"pixel": (), "code": ("layer", "way", "steps"), "latent": ("way", "prior")}


def morph_(ask: Ask) -> Made:
    """Frames from the first picture to the second: as pixels, by codes of a layer, by those of a learnt decoder."""
    options: dict[str, Any] = {name: ask[name] for name in ("layer", "way", "steps", "prior") if ask[name] is not None}
    space = ask["space"] or ("latent" if "prior" in options else "code" if options else "pixel")
    for name in options:
        if space in USED and name not in USED[space]:
            raise StriateError(f"--{name} does nothing in {space} space", accepted=", ".join(USED[space]) or "no such")
    names, images = ask.alike("image")
    if len(names) != 2:
        raise StriateError(f"image names {len(names)} files", accepted="two for morph: the first and the last picture")
    if space == "latent" and "prior" in options:
        return _decoded(ask, (names[0], names[1]), images, **options)
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
        **options,
    )


def _decoded(ask: Ask, names: tuple[str, str], images: Tensor, *, prior: str, **options: Any) -> Made:
    """Through a decoder of a layer of this net: the codes of the two pictures are what the net says there."""
    decoded = load_decoder(Path(prior))
    if ask.net.fingerprint() != decoded.fingerprint:
        raise StriateError(f"{prior} decodes {decoded.against}", accepted=f"that net; this is {ask.net.name}")
    if tuple(images.shape[-2:]) != decoded.size:
        raise StriateError(
            f"pictures of {images.shape[-1]} x {images.shape[-2]} px", accepted=f"{decoded.size[1]} x {decoded.size[0]}"
        )
    start, end = code_of(ask.net, images, decoded.site, memory=ask.memory)[decoded.site]
    return morph_latent(
        ask.net,
        decoded.decoder,
        start,
        end,
        ends=images,
        names=names,
        frames=ask["count"],
        memory=ask.memory,
        **options,
    )
