"""Top patches: what part of which image excites each unit most, for all units of some layers in one pass.

>>> from striate.core.image import Geometry
>>> from striate.data.load import load_data
>>> from striate.nets.load import load_net
>>> found = top_patches(load_net("striate/lenet5.random"), load_data("digits").limit(20).resized(Geometry((32, 32))))
>>> found[0].top.rows.shape == (found[0].layer.units, 9)
True
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.measure.table import check_images_fit
from striate.nets.net import Net

from .alike import MOST_UNITS, Moments
from .layers import UnitLayer, unit_layers
from .running import Best
from .running import Images as _Images

TOP, CONTROLS = 9, 4
OVERLAP = 0.3  # IoU that two boxes of one unit in one image may have at most
CPU_BYTES = 256 << 20  # of activations, and of maps that are searched again
CPU_VALUES = 8 * 3 * 224 * 224  # pixels of a chunk on a CPU: more leaves its caches
TABLE = 1 << 20  # entries of a layer's table of overlapping boxes


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
    first, then the strongest of those whose boxes overlap none taken before by more than .3 (IoU); of the places of all
    images the ``top`` strongest are kept. Ties go to the lower image id, then to the earlier place. What is kept
    depends on the units and on ``top``, not on the number of images.

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
    check_images_fit(net, data)
    found = unit_layers(net, data.size, layers)
    like = next((each for each in net.parameters() if each.is_floating_point()), torch.zeros(1))
    state = _Pass(found, top, controls, like, Rng(seed, "random patches"))
    names = [layer.name for layer in found]
    layout = torch.channels_last if any(isinstance(each, nn.Conv2d) for each in net.modules()) else None
    count = batch or _images_a_pass(net, data, names, memory)
    with net.look(read=names) as see, progress.task("units", len(data)) as step, torch.no_grad():
        for rows, images, _ in batches(data, count, workers=workers):
            placed = images.to(like.device, like.dtype)
            seen = see(placed if layout is None else placed.contiguous(memory_format=layout))
            ids, at = data.ids[rows].to(like.device), rows.to(like.device)
            state.add([seen[name].detach() for name in names], ids, at, data)
            step(len(rows))
    return state.watched()


class _Pass:
    """The running state of all layers; their units stand one behind another, so that each step is done once for all."""

    def __init__(self, layers: Sequence[UnitLayer], top: int, controls: int, like: Tensor, rng: Rng) -> None:
        self.layers, self.rng = layers, rng
        self.ends = torch.tensor([layer.units for layer in layers]).cumsum(0).tolist()
        self.starts = [0, *self.ends[:-1]]
        units = self.ends[-1]
        self.top, self.least, self.random = (Best.empty(units, k, like=like) for k in (top, controls, controls))
        self.highest, self.lowest = like.new_full((units,), -torch.inf), like.new_full((units,), torch.inf)
        floors = [like.new_full((layer.units,), 0.0 if layer.rectified else -torch.inf) for layer in layers]
        self.floor = torch.cat(floors)
        self.moments = [Moments(layer) if layer.units <= MOST_UNITS else None for layer in layers]
        self.suppressions = [Suppression(layer, like.device) for layer in layers]

    def add(self, outputs: Sequence[Tensor], ids: Tensor, rows: Tensor, data: Dataset) -> None:
        """Takes in a chunk's activations, layer by layer."""
        values = [layer.arranged(output) for layer, output in zip(self.layers, outputs, strict=True)]
        most = torch.cat([each.amax(1) for each in values], 1)
        finite = most.isfinite().all(0)
        if not bool(finite.all()):
            unit = int((~finite).nonzero()[0])
            layer = next(each for each, end in zip(self.layers, self.ends, strict=True) if unit < end)
            bad = int((~most[:, unit].isfinite()).nonzero()[0])
            raise StriateError(f"{layer.name} is not finite for image {data.name_of(int(rows[bad]))}")
        self.highest = torch.maximum(self.highest, most.amax(0))
        self.lowest = torch.minimum(self.lowest, most.amin(0))
        for each, moments in zip(values, self.moments, strict=True):
            if moments is not None:
                moments.add(each)
        images = _Images(ids, rows)
        self._random(values, images)
        wanted = self.top.beats(torch.where(most > self.floor, most, -torch.inf), ids)
        faint = self.least.beats(-most, ids)
        turned = [each.transpose(1, 2) for each in values]
        self._tops(turned, wanted, images)
        self._least(turned, faint, most, images)

    def watched(self) -> list[Watched]:
        """What was found, layer by layer, on the CPU."""
        found = []
        for layer, moments, start, end in zip(self.layers, self.moments, self.starts, self.ends, strict=True):
            part = slice(start, end)
            top, least, random = (each.part(part) for each in (self.top, self.least, self.random))
            found.append(Watched(layer, top, least, random, self.highest[part].cpu(), self.lowest[part].cpu(), moments))
        return found

    def _groups(self, mask: Tensor) -> list[tuple[int, Tensor, Tensor]]:
        """Pairs (image, unit) of a mask (n, units), layer by layer, those with any."""
        unit, image = mask.T.nonzero(as_tuple=True)
        cuts = torch.searchsorted(unit, torch.tensor([0, *self.ends], device=unit.device)).tolist()
        spans = enumerate(itertools.pairwise(cuts))
        return [(k, image[low:high], unit[low:high]) for k, (low, high) in spans if high > low]

    def _tops(self, turned: Sequence[Tensor], wanted: Tensor, images: _Images) -> None:
        """Peak after peak of the maps, until none of them can enter; exact, as every peak is lower than the last."""
        groups = [(k, image, unit, turned[k][image, unit - self.starts[k]]) for k, image, unit in self._groups(wanted)]
        for _ in range(self.top.score.shape[1]):
            if not groups:
                return
            peaks = [maps.max(1) for *_, maps in groups]
            image, unit = torch.cat([each[1] for each in groups]), torch.cat([each[2] for each in groups])
            score, place = torch.cat([each.values for each in peaks]), torch.cat([each.indices for each in peaks])
            enters = self._enters(score, unit, images.ids[image])
            new = enters.nonzero().flatten()
            self.top.merge(image[new], unit[new], score=score[new], place=place[new], images=images)
            again = torch.split(enters & (score >= self.top.score[unit, -1]), [len(each[1]) for each in groups])
            left = []
            for (k, own, number, maps), peak, keep in zip(groups, peaks, again, strict=True):
                if self.layers[k].places > 1 and bool(keep.any()):
                    kept = maps[keep]
                    self.suppressions[k](kept, peak.indices[keep])
                    left.append((k, own[keep], number[keep], kept))
            groups = left

    def _enters(self, score: Tensor, unit: Tensor, ids: Tensor) -> Tensor:
        worst, latest = self.top.score[unit, -1], self.top.ids[unit, -1]
        return ((score > worst) | ((score == worst) & (ids < latest))) & (score > self.floor[unit])

    def _least(self, turned: Sequence[Tensor], faint: Tensor, most: Tensor, images: _Images) -> None:
        groups, places = self._groups(faint), []
        for k, image, unit in groups:
            maps = turned[k][image, unit - self.starts[k]]
            flat = maps.amin(1) == most[image, unit]
            places.append(torch.where(flat, self.layers[k].middle(), maps.argmax(1)))
        if groups:
            image, unit = _joined(groups)
            self.least.merge(image, unit, score=-most[image, unit], place=torch.cat(places), images=images)

    def _random(self, values: Sequence[Tensor], images: _Images) -> None:
        units = self.ends[-1]
        draws = self.rng.uniform(images.ids, (2, units)).to(self.random.score.dtype)
        groups = self._groups(self.random.beats(draws[:, 0], images.ids))
        if groups:
            shares = [draws[image, 1, unit] for _, image, unit in groups]
            places = [
                (share.double() * self.layers[k].places).long() for (k, *_), share in zip(groups, shares, strict=True)
            ]
            seen = [
                values[k][image, place, unit - self.starts[k]]
                for (k, image, unit), place in zip(groups, places, strict=True)
            ]
            image, unit = _joined(groups)
            self.random.merge(
                image, unit, score=draws[image, 0, unit], value=torch.cat(seen), place=torch.cat(places), images=images
            )


