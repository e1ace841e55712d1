"""Objectives on what a layer holds: one unit, a channel, the whole layer, a direction in it.

A site gives maps (n, channels, rows, columns), vectors (n, channels), or tokens (n, tokens, channels), as transformers
have them. A channel's places are its rows and columns, its tokens, or for vectors the one number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError

from .term import Classes, Objective, Seen, Term, own_rows

Channels = Classes  # one channel for every image, or a tensor (N,) with one a row
Place = tuple[int, ...]  # row and column of a map, or the number of a token


def unit(site: str, channels: Channels, place: Place | None = None) -> Objective:
    """What one unit says: a channel at one place.

    Args:
        site: Where it stands.
        channels: Its channel; a tensor (N,) gives each image its own, so that a layer becomes one batch.
        place: ``(row, column)`` of a map or ``(token,)``; by default the middle of a map (``rows // 2, columns // 2``).

    Source: Erhan et al. 2009, section 3.
    """

    def score(seen: Seen) -> Tensor:
        value = _own_channel(seen, site, channels)
        return value[:, _position(site, tuple(seen[site].shape[1:]), place)]

    where = "" if place is None else f", place {place[0]}" if len(place) == 1 else f", place {place}"
    return Term(f"unit({site!r}, {_say(channels)}{where})", score, frozenset({site}))


def channel(site: str, channels: Channels) -> Objective:
    """The mean of a channel over its places. Source: Olah et al. 2017, "Optimization objectives"."""

    def score(seen: Seen) -> Tensor:
        return _own_channel(seen, site, channels).mean(1)

    return Term(f"channel({site!r}, {_say(channels)})", score, frozenset({site}))


def layer_energy(site: str) -> Objective:
    """Half the sum of squares of all that a site says, whose gradient there is what it says.

    Source: Mordvintsev et al. 2015 ("enhance an input image in such a way as to elicit a particular interpretation").
    """

    def score(seen: Seen) -> Tensor:
        return seen[site].flatten(1).square().sum(1) / 2

    return Term(f"layer_energy({site!r})", score, frozenset({site}))


def direction(site: str, vector: Tensor) -> Objective:
    """The mean over places of the inner product with a direction in the space of a site's channels.

    Args:
        site: Where.
        vector: (channels,) for every image, or (N, channels) with one a row; its length counts.

    Raises:
        StriateError: The vector has other axes; at the first pass, the site another number of channels.

    Source: Olah et al. 2017, "The space of activations" (there random and interpolated directions).
    """
    if vector.ndim not in (1, 2):
        raise StriateError(f"direction of shape {tuple(vector.shape)}", accepted="(channels,) or (N, channels)")

    def score(seen: Seen) -> Tensor:
        values = by_channel(seen[site], site)
        own = own_rows(vector[None] if vector.ndim == 1 else vector, seen).to(values)
        if own.shape[1] != values.shape[1]:
            raise StriateError(
                f"direction of {own.shape[1]} numbers at {site!r}", accepted=f"{values.shape[1]}, one a channel"
            )
        return (values.mean(2) * own).sum(1)

    return Term(f"direction({site!r}, {'one a row' if vector.ndim == 2 else 'a vector'})", score, frozenset({site}))


def by_channel(value: Tensor, site: str) -> Tensor:
    """What a site said as (n, channels, places).

    Raises:
        StriateError: The site gives something else than maps, vectors or tokens.
    """
    if value.ndim == 4:
        return value.flatten(2)
    if value.ndim == 3:
        return value.transpose(1, 2)
    if value.ndim == 2:
        return value[:, :, None]
    raise StriateError(
        f"site {site!r} gives {tuple(value.shape)}", accepted="maps (n, C, H, W), tokens (n, T, C) or vectors (n, C)"
    )


def _own_channel(seen: Seen, site: str, channels: Channels) -> Tensor:
    """The channel of each row, (n, places)."""
    values = by_channel(seen[site], site)
    count, every = values.shape[1], torch.arange(len(values), device=values.device)
    own = own_rows(torch.as_tensor(channels).reshape(-1), seen).to(values.device).expand(len(values))
    wrong = (own < 0) | (own >= count)
    if bool(wrong.any()):
        raise UnknownNameError(
            f"channel of site {site!r}:", str(int(own[wrong][0])), (), hint=f"0 to {count - 1}, it has {count} channels"
        )
    return values[every, own]


def _position(site: str, shape: tuple[int, ...], place: Place | None) -> int:
    """The number of a place in the flattened places of a site, whose output for an image has this shape."""
    if len(shape) == 1:
        if place:
            raise StriateError(f"place {place} in {site!r}", accepted="none: it gives one number a channel")
        return 0
    if len(shape) == 2 and place is None:
        raise StriateError(f"{site!r} gives {shape[0]} tokens, which have no middle", hint="place=(0,)")
    sides = shape[:1] if len(shape) == 2 else shape[1:]
    own = tuple(side // 2 for side in sides) if place is None else place
    if len(own) != len(sides) or any(not 0 <= at < side for at, side in zip(own, sides, strict=True)):
        accepted = " and ".join(f"0 to {side - 1}" for side in sides)
        raise StriateError(f"place {own} in {site!r}", accepted=accepted)
    return own[0] if len(own) == 1 else own[0] * sides[1] + own[1]


def _say(channels: Channels) -> str:
    return "channels" if isinstance(channels, Tensor) and channels.ndim > 0 else str(int(channels))
