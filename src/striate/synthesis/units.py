"""Images of units, channels, layers, directions, and pairs of channels: what each of them answers to most, or least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.found import Found
from striate.imageopt.objective import (
    Objective,
    channel,
    code_of,
    layer_energy,
    unit,
    weighted,
)
from striate.imageopt.objective import direction as along
from striate.imageopt.objective.units import Place, by_channel
from striate.imageopt.score import scores_of
from striate.nets.net import Net
from striate.nets.site import Pair

from .layers import check_layer, checked_channels, fitting_size
from .made import Made
from .payload import Measured
from .presets import OLAH, Preset, preset_named
from .sheet import contact_sheet
from .visualise import COPY, Start, ascended, ascended_apart, joined, start_from_noise, words_of
from .watch import Watch

_HELD = 12  # tensors of the images' size that a search holds
STEADY = 0.6  # share of the jitter under which a unit is painted: it stands at one place


@dataclass(frozen=True)
class How:
    """What all kinds here take.

    Attributes:
        steps: Steps of the search, at least 1.
        seed: Seed of start, views and random directions.
        size: (H, W) of the images; by default some receptive fields wide, no larger than the net's own.
        preset: The way of ascending.
        negative: Whether each image of the most is followed by one of the least.
        count: Images of each target; from two on they are painted so that they differ.
        memory: Bytes beside the net.
        watch: Who looks on.
    """

    steps: int = 128
    seed: int = 0
    size: Pair | None = None
    preset: Preset | str = OLAH
    negative: bool = False
    count: int = 1
    memory: int = 1 << 30
    watch: Watch | None = None


@dataclass(frozen=True)
class _Wanted:
    """One target: how its files are called, what it is in words, and its number."""

    stem: str
    words: str
    number: int | None


def unit_images(
    net: Net, layer: str, channels: Sequence[int] = (), *, place: Place | None = None, how: How | None = None
) -> Made:
    """Images that one unit answers to most: a channel at one place, by default the middle.

    Cost here and below: ``steps + 13`` forward passes an image, which stop at the layer, and as many backward.

    Raises:
        UnknownNameError: There is no such layer or channel.
        StriateError: The place is not there; the layer leads nowhere; no image raises the unit.

    Source: Erhan et al. 2009, section 3; the ways of ascending are those of the presets.
    """
    how = how or How()
    way = preset_named(how.preset).narrowed()
    how = replace(how, preset=replace(way, jitter=STEADY * way.jitter))
    size = how.size or fitting_size(net, layer)
    numbers = checked_channels(layer, check_layer(net, layer, size), channels)
    where = "" if place is None else f" at {', '.join(map(str, place))}"
    wanted = [_Wanted(f"unit-{each}", f"{layer} unit {each}{where}", each) for each in numbers]

    def score(rows: Tensor) -> Objective:
        return unit(layer, torch.tensor(numbers)[rows], place)

    return _painted(net, layer, wanted=wanted, score_of=score, how=how, size=size, words=f"unit of {layer}{where}")


def channel_images(net: Net, layer: str, channels: Sequence[int] = (), *, how: How | None = None) -> Made:
    """Images that channels answer to most in the mean over their places; without channels a whole layer, as one batch.

    Source: Olah et al. 2017, "Optimization objectives" and "Diversity".
    """
    how = how or How()
    size = how.size or (fitting_size(net, layer) if channels else fitting_size(net, layer, fields=2, most=96))
    numbers = checked_channels(layer, check_layer(net, layer, size), channels)
    wanted = [_Wanted(f"channel-{each}", f"{layer} channel {each}", each) for each in numbers]

    def score(rows: Tensor) -> Objective:
        return channel(layer, torch.tensor(numbers)[rows])

    return _painted(net, layer, wanted=wanted, score_of=score, how=how, size=size, words=f"channel of {layer}")


def layer_images(net: Net, layer: str, *, how: How | None = None) -> Made:
    """Images that raise the energy of a whole layer from noise, one for each start.

    Source: Mordvintsev et al. 2015; Olah et al. 2017, "Optimization objectives" (layer, DeepDream).
    """
    how = how or How()
    size = how.size or fitting_size(net, layer)
    check_layer(net, layer, size)
    wanted = [_Wanted("layer", layer, None)]
    energy = layer_energy(layer)
    return _painted(
        net, layer, wanted=wanted, score_of=lambda _: energy, how=how, size=size, words=f"energy of {layer}"
    )


def direction_images(
    net: Net, layer: str, *, pictures: dict[str, Tensor] | None = None, how: How | None = None
) -> Made:
    """Images of a direction in the space of a layer's channels: the mean code of pictures, or drawn by the seed.

    A direction has length 1. That of pictures is the mean of their codes over places and pictures, which is said to be
    what they have in common; ``count`` random ones are as many directions, not as many images of one.

    Source: Olah et al. 2017, "The space of activations"; mean codes: Carter et al. 2019.
    """
    how = how or How()
    size = how.size or fitting_size(net, layer)
    shape = check_layer(net, layer, size)
    if pictures:
        codes = [
            by_channel(code_of(net, each[None], layer, memory=how.memory)[layer], layer) for each in pictures.values()
        ]
        vectors = torch.stack([each[0].mean(1) for each in codes]).mean(0, keepdim=True)
        if not bool(vectors.any()):
            raise StriateError(
                f"{layer!r} says nothing of these pictures", accepted="pictures with a code that is not 0"
            )
        wanted = [_Wanted("direction", f"{layer} as in {_some(list(pictures))}", None)]
    else:
        channels = shape[1] if len(shape) == 2 else shape[0]
        vectors = Rng(how.seed, "synthesis/direction").normal(torch.arange(how.count), (channels,))
        wanted = [_Wanted(f"direction-{each}", f"{layer} random direction {each}", each) for each in range(how.count)]
        how = replace(how, count=1)
    vectors = vectors / vectors.square().sum(1, keepdim=True).sqrt()

    def score(rows: Tensor) -> Objective:
        return along(layer, vectors[rows])

    made = _painted(net, layer, wanted=wanted, score_of=score, how=how, size=size, words=f"direction in {layer}")
    return replace(made, sources=dict(made.sources) | dict(pictures or {}))


def pair_images(net: Net, layer: str, channels: Sequence[int], *, how: How | None = None) -> Made:
    """One image that raises the sum of two channels' means, and beside it one for each of them alone.

    A table says what each channel says of each of the three images.

    Raises:
        StriateError: There are not two channels.

    Source: Olah et al. 2017, "Interaction between neurons".
    """
    how = how or How()
    size = how.size or fitting_size(net, layer)
    shape = check_layer(net, layer, size)
    both = checked_channels(layer, shape, channels)
    if len(both) != 2 or not channels:
        raise StriateError(f"a pair of {len(both) if channels else 'all'} channels", accepted="two, such as 3,7")
    vectors = torch.zeros(3, shape[1] if len(shape) == 2 else shape[0])
    vectors[0, both] = 1.0
    vectors[1, both[0]], vectors[2, both[1]] = 1.0, 1.0
    one, other = both
    wanted = [
        _Wanted(f"pair-{one}-{other}", f"{layer} channels {one} + {other}", None),
        *(_Wanted(f"channel-{each}", f"{layer} channel {each}", each) for each in both),
    ]

    def score(rows: Tensor) -> Objective:
        return along(layer, vectors[rows])

    made = _painted(net, layer, wanted=wanted, score_of=score, how=how, size=size, words=f"channels of {layer}")
    said = [scores_of(net, channel(layer, each), made.images, memory=how.memory).tolist() for each in both]
    table = Measured(
        f"Mean of each channel in each image of {layer}",
        ("image of", f"channel {one}", f"channel {other}"),
        tuple(zip(made.targets, *said, strict=True)),
    )
    return replace(made, tables=(*made.tables, table))


def _painted(
    net: Net,
    layer: str,
    *,
    wanted: Sequence[_Wanted],
    score_of: Callable[[Tensor], Objective],
    how: How,
    size: Pair,
    words: str,
) -> Made:
    """Images of targets, each of the most, then of the least where asked for, each as often as asked for."""
    if how.count < 1:
        raise StriateError(f"count is {how.count}", accepted="at least 1")
    way = preset_named(how.preset).narrowed()
    signs = (1, -1) if how.negative else (1,)
    order = [(place, sign, copy) for place in range(len(wanted)) for sign in signs for copy in range(how.count)]
    places, sign, copies = torch.tensor(order).unbind(1)
    ids = torch.tensor([each.number or 0 for each in wanted])[places] + COPY * copies

    def score(rows: Tensor) -> Objective:
        raised = score_of(places[rows])
        return weighted(raised, sign[rows], f"its sign * {raised.words}") if how.negative else raised

    most = how.count if how.count > 1 else max(1, how.memory // (_HELD * 4 * net.channels * size[0] * size[1]))
    parts, silent = [], []
    for rows in torch.split(torch.arange(len(order)), most):
        start = start_from_noise(
            net, score(rows), ids=ids[rows], size=size, noise=way.noise, seed=how.seed, memory=how.memory
        )
        silent += rows[start.slopes == 0].tolist()
        if len(rows) == len(order) and len(silent) == len(order):
            raise StriateError(
                f"nothing wakes the {words}: it has no slope at grey, nor where its rectifiers were pushed",
                accepted="a layer that answers to them",
                hint=f"the site before its rectifier; striate summary {net.name}",
            )
        parts.append(_ascended(net, layer, score(rows), start, ids=ids[rows], preset=way, how=how, words=words))
    found = joined(parts)
    names = [wanted[place] for place, _, _ in order]
    least = ["-least" if each < 0 else "" for each in sign.tolist()]
    targets = [f"{one.words}{', least' if a else ''}" for one, a in zip(names, least, strict=True)]
    number = [f"-{each}" if how.count > 1 else "" for each in copies.tolist()]
    raw = score_of(places)
    return Made(
        images=found.images,
        stems=tuple(f"{one.stem}{a}{b}" for one, a, b in zip(names, least, number, strict=True)),
        targets=tuple(targets),
        words=words_of(way, words, size),
        scores=scores_of(net, raw, found.images, memory=how.memory),
        history=found.history * sign,
        steps=how.steps,
        seed=how.seed,
        objective=raw,
        steady=way.jitter > 0,
        numbers=tuple(one.number for one in names),
        sources={"all": contact_sheet(found.images)} if len(found.images) > 1 else {},
        notes=_notes(layer, [targets[each] for each in silent], len(order)),
        cites=way.cites,
    )


def _ascended(
    net: Net, layer: str, score: Objective, start: Start, *, ids: Tensor, preset: Preset, how: How, words: str
) -> Found:
    more: dict[str, Any] = {"smoothness": preset.smoothness[0], "relative": True, "seed": how.seed}
    more |= {"memory": how.memory, "watch": how.watch, "label": f"{words} of {net.name}"}
    if how.count > 1:
        return ascended_apart(net, score, start, ids=ids, site=layer, preset=preset, steps=how.steps, **more)
    return ascended(net, score, start, ids=ids, preset=preset, steps=how.steps, **more)


def _notes(layer: str, silent: Sequence[str], count: int) -> tuple[str, ...]:
    if not silent:
        return ()
    rest = (
        f"; what lies behind a rectifier has no least: take the site before {layer}"
        if any("least" in each for each in silent)
        else ""
    )
    return (
        f"{len(silent)} of {count} targets have no slope at grey, nor where rectifiers were pushed; their images may "
        f"say nothing: {_some(silent)}{rest}",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
