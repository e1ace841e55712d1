"""Caricatures: pictures drawn anew from noise so that they say more of what a layer says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import Objective, code_of, cosine, dot
from striate.imageopt.score import scores_of
from striate.nets.net import Net

from .layers import check_layer
from .made import Made
from .payload import Measured
from .presets import OLAH, Preset, preset_named
from .visualise import ascended, joined, start_from_noise, words_of
from .watch import Watch

POWER = 4.0  # of the cosine
SHIFT = 0.02  # largest jitter, as a share of the side: a code has places


def exaggeration(layer: str, code: Tensor, *, power: float = POWER) -> Objective:
    """``<F(I), c> / ||c||^2`` times the cosine of both to a power, c the code (N, ...): 1 of the picture itself.

    Above 1 an image says more of what the layer says of the picture, in proportion.

    Source: Olah et al. 2017; Carter et al. 2019, "Activation atlas": dot product times a power of the cosine.
    """
    length = code.flatten(1).square().sum(1).view(-1, *[1] * (code.ndim - 1))
    return dot(layer, code / length, power=power)


def caricatures(
    net: Net,
    layer: str,
    pictures: Mapping[str, Tensor],
    *,
    power: float = POWER,
    steps: int = 128,
    seed: int = 0,
    preset: Preset | str = OLAH,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """For each picture (C, H, W) an image of its size, from noise, that goes as far as it can along the picture's code.

    A shallow layer gives texture at its place, a deep one the things it knows. Cost: ``steps + 13`` forward passes an
    image, which stop at the layer, and as many backward.

    Raises:
        UnknownNameError: There is no such layer.
        StriateError: The layer leads nowhere, or says nothing of a picture.

    Source: as `exaggeration`; the ascent is that of the preset, with small shifts only, since the code has places.
    """
    way = preset_named(preset)
    way = replace(way, jitter=min(way.jitter, SHIFT), scale=(1.0, 1.0), turn=0.0)
    if not pictures:
        raise StriateError("no pictures", accepted="at least one")
    sizes = {tuple(each.shape) for each in pictures.values()}
    if len(sizes) > 1:
        raise StriateError(f"pictures of {len(sizes)} sizes", accepted="pictures of one size", hint="one at a time")
    parts, codes = [], []
    for stem, picture in pictures.items():
        size = (int(picture.shape[-2]), int(picture.shape[-1]))
        check_layer(net, layer, size)
        code = code_of(net, picture[None], layer, memory=memory)[layer]
        if not bool(code.any()):
            raise StriateError(f"{layer!r} says nothing of {stem}", accepted="a picture whose code is not 0")
        score, ids = exaggeration(layer, code, power=power), torch.zeros(1, dtype=torch.int64)
        start = start_from_noise(net, score, ids=ids, size=size, noise=way.noise, seed=seed, memory=memory)
        codes.append(code)
        parts.append(
            ascended(
                net,
                score,
                start,
                ids=ids,
                preset=way,
                steps=steps,
                smoothness=way.smoothness[0],
                relative=True,
                seed=seed,
                memory=memory,
                watch=watch,
                label=f"caricature of {stem}",
            )
        )
    found = joined(parts)
    again = exaggeration(layer, torch.cat(codes), power=power)
    return Made(
        images=found.images,
        stems=tuple(f"caricature-{stem}" for stem in pictures),
        targets=tuple(f"{stem} by {layer}" for stem in pictures),
        words=words_of(way, f"share of the picture's code in {layer}, times cosine ^ {power:g}", size),
        scores=scores_of(net, again, found.images, memory=memory),
        history=found.history,
        steps=steps,
        seed=seed,
        objective=again,
        steady=False,
        tables=(_parts_of(net, layer, found.images, codes=torch.cat(codes), names=list(pictures), memory=memory),),
        sources=dict(pictures),
        source=tuple(pictures),
        cites=("olah2017feature", "carter2019activation", *way.cites),
    )


def _parts_of(net: Net, layer: str, images: Tensor, *, codes: Tensor, names: list[str], memory: int) -> Measured:
    """How much of its code each image says, and how nearly nothing else."""
    share = scores_of(net, exaggeration(layer, codes, power=0.0), images, memory=memory).tolist()
    near = scores_of(net, cosine(layer, codes), images, memory=memory).tolist()
    return Measured(
        f"What {layer} says of each caricature, by what it says of the picture",
        ("picture", "share of its code", "cosine"),
        tuple(zip(names, share, near, strict=True)),
    )