def _joined(groups: Sequence[tuple[int, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    return torch.cat([image for _, image, _ in groups]), torch.cat([unit for _, _, unit in groups])


class Suppression:
    """Takes a place and those whose boxes overlap its box too far out of maps."""

    def __init__(self, layer: UnitLayer, device: torch.device) -> None:
        self.grid = layer.grid
        self.shared_rows, self.heights, self.reach_rows = _overlaps(layer.tops, layer.bottoms, device)
        self.shared_columns, self.widths, self.reach_columns = _overlaps(layer.lefts, layer.rights, device)
        near = (2 * self.reach_rows + 1) * (2 * self.reach_columns + 1)
        self.table: Tensor | None = None
        if layer.places * near <= TABLE:
            self.table = self._near(torch.arange(layer.places, device=device)).int()

    def __call__(self, maps: Tensor, place: Tensor) -> None:
        """Sets them to -inf in maps (P, places), in place."""
        near = self._near(place) if self.table is None else self.table[place].long()
        maps.scatter_(1, near, -torch.inf)

    def _near(self, place: Tensor) -> Tensor:
        """The places too near to each of these (P,), (P, window); the place itself stands for those that are not."""
        row, column = (place // self.grid[1])[:, None], (place % self.grid[1])[:, None]
        rows = row + torch.arange(-self.reach_rows, self.reach_rows + 1, device=place.device)
        columns = column + torch.arange(-self.reach_columns, self.reach_columns + 1, device=place.device)
        there = ((rows >= 0) & (rows < self.grid[0]))[:, :, None] & ((columns >= 0) & (columns < self.grid[1]))[:, None]
        rows, columns = rows.clamp(0, self.grid[0] - 1), columns.clamp(0, self.grid[1] - 1)
        shared = self.shared_rows[row, rows][:, :, None] * self.shared_columns[column, columns][:, None]
        areas = self.heights[rows][:, :, None] * self.widths[columns][:, None]
        own = (self.heights[row] * self.widths[column])[:, :, None]
        near = there & (shared > OVERLAP * (own + areas - shared))
        return torch.where(near, rows[:, :, None] * self.grid[1] + columns[:, None], place[:, None, None]).flatten(1)


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
    image = 4 * net.channels * height * width
    if (need := 2 * kept + image) > memory:
        raise StriateError(
            f"memory is {memory / 2**20:.3g} MiB, and the activations of one image take {need / 2**20:.3g} MiB",
            accepted=f"at least {math.ceil(need / 2**20)}MiB, or fewer layers",
        )
    fits = min(net.batch_size((height, width), memory=budget), max(1, budget // max(1, 2 * kept)))
    return min(fits, max(1, CPU_VALUES // (net.channels * height * width))) if on_cpu else fits
