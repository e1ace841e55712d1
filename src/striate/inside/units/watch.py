"""Units of some layers, told: patches with names and boxes, silent and equal units, fields, filters, pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Dataset
from striate.inside.fields.effective import effective_field
from striate.inside.fields.empirical import empirical_field
from striate.nets.net import Net
from striate.nets.stages import spread
from striate.nets.summary import first_filters

from .alike import SAME, cosines, pairs_above
from .gabor import fit_gabors
from .patches import CONTROLS, TOP, Watched, top_patches
from .payload import FieldSizes, FirstFilters, GaborFit, Layer, Neighbour, Patch, Twins, Unit, Units
from .pictures import filter_rows, patch_strip
from .running import Best

LISTED = 12  # units of a layer that are told of where none are named
MOST_TWINS = 100
NEIGHBOURS = 3
FIELD_IMAGES = 8  # whose gradients make the effective field
FIELD_TOPS = 2  # top images under the occluder, a unit
MOST_FILTERS = 128
WIDEST = 15  # pixels of a filter that is held against Gabor functions
NOT_MEASURED = "not measured"


def watch_units(
    net: Net,
    data: Dataset,
    *,
    layers: Sequence[str] = (),
    units: Sequence[int] = (),
    top: int = TOP,
    controls: int = CONTROLS,
    occluded: int = 0,
    listed: int = LISTED,
    seed: int = 0,
    memory: int = 1 << 30,
    workers: int = 0,
    pictures: bool = True,
    filters: bool = True,
    progress: Progress = SILENT,
) -> tuple[Units, dict[str, bytes]]:
    """What makes units fire, and pictures of it by the names that the payload holds.

    Cost: one forward pass an image up to the deepest layer; eight forward and 32 backward passes a layer for the
    effective field; with ``occluded`` some hundreds to thousands of forward passes for each unit measured so.

    Args:
        net: The net.
        data: One split, as the net takes it.
        layers: Sites; by default up to five over the depth.
        units: Numbers of the units to tell of, in every layer; by default twelve of each layer at even steps.
        top: Patches a unit.
        controls: Least-activating and random patches a unit.
        occluded: Units a layer whose field is measured by occluders.
        listed: Units of a layer that are told of where none are named.
        seed: Seed of random patches, of signs and of occluders.
        memory: Bytes beside the net.
        workers: Processes that decode.
        pictures: Whether pictures are made.
        filters: Whether first-layer filters are held against Gabor functions.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such layer.
        StriateError: A unit that no layer, or not every layer named, has.
    """
    found = top_patches(
        net, data, layers, top=top, controls=controls, seed=seed, memory=memory, workers=workers, progress=progress
    )
    _check_units(found, units, named=bool(layers))
    assert data.size is not None
    album: dict[str, bytes] = {}
    told_layers, told_units = [], []
    like = next((each for each in net.parameters() if each.is_floating_point()), torch.zeros(1))
    few = data.images(list(range(min(FIELD_IMAGES, len(data))))).to(like)
    for watched in found:
        layer, rows = _told(
            net, data, watched, units, few=few, occluded=occluded, listed=listed, seed=seed, progress=progress
        )
        if pictures:
            rows = [_pictured(row, data, album) for row in rows]
        told_layers.append(layer)
        told_units += rows
    first = _filters(net, album, pictures=pictures) if filters else None
    notes = tuple(
        f"{layer.site} has {layer.units:,} units, too many to compare them with each other"
        for layer in told_layers
        if not layer.compared
    )
    return Units(tuple(told_layers), tuple(told_units), len(data), data.size, first, notes), album


def _check_units(found: Sequence[Watched], units: Sequence[int], *, named: bool) -> None:
    for unit in units:
        without = [each.layer for each in found if not 0 <= unit < each.layer.units]
        if without and (named or len(without) == len(found)):
            raise StriateError(f"unit {unit} of {without[0].name}", accepted=f"0 to {without[0].units - 1}")


def _told(
    net: Net,
    data: Dataset,
    watched: Watched,
    asked: Sequence[int],
    *,
    few: Tensor,
    occluded: int,
    listed: int,
    seed: int,
    progress: Progress,
) -> tuple[Layer, list[Unit]]:
    layer, dead = watched.layer, watched.dead()
    chosen = [unit for unit in dict.fromkeys(asked) if unit < layer.units] or spread(range(layer.units), listed)
    table = None if watched.moments is None else watched.moments.correlations()
    filters = cosines(net, layer)
    twins = [] if table is None else pairs_above(table, SAME, without=dead)
    field = layer.size if layer.field is None else (layer.field[0].size, layer.field[1].size)
    effective = effective_field(net, few, layer, seed=seed)
    side = Number.of(effective.side, n=len(few), why=f"{len(few)} images, random signs: no interval")
    alive = [unit for unit in chosen if unit not in dead]
    measured = {
        unit: _empirical(net, data, watched, unit, like=few, seed=seed, progress=progress)
        for unit in (alive[:occluded] if layer.field is not None else [])
    }
    rows = [
        Unit(
            site=layer.name,
            unit=unit,
            dead=unit in dead,
            top=_patches(watched.top, watched, unit, data),
            least=() if unit in dead else _patches(watched.least, watched, unit, data),
            random=_patches(watched.random, watched, unit, data),
            field=FieldSizes(field, side, measured.get(unit, Number.missing(NOT_MEASURED))),
            neighbours=() if table is None or unit in dead else _neighbours(unit, table, filters),
        )
        for unit in chosen
    ]
    told = Layer(
        site=layer.name,
        op=layer.site.op,
        shape=tuple(layer.site.shape),
        units=layer.units,
        listed=tuple(chosen),
        dead=tuple(dead),
        duplicates=tuple(
            Twins(pair, float(table[pair]), None if filters is None else float(filters[pair]))
            for pair in twins[:MOST_TWINS]
            if table is not None
        ),
        duplicated=len(twins),
        field=field,
        stride=(0.0, 0.0) if layer.field is None else (layer.field[0].stride, layer.field[1].stride),
        effective=side,
        sigma=Number.of(sum(effective.sigma) / 2, why=f"R^2 of the Gaussian {effective.r2:.2f}"),
        empirical=_mean(list(measured.values())),
        compared=table is not None,
    )
    return told, rows


def _mean(numbers: Sequence[Number]) -> Number:
    if not numbers:
        return Number.missing(NOT_MEASURED)
    return Number.of(sum(map(float, numbers)) / len(numbers), n=len(numbers), why="a mean over units")


def _empirical(
    net: Net, data: Dataset, watched: Watched, unit: int, *, like: Tensor, seed: int, progress: Progress
) -> Number:
    rows = watched.top.rows[unit]
    first = [k for k, row in enumerate(rows.tolist()) if row >= 0 and row not in rows[:k].tolist()][:FIELD_TOPS]
    images = data.images(rows[first].tolist()).to(like)
    places = watched.top.places[unit, first].tolist()
    found = empirical_field(net, images, watched.layer, unit, places, seed=seed, progress=progress)
    return Number.of(found.side, n=found.images, why="over top images: no interval")


def _patches(best: Best, watched: Watched, unit: int, data: Dataset) -> tuple[Patch, ...]:
    places = watched.layer.boxes(best.places[unit].clamp_min(0)).tolist()
    entries = zip(best.rows[unit].tolist(), best.ids[unit].tolist(), best.value[unit].tolist(), places, strict=True)
    return tuple(
        Patch(data.name_of(row), number, row, (box[0], box[1], box[2], box[3]), value)
        for row, number, value, box in entries
        if row >= 0
    )


def _neighbours(unit: int, table: Tensor, filters: Tensor | None) -> tuple[Neighbour, ...]:
    row = table[unit].clone()
    row[unit] = -2
    order = row.argsort(descending=True, stable=True)[: min(NEIGHBOURS, len(row) - 1)].tolist()
    return tuple(
        Neighbour(other, float(row[other]), None if filters is None else float(filters[unit, other])) for other in order
    )


def _pictured(row: Unit, data: Dataset, album: dict[str, bytes]) -> Unit:
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', row.site)}-{row.unit:04d}"
    names: dict[str, Any] = {}
    for field, patches in (("picture", row.top), ("least_picture", row.least), ("random_picture", row.random)):
        if patches:
            names[field] = f"{stem}{'' if field == 'picture' else '-' + field.removesuffix('_picture')}.webp"
            album[names[field]] = patch_strip(data, [each.row for each in patches], [each.box for each in patches])
    return replace(row, **names)


def _filters(net: Net, album: dict[str, bytes], *, pictures: bool) -> FirstFilters | None:
    """First-layer filters with their Gabor fits; None where the first layer looks at no pixels, or at single ones."""
    try:
        found = first_filters(net)
    except StriateError:  # a net of any size: its sites are known on the images' size alone
        return None
    if found is None:
        return None
    site, weight = found[0], found[1].detach().float().cpu()
    if weight.ndim != 4 or weight.shape[1] not in (1, 3) or min(weight.shape[2:]) < 3 or not weight.isfinite().all():
        return None
    if max(weight.shape[2:]) > WIDEST:  # rows of a linear layer, patches of a transformer: no local patterns
        return None
    weight = weight[:MOST_FILTERS]
    fits = fit_gabors(weight)
    end = float(weight.abs().max()) or 1.0
    drawn: dict[str, bytes] = {}
    fitted: dict[str, bytes] = {}
    if pictures:
        drawn = filter_rows(weight, "filter-{:03d}.png", end=end)
        fitted = filter_rows(fits.fitted, "gabor-{:03d}.png", end=end)
        album |= drawn | fitted
    told = tuple(
        GaborFit(
            filter=k,
            r2=float(fits.r2[k]),
            frequency=float(fits.frequency[k]),
            angle=float(fits.angle[k]),
            sigma=(float(fits.sigma[k, 0]), float(fits.sigma[k, 1])),
        )
        for k in range(len(weight))
    )
    return FirstFilters(site, tuple(found[1].shape), (-end, end), tuple(drawn), tuple(fitted), told, pixels_of(net))


def pixels_of(net: Net) -> str:
    """What the net does to pixel values before its first layer, in words."""
    if net.mean is not None and net.mean.shape[-2:] != (1, 1):
        words = "pixel values from 0 to 1 less the mean image"
    elif net.mean is not None and bool((net.mean != 0).any()):
        words = f"pixel values from 0 to 1 less {_listed(net.mean)}"
    else:
        words = "pixel values from 0 to 1"
    if net.std is not None and bool((net.std != 1).any()):
        return f"{words}, divided by {_listed(net.std)}"
    return words if words.endswith("image") or "less" in words else f"{words} as they are"


def _listed(values: Tensor) -> str:
    numbers = [f"{each:.3g}" for each in values.flatten().tolist()]
    return numbers[0] if len(set(numbers)) == 1 else f"({', '.join(numbers)})"
