"""`attack_data`: how often a net survives an attack on a split, and how far that number can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.allocator import memory_kept
from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.norms import parse_norm
from striate.core.progress import SILENT, Progress
from striate.core.ranks import ranks
from striate.imageopt.found import Found
from striate.nets.net import Net
from striate.nets.passes import count_elsewhere, counting
from striate.nets.undisturbed import undisturbed

from .album import Shown, chosen
from .auto import AutoAttack
from .catalog import METHODS
from .check import check_classes, check_method, check_radius, check_table
from .judging import after_jpeg, predicted_by
from .masking import PROBED, Left, added, left_of, masking_of, probe, probe_left, saturated
from .method import Method, Running, Threat, norm_name, within_radius
from .payload import Attacked, Probe, Robustness
from .ready import SEEN, Ready, made_ready
from .summed import robustness_of

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table

CONTROL = 64  # images that are passed again unchanged, to see that net, data and table belong together
COPIES = 12  # of a shard of images that are held at once: pixels, start, free numbers, limits of the region, results


def attack_data(
    net: Net,
    data: Dataset,
    table: Table,
    *,
    method: str = "pgd",
    norm: float | str = math.inf,
    radius: float,
    target: int | None = None,
    steps: int | None = None,
    radii: Sequence[float] = (),
    levels: bool = False,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
    found: Callable[[Tensor, Tensor], None] | None = None,
) -> tuple[Robustness, dict[str, bytes]]:
    """How many images of a split stay right within ``radius``, with pictures of a few that do not.

    Images that are wrong without any change count as not robust and cost nothing (`Attacked.step` is 0). With a target,
    images of that class are left out. Every verdict comes from a forward pass on the returned float32 image. What
    PGD leaves is tried with a single step too, as a sign of masked gradients, which does not change the number.

    Args:
        net: Attacked.
        data: The split.
        table: What the net says of it unchanged, from `predict`.
        method: Name in `METHODS`.
        norm: Norm that measures the change.
        radius: Largest change, strictly, in units of [0, 1] pixels.
        target: Class to be taken for; by default any but the true one.
        steps: Steps at most; by default the method's.
        radii: More radii, for the curve. An image that was broken by a smaller change counts as broken; one that held
            at a larger radius counts as holding at a smaller one. Neither costs a pass.
        levels: Search images of 8 bits alone, so that whatever fools does so as a file too.
        seed: Seed of every random draw.
        memory: Bytes beside the net.
        progress: How the work is shown.
        found: Given rows (n,) and the images found for them, once for every group of images that is attacked.

    Raises:
        StriateError: Something does not fit; the message says what was given and what is taken.
    """
    page, order = METHODS.load(method), parse_norm(norm)
    for each in (radius, *radii):
        check_radius(each, order, (data.channels, *(data.size or net.a_size())))
    taken = check_method(method, page, norm=order, steps=steps, target=target)
    check_table(data, table)
    check_classes(table.logits.shape[1], table.labels, target)
    wanted = torch.arange(len(data)) if target is None else (table.labels != target).nonzero().squeeze(1)
    if len(wanted) == 0:
        raise StriateError(
            f"target is {target}, the class of every image", accepted="one that others can be turned into"
        )
    others = tuple(sorted({float(each) for each in radii} - {float(radius), 0.0}))
    job = _Job(
        net, data, table, method, page, order, float(radius), others, target, taken, levels, seed, memory, progress,
        found,
    )  # fmt: skip
    going = wanted[~_already(job, wanted)]
    with (
        counting() as passes,
        memory_kept(),
        undisturbed(net),
        made_ready(net, data.images(going[:SEEN]), seed=seed, gradients=page.gradients) as ready,
    ):
        job = replace(job, ready=ready)
        if not ready.random:
            _control(job, wanted[:CONTROL])
        shards = _by_ranks(job, wanted) if ranks().count > 1 else _by_one(job, wanted)
    sure = int(saturated(table.logits[wanted]).sum())
    return _summed(job, shards, wanted, sure, {"forward": passes.forward, "backward": passes.backward})


@dataclass(frozen=True, eq=False)
class _Job:
    """What was asked for."""

    net: Net
    data: Dataset
    table: Table
    method: str
    page: Method
    norm: float
    radius: float
    radii: tuple[float, ...]
    target: int | None
    steps: int
    levels: bool
    seed: int
    memory: int
    progress: Progress
    found: Callable[[Tensor, Tensor], None] | None
    ready: Ready | None = None

    @property
    def prepared(self) -> Ready:
        """The net made ready, which happens before any image is attacked."""
        assert self.ready is not None
        return self.ready

    def attack(self, images: Tensor, threat: Threat, running: Running) -> Found:
        """What the method finds."""
        return self.page(self.prepared.net, images, threat, steps=self.steps, running=running)

    def threat(self, batch: _Batch, at: Tensor, radius: float) -> Threat:
        """The threat to some images of a batch at a radius."""
        reach = math.inf if self.page.nearest else radius
        return Threat(batch.labels[at], batch.logits[at], self.norm, reach, self.target)

    def running(self, ids: Tensor, radius: float) -> Running:
        """How to run at a radius."""
        label = f"{self.method} {radius:.3g}, {len(ids)} images"
        draws = self.prepared.draws
        return Running(
            seed=self.seed, ids=ids, memory=self.memory, progress=self.progress, label=label, draws=draws,
            levels=self.levels,
        )  # fmt: skip


def _by_one(job: _Job, wanted: Tensor) -> list[_Shard]:
    shards: list[_Shard] = []
    for batch in _batches(job, wanted):
        probed = max((one.tried for one in added(shard.probes for shard in shards)), default=0)
        shards.append(_attacked(job, batch, probes=PROBED - probed))
    return shards


def _by_ranks(job: _Job, wanted: Tensor) -> list[_Shard]:
    """The shards of all ranks in the order of the images; each attacks its part, and probes what it left early on."""
    together = ranks()
    mine = wanted[together.share_of(len(wanted))]
    with counting() as own:
        shards: list[_Shard] = []
        left = together.each(lambda: _attack_own(job, mine, shards))
        room = max(PROBED - sum(left[: together.number]), 0)
        probed = together.each(lambda: _probe_own(job, shards, room))
        every = together.gathered([replace(shard, left=None) for shard in shards])
    count_elsewhere(own, together)
    found = [shard for part in every for shard in part]
    return [
        *found,
        *(_Shard((), {at: torch.zeros(0) for at in (*job.radii, job.radius)}, probes=one) for one in probed),
    ]


def _attack_own(job: _Job, rows: Tensor, shards: list[_Shard]) -> int:
    shards += [_attacked(job, batch, probes=0) for batch in _batches(job, rows)]
    return sum(len(shard.left.images) for shard in shards if shard.left is not None)


def _probe_own(job: _Job, shards: Sequence[_Shard], room: int) -> tuple[Probe, ...]:
    probes: list[tuple[Probe, ...]] = []
    for shard in shards:
        if shard.left is not None and room > 0:
            probes.append(probe_left(job.prepared, shard.left, method=job.method, most=room))
            room -= len(shard.left.images)
    return added(probes)


def _summed(
    job: _Job, shards: Sequence[_Shard], wanted: Tensor, sure: int, passes: Mapping[str, int]
) -> tuple[Robustness, dict[str, bytes]]:
    """What was learnt of all the images."""
    attacked = sum(shard.attacked for shard in shards)
    masking = masking_of(
        attacked=attacked,
        flat=sum(shard.flat for shard in shards),
        n=len(wanted),
        sure=sure,
        probes=added(shard.probes for shard in shards),
        ready=job.prepared,
    )
    broken = {at: sum(int(shard.broken[at].sum()) for shard in shards) for at in (*job.radii, job.radius)}
    return robustness_of(
        [one for shard in shards for one in shard.images],
        method=job.method,
        norm=norm_name(job.norm),
        radius=job.radius,
        target=job.target,
        names=job.table.names,
        masking=masking,
        members=_members(job),
        curve={0.0: len(wanted) - attacked, **broken} if job.radii else {},
        passes=passes,
        shown=[each for shard in shards for each in shard.shown],
    )


def _members(job: _Job) -> tuple[str, ...]:
    """Names of the attacks of an ensemble that ran, in order."""
    if not isinstance(job.page, AutoAttack):
        return ()
    return tuple(name for name, _ in (job.page.for_random if job.prepared.random else job.page.members))


@dataclass(frozen=True, eq=False)
class _Batch:
    """Images that are held at once; tensors hold one entry an image."""

    rows: Tensor
    images: Tensor
    labels: Tensor
    clean: Tensor
    logits: Tensor
    ids: Tensor
    already: Tensor  # whether the goal is reached without any change

    @property
    def going(self) -> Tensor:
        """Places of the images to be attacked."""
        return (~self.already).nonzero().squeeze(1)


@dataclass(frozen=True, eq=False)
class _Shard:
    """What was learnt of a batch: rows of the payload, at which radii each image is broken, signs of masking."""

    images: tuple[Attacked, ...]
    broken: dict[float, Tensor]
    attacked: int = 0
    flat: int = 0
    probes: tuple[Probe, ...] = ()
    shown: list[Shown] = field(default_factory=list)
    left: Left | None = None  # of several ranks: what is probed once all of them know how many come before


def _batches(job: _Job, wanted: Tensor) -> Iterator[_Batch]:
    """The images in groups whose pixels, in all the copies that an attack holds, fit the memory."""
    height, width = job.data.size or job.net.a_size()
    most = max(1, job.memory // (COPIES * 4 * job.data.channels * height * width))
    for place in range(0, len(wanted), most):
        rows = wanted[place : place + most]
        labels, clean, already = job.table.labels[rows], job.table.predicted[rows], _already(job, rows)
        yield _Batch(rows, job.data.images(rows), labels, clean, job.table.logits[rows], job.table.ids[rows], already)


def _already(job: _Job, rows: Tensor) -> Tensor:
    """Whether images are what the attacker wants without any change, (n,) bool."""
    clean = job.table.predicted[rows]
    return clean != job.table.labels[rows] if job.target is None else clean == job.target


def _attacked(job: _Job, batch: _Batch, *, probes: int) -> _Shard:
    at, radii = batch.going, (*job.radii, job.radius)
    if len(at) == 0:
        nothing = _listed(
            job, batch, predicted=batch.clean, success=batch.already, away=torch.zeros(len(batch.rows)),
            smallest=torch.zeros(len(batch.rows)), survives=batch.already, steps={}, names={},
        )  # fmt: skip
        return _Shard(nothing, {radius: batch.already.clone() for radius in radii})
    images, threat = batch.images[at], job.threat(batch, at, job.radius)
    running = job.running(batch.ids[at], job.radius)
    found = job.attack(images, threat, running)
    if found.output is None:
        raise TypeError(f"{job.method} gave no outputs of the net")
    success, away = batch.already.clone(), torch.zeros(len(batch.rows), dtype=torch.float64)
    survives, predicted = torch.zeros_like(success), batch.clean.clone()
    smallest = torch.where(batch.already, 0.0, torch.full((len(batch.rows),), math.inf, dtype=torch.float64))
    smallest[at] = torch.where(found.success, found.distances[norm_name(job.norm)], math.inf)
    if job.page.nearest:
        found = within_radius(found, images, threat, job.radius)
    assert found.output is not None  # looked at above
    success[at], predicted[at], away[at] = found.success, found.output.argmax(1), found.distances[norm_name(job.norm)]
    survives[at] = found.success & _after_rounding(job, found.images, threat)
    steps = dict(zip(at.tolist(), found.step.tolist(), strict=True))
    names = dict(zip(at.tolist(), found.broken_by, strict=False))
    listed = _listed(
        job, batch, predicted=predicted, success=success, away=away, smallest=smallest, survives=survives,
        steps=steps, names=names,
    )  # fmt: skip
    listed = _with_jpeg(job, listed, at, found, threat)
    if job.found is not None:
        job.found(batch.rows[at], found.images)
    within = replace(threat, radius=job.radius)
    probed = probe(job.prepared, images, within, found, running, method=job.method, most=probes) if probes > 0 else ()
    left = left_of(images, within, found, running) if ranks().count > 1 else None
    shown = [
        Shown(
            listed[place].row,
            listed[place].label,
            bool(found.success[k]),
            images[k],
            found.images[k],
            float(away[place]),
        )
        for k, place in enumerate(at.tolist())
    ]
    broken = _curve(job, batch, success, smallest)
    return _Shard(listed, broken, len(at), int(found.flat.sum()), probed, chosen(shown), left)


def _listed(
    job: _Job,
    batch: _Batch,
    *,
    predicted: Tensor,
    success: Tensor,
    away: Tensor,
    smallest: Tensor,
    survives: Tensor,
    steps: Mapping[int, int],
    names: Mapping[int, str],
) -> tuple[Attacked, ...]:
    return tuple(
        Attacked(
            row=int(job.table.rows[row]),
            name=job.data.name_of(row),
            label=int(batch.labels[k]),
            clean=int(batch.clean[k]),
            predicted=int(predicted[k]),
            success=bool(success[k]),
            survives_8bit=bool(survives[k]) if bool(success[k] & ~batch.already[k]) else None,
            distance=float(away[k]),
            step=steps.get(k, 0) if bool(success[k]) else None,
            broken_by=names.get(k, "") if bool(success[k]) else "",
            smallest=float(smallest[k]) if bool(smallest[k].isfinite()) else None,
        )
        for k, row in enumerate(batch.rows.tolist())
    )


def _with_jpeg(
    job: _Job, listed: tuple[Attacked, ...], at: Tensor, found: Found, threat: Threat
) -> tuple[Attacked, ...]:
    """The images listed, those that fool with word of whether they still do as JPEG files."""
    fooled = found.success.nonzero().squeeze(1)
    held = after_jpeg(job.net, found.images[fooled], threat.of(fooled), job.memory)
    by_place = dict(zip(at[fooled].tolist(), held, strict=True))
    return tuple(replace(one, survives_jpeg=by_place.get(k)) for k, one in enumerate(listed))


def _curve(job: _Job, batch: _Batch, success: Tensor, smallest: Tensor) -> dict[float, Tensor]:
    """At which radii each image is known to be broken; only images whose verdict does not follow are attacked."""
    known = smallest.clone()  # change that is known to break an image
    broken = {job.radius: success}
    for radius in job.radii:
        at = known <= radius
        open_ = ~at & success if radius < job.radius else ~at
        places = open_.nonzero().squeeze(1)[: 0 if job.page.nearest else None]
        if len(places):
            threat, running = job.threat(batch, places, radius), job.running(batch.ids[places], radius)
            found = job.attack(batch.images[places], threat, running)
            distance = torch.where(found.success, found.distances[norm_name(job.norm)], math.inf)
            known[places] = torch.minimum(known[places], distance)
            at[places] = found.success
        broken[radius] = at
    return broken


def _after_rounding(job: _Job, images: Tensor, threat: Threat) -> Tensor:
    """Whether the goal is reached on the images as an 8-bit file would hold them."""
    predicted = predicted_by(job.net, from_bytes(to_bytes(images)).to(images), job.memory)
    return predicted != threat.labels if threat.target is None else predicted == threat.target


def _control(job: _Job, rows: Tensor) -> None:
    """Passes some images unchanged; unless they are seen as the table says, something does not belong."""
    highest = job.table.logits[rows].topk(2, dim=1).values
    clear = highest[:, 0] - highest[:, 1] > 1e-4 * highest.abs().amax(1)
    wrong = clear & (predicted_by(job.net, job.data.images(rows), job.memory) != job.table.predicted[rows])
    if bool(wrong.any()):
        row = int(rows[wrong][0])
        raise StriateError(
            f"{job.data.name_of(row)} unchanged is not seen as the table of predictions says",
            accepted="a table made by predict(net, data) of this net and these data",
        )
