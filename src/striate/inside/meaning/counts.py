"""Counting where units and concepts meet: sums of pixels image by image, and with the masks of other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.core.rng import Rng

from .concepts import Marked

POINTS = 4096  # pixels of an image, at most, that the masks of other images are met at


@dataclass(frozen=True, eq=False)
class Shelf:
    """The masks of all images on a grid of at most `POINTS` pixels, to be met by units of other images.

    Attributes:
        masks: (all masks, points) bool, image after image; the last of each image are the pixels that count.
        concepts: (all masks,) int64: the number of the concept, or how many there are for the pixels that count.
        starts: (N + 1,) where the masks of each image begin.
        step: Pixels from one point of the grid to the next.
        partners: (S, N): whose masks each image meets in each shuffle, never its own.
    """

    masks: Tensor
    concepts: Tensor
    starts: Tensor
    step: int
    partners: Tensor

    @classmethod
    def of(cls, marked: Sequence[Marked], size: tuple[int, int], *, concepts: int, shuffles: int, seed: int) -> Shelf:
        """The shelf of these images; the partners follow from the seed."""
        step = 1
        while -(-size[0] // step) * -(-size[1] // step) > POINTS:
            step += 1
        rows = [with_counted(one, concepts) for one in marked]
        partners = torch.empty(shuffles, len(rows), dtype=torch.int64)
        for shuffle in range(shuffles):
            order = Rng(seed, "meaning/shuffle").permutation(len(rows), step=shuffle)
            partners[shuffle, order] = order.roll(-1)
        return cls(
            torch.cat([on_grid(masks, step).flatten(1) for _, masks in rows]),
            torch.cat([numbers for numbers, _ in rows]),
            torch.tensor([0, *(len(numbers) for numbers, _ in rows)]).cumsum(0),
            step,
            partners,
        )

    def met_by(self, image: int) -> tuple[Tensor, Tensor, Tensor]:
        """What image ``image`` meets: masks (m, points), the shuffle of each (m,), and its concept (m,)."""
        chosen = self.partners[:, image]
        spans = [torch.arange(int(self.starts[one]), int(self.starts[one + 1])) for one in chosen]
        shuffle = torch.repeat_interleave(torch.arange(len(chosen)), torch.tensor([len(span) for span in spans]))
        rows = torch.cat(spans)
        return self.masks[rows], shuffle, self.concepts[rows]


def with_counted(one: Marked, concepts: int) -> tuple[Tensor, Tensor]:
    """Numbers and masks of an image's concepts, cut to the pixels that count, which follow as number ``concepts``."""
    counted = torch.ones_like(one.masks[:1]) if one.counted is None else one.counted[None]
    if not len(counted):  # an image that shows none of the concepts
        counted = torch.ones(1, *one.masks.shape[1:], dtype=torch.bool)
    return torch.cat([one.concepts, torch.tensor([concepts])]), torch.cat([one.masks & counted, counted])


def on_grid(maps: Tensor, step: int) -> Tensor:
    """Every ``step``-th pixel of (..., H, W), from the middle of the first step."""
    return maps[..., step // 2 :: step, step // 2 :: step]


@dataclass(eq=False)
class Meetings:
    """Pixels counted for the units of one site, image by image.

    Attributes:
        units: How many units.
        concepts: How many concepts, K; number K stands for the pixels that count.
        met: For each image (units, k): pixels where the unit is on and the concept is.
        numbers: For each image (k,): which concepts these are.
        sizes: (N, K + 1): pixels of each concept in each image.
        shuffled: (units, S, K + 1): pixels met with the masks of other images, on the grid.
        shuffled_sizes: (K + 1,): pixels of each concept in all images, on the grid.
    """

    units: int
    concepts: int
    shuffles: int
    met: list[Tensor] = field(default_factory=list)
    numbers: list[Tensor] = field(default_factory=list)
    sizes: list[Tensor] = field(default_factory=list)
    shuffled: Tensor = field(init=False)
    shuffled_sizes: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.shuffled = torch.zeros(self.units, self.shuffles * (self.concepts + 1))
        self.shuffled_sizes = torch.zeros(self.concepts + 1)

    def add(self, on: Tensor, one: Marked, shelf: Shelf, *, units: slice) -> None:
        """Image after image, ``on`` (units, H, W) bool; the units of one image may come in several slices."""
        numbers, masks = with_counted(one, self.concepts)
        if units.start == 0:
            self.met.append(torch.zeros(self.units, len(numbers)))
            self.numbers.append(numbers)
            whole = torch.zeros(self.concepts + 1)
            self.sizes.append(whole.index_add(0, numbers, masks.flatten(1).sum(1).float()))
            held = on_grid(masks, shelf.step).flatten(1).sum(1).float()
            self.shuffled_sizes.index_add_(0, numbers, held)
        image = len(self.met) - 1
        self.met[image][units] = on.flatten(1).float() @ masks.flatten(1).float().T
        others, shuffle, concept = shelf.met_by(image)
        meeting = on_grid(on, shelf.step).flatten(1).float() @ others.float().T
        self.shuffled[units].index_add_(1, shuffle * (self.concepts + 1) + concept, meeting)

    def totals(self) -> Tensor:
        """(units, K + 1) float64: pixels met, over all images."""
        out = torch.zeros(self.units, self.concepts + 1, dtype=torch.float64)
        for met, numbers in zip(self.met, self.numbers, strict=True):
            out.index_add_(1, numbers, met.double())
        return out

    def by_image(self, concepts: Tensor) -> tuple[Tensor, Tensor]:
        """(N, units) twice, float64: pixels that each unit meets its concept of ``concepts`` in, and the union."""
        met = torch.zeros(len(self.met), self.units, dtype=torch.float64)
        union = torch.zeros_like(met)
        for image, (found, numbers) in enumerate(zip(self.met, self.numbers, strict=True)):
            full = torch.zeros(self.units, self.concepts + 1, dtype=torch.float64).index_add_(
                1, numbers, found.double()
            )
            met[image] = full.gather(1, concepts[:, None])[:, 0]
            union[image] = full[:, -1] + self.sizes[image].double()[concepts] - met[image]
        return met, union

    def ious(self) -> Tensor:
        """(units, K) float64: intersection over union over all images; 0 for a concept that is nowhere."""
        totals, sizes = self.totals(), torch.stack(self.sizes).double().sum(0)
        return _ratio(totals, sizes)

    def shuffled_ious(self) -> Tensor:
        """(units, S, K) float64: the same with the masks of other images."""
        met = self.shuffled.double().view(self.units, self.shuffles, self.concepts + 1)
        return _ratio(met, self.shuffled_sizes.double())


def _ratio(met: Tensor, sizes: Tensor) -> Tensor:
    inter = met[..., :-1]
    union = met[..., -1:] + sizes[:-1] - inter
    return inter / union.clamp_min(1)
