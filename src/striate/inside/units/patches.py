"""Top patches: what part of which image excites each unit most, for all units of some layers in one pass.

>>> from striate.data.load import load_data
>>> from striate.nets.load import load_net
>>> found = top_patches(load_net("striate/lenet5.random"), load_data("digits").limit(20).resized(Geometry((32, 32))))
>>> found[0].top.rows.shape == (found[0].layer.units, 9)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.image import Geometry as Geometry
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.nets.net import Net

from .alike import MOST_UNITS, Moments
from .layers import UnitLayer, unit_layers
from .running import Best

TOP, CONTROLS = 9, 4
OVERLAP = 0.3  # IoU that two boxes of one unit in one image may have at most
CPU_BYTES = 128 << 20  # of activations at once: more leaves the caches
CPU_VALUES = 8 * 3 * 224 * 224  # pixels of a chunk on a CPU, for the same reason
PAIR_BYTES = 64 << 20  # of maps that are searched again at once


@dataclass
class Watched:
    """What one pass over the data showed of a layer's units.

    Attributes:
        layer: The layer.
        top: The places that excite each unit most; no two boxes in one image overlap by more than .3.
        least: Images whose best place excites the unit least, with that place (the middle where all are alike).
        random: Places drawn at random, one in each of some images: what a patch looks like for no reason.
        highest, lowest: The largest and the smallest of the images' maxima, (units,).
        moments: What correlations follow from, or None where the layer has too many units.
    """

    layer: UnitLayer
    top: Best
    least: Best
    random: Best
    highest: Tensor
    lowest: Tensor
    moments: Moments | None

    def dead(self) -> list[int]:
        """Units that never fire: never above 0 behind a rectifier, elsewhere the same at all places looked at."""
        if self.layer.rectified:
            silent = self.highest <= 0
        else:
            silent = self.highest == self.lowest
            if self.moments is not None:
                silent &= self.moments.variances() == 0
        return [int(unit) for unit in silent.nonzero().flatten()]


def top_patches(
    net: Net,
    data: Dataset,
    layers: Sequence[str] = (),
    *,
    top: int = TOP,
    controls: int = CONTROLS,
    seed: int = 0,
    memory: int = 1 << 30,
    workers: int = 0,
    batch: int | None = None,
    progress: Progress = SILENT,
) -> list[Watched]:
    """The patches that excite each unit most, and controls; one forward pass an image, up to the deepest layer.

    A patch is what a place can see: the theoretical field, clipped at the border. In an image the strongest place comes
    first, then the strongest of those whose boxes overlap none taken before by more than .3 (IoU); of all images' places
    the ``top`` strongest are kept. Ties go to the lower image id, then to the earlier place. What is kept depends on the
    units and on ``top``, not on the number of images.

    Args:
        net: The net.
        data: One split; labels are not looked at.
        layers: Sites or module paths; by default up to five, spread over the depth.
        top: Patches a unit.
        controls: Least-activating and random patches a unit.
        seed: Seed of the random ones; each unit draws for itself.
        memory: Bytes beside the net.
        workers: Processes that decode.
        batch: Images a pass; by default as many as are fastest.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such layer.
        StriateError: A layer without units, data that do not fit the net, an activation that is not finite.

    Source: Zeiler & Fergus 2014, section 4 (the top 9 activations of a unit, cropped); Girshick et al. 2014, section
    3.1 (non-maximum suppression). There one place an image or a box of fixed size; here all places, exactly.
    """
    if not len(data):
        raise StriateError(f"{data.name}, split {data.split}, has no images", hint="another split")
    data.ready()
    assert data.size is not None
    _check_channels(net, data)
    found = unit_layers(net, data.size, layers)
    like = next((each for each in net.parameters() if each.is_floating_point()), torch.zeros(1))
    rng = Rng(seed, "random patches")
    state = [_Layer(layer, top, controls, like, rng.child(layer.name)) for layer in found]
    names = [layer.name for layer in found]
    layout = torch.channels_last if any(isinstance(each, nn.Conv2d) for each in net.modules()) else None
    count = batch or _images_a_pass(net, data, names, memory)
    with net.look(read=names) as see, progress.task("units", len(data)) as step, torch.no_grad():
        for rows, images, _ in batches(data, count, workers=workers):
            placed = images.to(like.device, like.dtype)
            seen = see(placed if layout is None else placed.contiguous(memory_format=layout))
            ids, at = data.ids[rows].to(like.device), rows.to(like.device)
            for each in state:
                each.add(seen[each.layer.name].detach(), ids, at, data)
            step(len(rows))
    return [each.watched() for each in state]


class _Layer:
    """The running state of one layer."""

    def __init__(self, layer: UnitLayer, top: int, controls: int, like: Tensor, rng: Rng) -> None:
        self.layer, self.rng = layer, rng
        kind = {"dtype": like.dtype, "device": like.device}
        self.top = Best.empty(layer.units, top, **kind)
        self.least = Best.empty(layer.units, controls, **kind)
        self.random = Best.empty(layer.units, controls, **kind)
        self.highest = torch.full((layer.units,), -torch.inf, **kind)
        self.lowest = torch.full((layer.units,), torch.inf, **kind)
        self.moments = Moments(layer) if layer.units <= MOST_UNITS else None
        self.suppression = Suppression(layer, like.device)

    def add(self, value: Tensor, ids: Tensor, rows: Tensor, data: Dataset) -> None:
        """Takes in a chunk's activations."""
        values = self.layer.arranged(value)
        most = values.amax(1)
        if not bool(most.isfinite().all()):
            bad = int((~most.isfinite()).any(1).nonzero()[0])
            raise StriateError(f"{self.layer.name} is not finite for image {data.name_of(int(rows[bad]))}")
        self.highest = torch.maximum(self.highest, most.amax(0))
        self.lowest = torch.minimum(self.lowest, most.amin(0))
        if self.moments is not None:
            self.moments.add(values)
        self._tops(values, most, ids, rows)
        self._least(values, most, ids, rows)
        self._random(values, ids, rows)

    def watched(self) -> Watched:
        """What was found, on the CPU."""
        for best in (self.top, self.least, self.random):
            for name in ("score", "value", "ids", "rows", "places"):
                setattr(best, name, getattr(best, name).cpu())
        return Watched(
            self.layer, self.top, self.least, self.random, self.highest.cpu(), self.lowest.cpu(), self.moments
        )

    def _tops(self, values: Tensor, most: Tensor, ids: Tensor, rows: Tensor) -> None:
        fires = torch.where(most > 0, most, -torch.inf) if self.layer.rectified else most
        image, unit = self.top.beats(fires, ids).nonzero(as_tuple=True)
        room = max(1, PAIR_BYTES // (self.layer.places * values.element_size()))
        for part in torch.split(torch.arange(len(image), device=image.device), room):
            self._search(values, image[part], unit[part], ids, rows)

    def _search(self, values: Tensor, image: Tensor, unit: Tensor, ids: Tensor, rows: Tensor) -> None:
        """Peak after peak of these maps, until none of them can enter; exact, as every peak is lower than the last."""
        maps = values.transpose(1, 2)[image, unit]
        floor = 0.0 if self.layer.rectified else -torch.inf
        for turn in range(self.top.score.shape[1]):
            score, place = maps.max(1)
            enters = self._enters(score, unit, ids[image]) & (score > floor)
            new = enters.nonzero().flatten()
            self.top.merge(
                image[new], unit[new], score=score[new], value=score[new], place=place[new], ids=ids, rows=rows
            )
            again = (enters & (score >= self.top.score[unit, -1])).nonzero().flatten()
            if not len(again) or turn + 1 == self.top.score.shape[1] or self.layer.places == 1:
                return
            image, unit, maps, place = image[again], unit[again], maps[again], place[again]
            self.suppression(maps, place)

    def _enters(self, score: Tensor, unit: Tensor, ids: Tensor) -> Tensor:
        worst, latest = self.top.score[unit, -1], self.top.ids[unit, -1]
        return ((score > worst) | ((score == worst) & (ids < latest))) & (score > -torch.inf)

    def _least(self, values: Tensor, most: Tensor, ids: Tensor, rows: Tensor) -> None:
        image, unit = self.least.beats(-most, ids).nonzero(as_tuple=True)
        if not len(image):
            return
        places = torch.empty_like(image)
        room = max(1, PAIR_BYTES // (self.layer.places * values.element_size()))
        turned = values.transpose(1, 2)
        for part in torch.split(torch.arange(len(image), device=image.device), room):
            maps = turned[image[part], unit[part]]
            flat = maps.amin(1) == most[image[part], unit[part]]
            places[part] = torch.where(flat, self.layer.middle(), maps.argmax(1))
        value = most[image, unit]
        self.least.merge(image, unit, score=-value, value=value, place=places, ids=ids, rows=rows)

    def _random(self, values: Tensor, ids: Tensor, rows: Tensor) -> None:
        keys = self.rng.uniform(ids, (self.layer.units,)).to(values.dtype)
        image, unit = self.random.beats(keys, ids).nonzero(as_tuple=True)
        if not len(image):
            return
        drawn = self.rng.child("place").uniform(ids, (self.layer.units,))[image, unit]
        place = (drawn.double() * self.layer.places).long()
        self.random.merge(
            image, unit, score=keys[image, unit], value=values[image, place, unit], place=place, ids=ids, rows=rows
        )


class Suppression:
    """Takes a place and those whose boxes overlap its box too far out of maps."""

    def __init__(self, layer: UnitLayer, device: torch.device) -> None:
        self.grid = layer.grid
        self.shared_rows, self.heights, self.reach_rows = _overlaps(layer.tops, layer.bottoms, device)
        self.shared_columns, self.widths, self.reach_columns = _overlaps(layer.lefts, layer.rights, device)

    def __call__(self, maps: Tensor, place: Tensor) -> None:
        """Sets them to -inf in maps (P, places), in place."""
        row, column = (place // self.grid[1])[:, None], (place % self.grid[1])[:, None]
        rows = row + torch.arange(-self.reach_rows, self.reach_rows + 1, device=maps.device)
        columns = column + torch.arange(-self.reach_columns, self.reach_columns + 1, device=maps.device)
        there = ((rows >= 0) & (rows < self.grid[0]))[:, :, None] & ((columns >= 0) & (columns < self.grid[1]))[:, None]
        rows, columns = rows.clamp(0, self.grid[0] - 1), columns.clamp(0, self.grid[1] - 1)
        shared = self.shared_rows[row, rows][:, :, None] * self.shared_columns[column, columns][:, None]
        areas = self.heights[rows][:, :, None] * self.widths[columns][:, None]
        own = (self.heights[row] * self.widths[column])[:, :, None]
        near = there & (shared > OVERLAP * (own + areas - shared))
        index = rows[:, :, None] * self.grid[1] + columns[:, None]
        maps.scatter_(1, torch.where(near, index, place[:, None, None]).flatten(1), -torch.inf)


def _overlaps(first: Tensor, behind: Tensor, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Pixels that each two places share on an axis, each one's extent, how far apart two can be that overlap too far.

    The overlap of two boxes is at most that of their shadows on one axis.
    """
    shared = (torch.minimum(behind[:, None], behind) - torch.maximum(first[:, None], first)).clamp_min(0).double()
    extent = (behind - first).double()
    close = (shared > OVERLAP * (extent[:, None] + extent - shared)).nonzero()
    reach = int((close[:, 0] - close[:, 1]).abs().max())
    return shared.to(device), extent.to(device), reach


def _images_a_pass(net: Net, data: Dataset, names: Sequence[str], memory: int) -> int:
    height, width = data.size or net.a_size()
    like = next(net.parameters(), torch.zeros(1))
    on_cpu = like.device.type == "cpu"
    budget = min(memory, CPU_BYTES) if on_cpu else memory
    sizes = net.trace((height, width)).bytes_of
    kept = sum(sizes[name] for name in names)
    fits = min(net.batch_size((height, width), memory=budget), max(1, budget // max(1, kept)))
    return min(fits, max(1, CPU_VALUES // (net.channels * height * width))) if on_cpu else fits


def _check_channels(net: Net, data: Dataset) -> None:
    if net.channels != data.channels:
        raise StriateError(
            f"{net.name} takes {net.channels} channels and {data.name} has {data.channels}",
            hint=f"data.as_channels({net.channels})",
        )
    if net.size is not None and data.size is not None and net.size != data.size:
        raise StriateError(
            f"{net.name} takes {net.size[0]} x {net.size[1]} and {data.name} has {data.size[0]} x {data.size[1]}",
            hint="data.resized(Geometry(net.size))",
        )
