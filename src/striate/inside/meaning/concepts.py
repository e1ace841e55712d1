"""Concepts: what the data say of each pixel, as masks with a name and a kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.data.annotations import VOID, Annotations
from striate.data.dataset import TASKS, Dataset
from striate.data.outlines import CLASSES
from striate.data.shapes import COLOURS, GROUNDS, TEXTURES, ShapesStore

KINDS = ("colour", "texture", "part", "object", "scene")  # from what a pixel shows to what the whole image is
_DRAWN = 128  # pictures of `shapes` that are drawn at once
_RIM = 3  # side of the window that the rim of an object is cut out with, pixels


@dataclass(frozen=True, eq=False)
class Marked:
    """The concepts of one image.

    Attributes:
        concepts: (k,) int64, the numbers of the concepts that it shows, each once.
        masks: (k, H, W) bool, where.
        counted: (H, W) bool, the pixels that count: those of which it is known what they show; None for all.
    """

    concepts: Tensor
    masks: Tensor
    counted: Tensor | None = None


class Concepts(Protocol):
    """What can be asked of the pixels of a data set."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the concepts."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each, one of `KINDS`."""
        ...

    def marked(self, rows: Sequence[int]) -> Iterator[Marked]:
        """The concepts of each of these images, in the pixels that the net takes."""
        ...


def concepts_of(data: Dataset, *, image_level: str = "") -> Concepts:
    """The concepts that the data mark, pixel by pixel.

    Regions (a class for every pixel) and masks of objects give concepts of kind ``object``; pixels without class count
    for nothing. Pictures of `shapes` give the outline as ``object``, its ``colour`` and ``texture``, its rim as a
    ``part``, and the kind of ground as ``scene``. With ``image_level``, one of `KINDS`, the class of each image stands
    for all of its pixels.

    Raises:
        StriateError: The data say nothing of pixels, or ``image_level`` is no kind.
    """
    if image_level:
        if image_level not in KINDS:
            raise StriateError(f"image_level is {image_level!r}", accepted=", ".join(KINDS))
        data.classified()
        return _Whole(data, image_level)
    if isinstance(data.store, ShapesStore):
        return _Shapes(data, data.store)
    if data.task == "regions":
        return _Regions(data)
    if len(data) and _masks_of(data.annotations(0)) is not None:
        return _Objects(data)
    raise StriateError(
        f"{data.name} has {TASKS[data.task]}, and no masks: it does not say what its pixels show",
        accepted="data with a class for every pixel (image and mask pairs, VOC, CamVid), masks of objects, or shapes",
        hint='concepts_of(data, image_level="texture") takes the class of an image for all of its pixels',
    )


@dataclass(frozen=True, eq=False)
class _Classes:
    """The classes of data as concepts, all of them objects."""

    data: Dataset

    @property
    def names(self) -> tuple[str, ...]:
        return self.data.classes

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("object",) * len(self.data.classes)


class _Regions(_Classes):
    """A class for every pixel."""

    def marked(self, rows: Sequence[int]) -> Iterator[Marked]:
        for row in rows:
            regions = self.data.annotations(row).regions
            if regions is None:
                raise StriateError(f"{self.data.name_of(row)} has no mask", accepted="a mask for every image")
            present = torch.unique(regions).long()
            present = present[present != VOID]
            yield Marked(present, regions[None] == present.view(-1, 1, 1), regions != VOID)


class _Objects(_Classes):
    """Masks of objects; those of one class are joined."""

    def marked(self, rows: Sequence[int]) -> Iterator[Marked]:
        for row in rows:
            known = self.data.annotations(row)
            found = _masks_of(known)
            if found is None:
                raise StriateError(f"{self.data.name_of(row)} has no mask", accepted="masks for every image")
            masks, classes = found
            present = torch.unique(classes)
            joined = [masks[classes == one].any(0) for one in present]
            yield Marked(present, torch.stack(joined) if joined else masks.new_zeros((0, *masks.shape[1:])))


def _masks_of(known: Annotations) -> tuple[Tensor, Tensor] | None:
    if known.masks is None or known.box_classes is None:
        return None
    return known.masks.bool(), known.box_classes.long()


@dataclass(frozen=True, eq=False)
class _Whole:
    """The class of an image, for all of its pixels."""

    data: Dataset
    kind: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.data.classes

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind,) * len(self.data.classes)

    def marked(self, rows: Sequence[int]) -> Iterator[Marked]:
        self.data.ready()
        height, width = self.data.size or (0, 0)
        for row in rows:
            yield Marked(self.data.labels[[row]].long(), torch.ones(1, height, width, dtype=torch.bool))


@dataclass(frozen=True, eq=False)
class _Shapes:
    """What was drawn in each picture of `shapes`."""

    data: Dataset
    store: ShapesStore

    @property
    def names(self) -> tuple[str, ...]:
        return (*COLOURS, *TEXTURES, "rim", *CLASSES, *(f"{one} ground" for one in GROUNDS))

    @property
    def kinds(self) -> tuple[str, ...]:
        parts = (len(COLOURS), len(TEXTURES), 1, len(CLASSES), len(GROUNDS))
        return tuple(kind for kind, many in zip(KINDS, parts, strict=True) for _ in range(many))

    def marked(self, rows: Sequence[int]) -> Iterator[Marked]:
        for chunk in torch.split(torch.tensor(list(rows), dtype=torch.int64), _DRAWN):
            places = self.data.places[chunk]
            _, covers, what = self.store.drawn(places)
            seen = covers > 0.5
            first = (0, len(COLOURS), len(COLOURS) + len(TEXTURES))
            for one in range(len(chunk)):
                joined: dict[int, Tensor] = {}
                for number, mask in enumerate(seen[one]):
                    drawn = (what.colour, what.texture, None, what.shape)
                    starts = (*first, first[2] + 1)
                    for kind, start in zip(drawn, starts, strict=True):
                        place = start + (0 if kind is None else int(kind[one, number]))
                        shown = _rim(mask) if kind is None else mask
                        joined[place] = joined[place] | shown if place in joined else shown
                ground = first[2] + 1 + len(CLASSES) + int(what.ground[one])
                joined[ground] = (covers[one] < 0.5).all(0)
                yield self._moved(joined, int(places[one]))

    def _moved(self, joined: dict[int, Tensor], place: int) -> Marked:
        masks = torch.stack(list(joined.values()))
        if self.data.geometry is not None:
            moved = Annotations(masks=masks).moved(self.data.geometry, self.store.size_of(place)).masks
            masks = masks if moved is None else moved
        return Marked(torch.tensor(list(joined)), masks)


def _rim(mask: Tensor) -> Tensor:
    """The pixels of an object that have a neighbour outside of it."""
    outside = (~mask).float()[None, None]
    near = torch.nn.functional.max_pool2d(outside, _RIM, stride=1, padding=_RIM // 2)[0, 0] > 0
    return mask & near
