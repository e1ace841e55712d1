"""What else is known of the units shown: the concepts they follow, what is lost without them, where heads look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Dataset
from striate.inside.ablation.effects import ablate
from striate.inside.ablation.payload import Effect
from striate.inside.attention.reading import has_attention
from striate.inside.attention.report import attention_report
from striate.inside.attribution.layers import spatial_layer
from striate.inside.meaning.concepts import concepts_of
from striate.inside.meaning.labels import label_units
from striate.inside.meaning.payload import LayerMeaning, UnitLabel
from striate.inside.meaning.table import layers_of
from striate.measure.table import Table
from striate.metrics.intervals import wilson
from striate.nets.net import Net

from .payload import Units

ATTENDED, DRAWN = 8, 2  # images whose attention is measured, and drawn


def labels_of(
    net: Net,
    data: Dataset,
    sites: Sequence[str],
    *,
    name: str,
    units: Sequence[int] | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[tuple[UnitLabel, ...], tuple[LayerMeaning, ...], tuple[str, ...]]:
    """Labels of the units of those sites that have maps, their table, and a note on the sites that have none.

    Cost: as `label_units`.

    Args:
        net: The net.
        data: Images with masks, as the net takes them.
        sites: The layers.
        name: The net's name in the table.
        units: Channels; all when None.
        seed: Of shuffles and bootstrap.
        memory: Bytes beside the net.
        progress: How progress is shown.

    Raises:
        StriateError: The data have no masks, or no site has maps.
    """
    found = concepts_of(data)
    data.ready()
    size = data.size or net.a_size()
    chosen, notes = [], []
    why: StriateError | None = None
    for site in sites:
        try:
            chosen.append(spatial_layer(net, size, site).name)
        except StriateError as error:
            notes.append(f"units of {site} have no labels: {error.given}")
            why = error
    if not chosen:
        raise StriateError(f"none of the layers of {name} has maps for masks to be met by: {why}") from why
    labels = label_units(
        net, data, chosen, concepts=found, units=units, seed=seed, memory=memory, progress=progress
    )  # fmt: skip
    return labels, layers_of(labels, net=name), tuple(notes)


def with_labels(
    result: Units,
    net: Net,
    data: Dataset,
    *,
    name: str,
    all_units: bool = True,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Units:
    """The concept that each unit shown follows, and the table of all units of the layers, or of those shown."""
    sites = [layer.site for layer in result.layers]
    parts: list[tuple[list[str], tuple[int, ...] | None]] = [(sites, None)]
    if not all_units:
        parts = [([layer.site], layer.listed) for layer in result.layers if len(layer.shape) == 3]
    labels: list[UnitLabel] = []
    meanings: list[LayerMeaning] = []
    notes: list[str] = []
    for chosen, units in parts:
        found = labels_of(net, data, chosen, name=name, units=units, seed=seed, memory=memory, progress=progress)
        labels += found[0]
        meanings += found[1]
        notes += found[2]
    known = {(each.site, each.unit): each for each in labels}
    return replace(
        result,
        units=tuple(replace(one, label=known.get((one.site, one.unit))) for one in result.units),
        labelled_on=f"{data.name}, {len(data):,} images",
        meanings=tuple(meanings),
        notes=(*result.notes, *notes),
    )


def with_effects(
    result: Units,
    net: Net,
    data: Dataset,
    table: Table,
    *,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Units:
    """What the net loses without each unit that is shown, one alone; cost: as `ablate`."""
    known: dict[tuple[str, int], Effect] = {}
    for layer in result.layers:
        effects = ablate(
            net, data, layer.site, units=layer.listed, table=table, seed=seed, memory=memory, progress=progress
        )
        known |= {(layer.site, unit): each for unit, each in zip(layer.listed, effects, strict=True)}
    return replace(
        result,
        units=tuple(replace(one, effect=known[one.site, one.unit]) for one in result.units),
        accuracy=wilson(int(table.correct.sum()), len(table)),
        names=tuple(table.names),
    )


def with_attention(
    result: Units, net: Net, data: Dataset, *, memory: int = 1 << 30, progress: Progress = SILENT
) -> tuple[Units, dict[str, bytes]]:
    """Where the heads of a transformer look, over the first eight images; a note where they look within windows."""
    if not has_attention(net, result.size):
        return result, {}
    like = next((each for each in net.parameters() if each.is_floating_point()), torch.zeros(1))
    rows = list(range(min(ATTENDED, len(data))))
    images, names = data.images(rows).to(like), [data.name_of(row) for row in rows]
    try:
        attended, album = attention_report(net, images, names, shown=DRAWN, memory=memory, progress=progress)
    except StriateError as error:
        return replace(result, notes=(*result.notes, f"attention is left out: {error}")), {}
    return replace(result, attention=attended), album
