"""Effects of ablation: what a net loses, in all and class by class, without units or layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.inside.attribution.chunks import chunk_size, fast_layout
from striate.measure.table import Table, predict
from striate.metrics.intervals import wilson
from striate.metrics.losses import cross_entropy
from striate.metrics.mean import mean_interval
from striate.metrics.paired import PairedCounts
from striate.nets.net import Net
from striate.nets.site import Site

from .branches import Branches, Units, unit_axis
from .payload import Curve, Effect, How
from .stand_ins import StandIns

SETS = 32  # sets of units a pass, at most
POINTS = 12  # of a curve of units switched off one after the other


def ablate(
    net: Net,
    data: Dataset,
    site: str,
    *,
    units: Sequence[int | Sequence[int]] | None = None,
    how: How = "zero",
    table: Table | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Effect, ...]:
    """What switching off units of a site changes, one effect an entry of ``units``.

    Units are channels of maps, features of a vector, and the last axis of tokens. Changes are paired by image: what
    each image was before and is after.

    Cost: one forward pass an image for the net as it is (none where ``table`` is given), and for each entry one from
    the fork on (see `Branches`: the part before the site is shared by up to 32 entries where the net permits); one
    more up to the site for ``mean`` and ``resample``.

    Args:
        net: A classifier.
        data: One split with labels, images as the net takes them.
        site: The layer, by site or module path.
        units: Entries: a unit alone, several together, ``()`` for the whole layer; by default every unit alone.
        how: What stands in their place: ``zero``; ``mean``, the unit's over the data; ``resample``, the values on
            another image of the data.
        table: Predictions of the net as it is, where they are there already.
        seed: Of ``resample``.
        memory: Budget in bytes beside the net.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site.
        StriateError: A unit is not there, ``how`` is unknown, net and data do not fit.

    Source: Zhou et al. 2018, "Revisiting the importance of individual units in CNNs via ablation", section 3; Morcos et
    al. 2018, "On the importance of single directions for generalization", section 2.
    """
    known = predict(net, data, memory=memory) if table is None else table
    place = site_of(net, data, site)
    many = place.shape[unit_axis(len(place.shape) + 1) - 1]
    given = range(many) if units is None else units
    sets = [_checked(one, place, many) for one in given]
    logits = _logits(net, data.take(known.rows), place, sets, how=how, seed=seed, memory=memory, progress=progress)
    return tuple(effect(place.name, one, how, known, found) for one, found in zip(sets, logits, strict=True))


def site_of(net: Net, data: Dataset, name: str) -> Site:
    """The site of this name, or the one that ends the module of this path.

    Raises:
        UnknownNameError: There is none.
    """
    data.ready()
    found = net.trace(data.size)
    sites = {each.name: each for each in found.sites}
    resolved = found.aliases.get(name, name)
    if resolved not in sites:
        raise UnknownNameError("layer", name, [*sites, *found.aliases], hint=f"striate summary {net.name}")
    return sites[resolved]


def layers_with_weights(net: Net, data: Dataset) -> tuple[Site, ...]:
    """The sites with weights that mix units (convolutions, linear layers), but the last, which gives the classes."""
    data.ready()
    found = [site for site in net.sites(data.size) if site.parameters and site.macs]
    return tuple(found[:-1])


def ablate_layers(
    net: Net,
    data: Dataset,
    sites: Sequence[str] | None = None,
    *,
    how: How = "zero",
    table: Table | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Effect, ...]:
    """What each layer is worth: the output of one after the other switched off as a whole.

    By default all convolutions and linear layers but the last. Cost: a forward pass an image for each.
    """
    known = predict(net, data, memory=memory) if table is None else table
    names = [site.name for site in layers_with_weights(net, data)] if sites is None else list(sites)
    found: list[Effect] = []
    for name in progress.track(names, "layers", len(names), unit="layers"):
        found += ablate(net, data, name, units=[()], how=how, table=known, seed=seed, memory=memory)
    return tuple(found)


def ablate_one_by_one(
    net: Net,
    data: Dataset,
    site: str,
    *,
    effects: Sequence[Effect] = (),
    how: How = "zero",
    points: int = POINTS,
    table: Table | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Curve, ...]:
    """Units switched off one after the other: in the order of what each costs alone, of their size, and at random.

    The first order is that of the harm, largest first, which ``effects`` tell (every unit alone; measured here where
    none are given); it is chosen on the same images that judge it. Ties go by loss. Cost: a pass an image, from the
    fork on, for each point of each order.
    """
    known = predict(net, data, memory=memory) if table is None else table
    place = site_of(net, data, site)
    alone = effects or ablate(net, data, site, how=how, table=known, seed=seed, memory=memory)
    single = [one for one in alone if len(one.units) == 1]
    sizes = StandIns(net, data, place, how="mean", seed=seed, count=64).means.flatten().abs()
    orders = {
        "harm": [one.units[0] for one in sorted(single, key=lambda one: (float(one.change), -float(one.loss)))],
        "size": sorted((one.units[0] for one in single), key=lambda unit: -float(sizes[unit])),
    }
    shuffled = Rng(seed, "ablation/order").permutation(len(single)).tolist()
    orders["random"] = [single[at].units[0] for at in shuffled]
    counts = sorted({round(len(single) * at / points) for at in range(points + 1)})
    curves = []
    for name, order in orders.items():
        sets = [tuple(order[:count]) for count in counts if count]
        found = ablate(net, data, site, units=sets, how=how, table=known, seed=seed, memory=memory, progress=progress)
        before = wilson(int(known.correct.sum()), len(known))
        curves.append(
            Curve(name, (0, *(count for count in counts if count)), (before, *(one.accuracy for one in found)))
        )
    return tuple(curves)


def effect(site: str, units: Units, how: How, table: Table, logits: Tensor) -> Effect:
    """The effect that logits (N, K) without the units show beside the table of the net as it is."""
    right = logits.argmax(1) == table.labels
    change = PairedCounts().update(right, table.correct).compute().difference
    many = len(table.names)
    support = torch.bincount(table.labels, minlength=many).double()
    moved = torch.bincount(table.labels, weights=right.double() - table.correct.double(), minlength=many)
    return Effect(
        site=site,
        units=units,
        how=how,
        accuracy=wilson(int(right.sum()), len(right)),
        change=change,
        classes=tuple((moved / support.clamp_min(1)).tolist()),
        loss=mean_interval(cross_entropy(logits, table.labels).double() - table.losses),
    )


def _checked(one: int | Sequence[int], site: Site, many: int) -> Units:
    units = (one,) if isinstance(one, int) else tuple(one)
    wrong = [unit for unit in units if not 0 <= unit < many]
    if wrong:
        raise StriateError(f"unit {wrong[0]} of {site.name}", accepted=f"0 to {many - 1}")
    return units


def _logits(
    net: Net,
    data: Dataset,
    site: Site,
    sets: Sequence[Units],
    *,
    how: How,
    seed: int,
    memory: int,
    progress: Progress,
) -> Tensor:
    """Logits (sets, N, K)."""
    if not sets:
        raise StriateError("no units were named", accepted="one or more")
    like = next(net.parameters(), torch.zeros(()))
    some = fast_layout(data.images(range(min(2, len(data)))).to(like.device))
    fits = chunk_size(net, some, memory=memory)
    together = min(SETS, len(sets), fits)
    count = max(1, fits // together)
    stand_ins = StandIns(net, data, site, how=how, seed=seed, count=count)
    branches = Branches(net, some, site)
    parts = []
    with progress.task(f"ablate {site.name}", len(data) * len(sets)) as step:
        for rows in torch.split(torch.arange(len(data)), count):
            images = fast_layout(data.images(rows).to(like.device))
            instead = stand_ins(rows)
            found = []
            for first in range(0, len(sets), together):
                chosen = sets[first : first + together]
                found.append(branches.logits(images, chosen, instead).float().cpu())
                step(len(rows) * len(chosen))
            parts.append(torch.cat(found))
    return torch.cat(parts, 1)
