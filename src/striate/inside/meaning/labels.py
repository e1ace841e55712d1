"""Labels of units: the concept whose masks each unit's activation meets best, where that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Dataset
from striate.inside.attribution.chunks import chunk_size, fast_layout
from striate.inside.attribution.layers import spatial_layer
from striate.metrics.image_intervals import drawn_figures, interval_over_images, over
from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.undisturbed import undisturbed

from .concepts import Concepts, concepts_of
from .counts import Meetings, Shelf
from .enlarge import Enlarged
from .payload import UnitLabel
from .threshold import TopShare

SHARE = 0.005  # of all places is a unit on (Bau et al. 2017, section 2.2)
SHUFFLES = 100
LEVEL = 0.99


def label_units(
    net: Net,
    data: Dataset,
    sites: str | Sequence[str],
    *,
    concepts: Concepts | None = None,
    units: Sequence[int] | None = None,
    share: float = SHARE,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[UnitLabel, ...]:
    """The concept that each unit of these sites follows, site after site, unit after unit.

    A unit is on where its activation, enlarged bilinearly to the pixels, is above the value that the share of all its
    places is above. Intersection over union with each concept is over all images: sums of intersections over sums of
    unions. The interval is the bootstrap's over images. Chance is what masks of other images give: in each of the
    shuffles every image gets those of another; a concept counts where its intersection over union is above their
    99th percentile, corrected for the choice among all concepts (the largest of the concepts' deviations in a shuffle
    decides, each in units of its own spread). The label is the best of the concepts that count.

    One forward pass an image, or two where the activations do not fit half of ``memory``.

    Args:
        net: The net.
        data: One split, images as the net takes them (session's alignment, or ``resized``).
        sites: Layers with maps, by name or module path.
        concepts: What to look for; by default all that the data mark.
        units: Channels, the same for all sites; by default all.
        share: Share of places at which a unit is on.
        shuffles: How often masks are shuffled.
        seed: Of shuffles and bootstrap.
        memory: Budget in bytes beside the net and the masks.
        progress: How progress is shown.

    Raises:
        StriateError: The data have no masks, or only one image; a site has no maps, a unit is not there.
        UnknownNameError: No such site.

    Source: Zhou et al. 2015, "Object detectors emerge in deep scene CNNs"; Bau et al. 2017, "Network dissection",
    section 2 (there a unit counts from 0.04 on, here where it is more than chance).
    """
    found = concepts_of(data) if concepts is None else concepts
    if len(data) < 2 or shuffles < 20:
        raise StriateError(f"{len(data)} images and {shuffles} shuffles", accepted="at least 2 images and 20 shuffles")
    data.ready()
    size = data.size or net.a_size()
    chosen = [spatial_layer(net, size, name) for name in ([sites] if isinstance(sites, str) else sites)]
    places = [_Units.of(site, units) for site in dict.fromkeys(chosen)]
    source = _Activations(net, data, places, memory)
    with undisturbed(net), torch.no_grad(), progress.task("units", 2 * len(data)) as step:
        tops = [TopShare(units=len(each.rows), places=len(data) * each.spots, share=share) for each in places]
        for maps in source.passed(keep=True):
            for top, values in zip(tops, maps, strict=True):
                top.add(values.transpose(0, 1).flatten(1))
            step(len(maps[0]))
        thresholds = [top.thresholds() for top in tops]
        marked = list(found.marked(range(len(data))))
        shelf = Shelf.of(marked, size, concepts=len(found.names), shuffles=shuffles, seed=seed)
        meetings = [Meetings(len(each.rows), len(found.names), shuffles) for each in places]
        large = [Enlarged(each.site, size) for each in places]
        most, image = max(1, memory // (16 * size[0] * size[1])), 0
        for maps in source.passed():
            for row in range(len(maps[0])):
                for meeting, values, enlarge, bar in zip(meetings, maps, large, thresholds, strict=True):
                    for first in range(0, meeting.units, most):
                        part = slice(first, min(first + most, meeting.units))
                        on = enlarge(values[row, part]) > bar[part, None, None]
                        meeting.add(on, marked[image], shelf, units=part)
                image += 1
            step(len(maps[0]))
    return tuple(
        label
        for each, meeting, bar in zip(places, meetings, thresholds, strict=True)
        for label in _labels(each, meeting, bar, found, seed=seed)
    )


@dataclass(frozen=True)
class _Units:
    site: Site
    rows: tuple[int, ...]

    @classmethod
    def of(cls, site: Site, units: Sequence[int] | None) -> _Units:
        there = site.shape[0]
        rows = tuple(range(there)) if units is None else tuple(units)
        wrong = [unit for unit in rows if not 0 <= unit < there]
        if wrong or not rows:
            given = f"unit {wrong[0]}" if wrong else "no unit"
            raise StriateError(f"{given} of {site.name}", accepted=f"0 to {there - 1}")
        return cls(site, rows)

    @property
    def spots(self) -> int:
        return self.site.shape[1] * self.site.shape[2]


class _Activations:
    """Maps of all sites, chunk by chunk, kept after the first pass where they fit."""

    def __init__(self, net: Net, data: Dataset, places: Sequence[_Units], memory: int) -> None:
        self.net, self.data, self.places, self.memory = net, data, places, memory
        need = 4 * len(data) * sum(len(each.rows) * each.spots for each in places)
        self.fits = need <= memory // 2
        self.kept: list[list[Tensor]] = []

    def passed(self, *, keep: bool = False) -> Iterator[list[Tensor]]:
        """For each chunk of images the maps (n, units, h, w) of each site, on the CPU."""
        if self.kept:
            yield from self.kept
            return
        like = next(self.net.parameters(), torch.zeros(()))
        count = chunk_size(self.net, self.data.images([0]), memory=self.memory)
        with self.net.look(read=[each.site.name for each in self.places]) as look:
            for rows in torch.split(torch.arange(len(self.data)), count):
                seen = look(fast_layout(self.data.images(rows).to(like.device)), rows.to(like.device))
                maps = [seen[each.site.name][:, list(each.rows)].float().cpu().contiguous() for each in self.places]
                if keep and self.fits:
                    self.kept.append(maps)
                yield maps


def _labels(each: _Units, meeting: Meetings, bars: Tensor, concepts: Concepts, *, seed: int) -> Iterator[UnitLabel]:
    ious, chance = meeting.ious(), chance_of(meeting.shuffled_ious())
    above = ious > chance
    best = torch.where(above, ious, ious - 2).argmax(1)  # those above chance first
    met, union = meeting.by_image(best)
    drawn = drawn_figures(torch.stack([met, union], 2), lambda sums: over(sums[..., 0], sums[..., 1]), seed=seed)
    on = meeting.totals()[:, -1]
    for row, unit in enumerate(each.rows):
        place = int(best[row])
        if not on[row]:
            never = Number.missing("the unit is never above its threshold")
            yield UnitLabel(each.site.name, unit, "", "", never, float(bars[row]), 0.0)
            continue
        ranked = sorted(
            (place for place in range(len(concepts.names)) if above[row, place]), key=lambda at: -ious[row, at]
        )
        yield UnitLabel(
            site=each.site.name,
            unit=unit,
            concept=concepts.names[place] if ranked else "",
            kind=concepts.kinds[place] if ranked else "",
            iou=interval_over_images(float(ious[row, place]), drawn[:, row], len(met)),
            threshold=float(bars[row]),
            chance=float(chance[row, place]),
            nearest=concepts.names[place],
            above=tuple((concepts.names[at], float(ious[row, at])) for at in ranked),
        )


def chance_of(shuffled: Tensor, *, level: float = LEVEL) -> Tensor:
    """What chance gives, (units, K), of the shuffles' figures (units, S, K): see `label_units`.

    In each shuffle the largest deviation among the concepts, each in units of its own spread, is taken; the quantile of
    these, ``level``, says how far above its mean a concept must be.

    Source: Westfall & Young 1993, "Resampling-based multiple testing", the single-step maximum.
    """
    mean, spread = shuffled.mean(1), shuffled.std(1)
    deviations = (shuffled - mean[:, None]) / spread[:, None].clamp_min(1e-12)
    far = torch.quantile(deviations.amax(2), level, dim=1, interpolation="higher")
    return mean + far[:, None].clamp_min(0) * spread
