"""Marked pictures: objects and class maps as their files hold them, turned into annotations when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.core.errors import StriateError

from ..annotations import Annotations
from ..dataset import BrokenFile, Dataset, Task
from ..rle import Mask, decode, fill, read_runs
from ..source import Request
from ..stores import Store
from ..tree import Tree
from .images import FileStore, open_files
from .places import leave_or_refuse

Box = tuple[float, float, float, float]
Size = tuple[int, int]
Numbers = npt.NDArray[np.uint8]
_ROUNDING = 1e-6  # pixels


class Map(Protocol):
    """A number for every pixel, read when it is wanted."""

    def read(self, size: Size) -> Numbers:
        """The numbers (H, W) uint8; an error with the file's name where it has another size."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The pixels of one object: polygons, or run lengths as a list or COCO's string; as written, decoded when wanted.

    Attributes:
        polygons: Each a flat x, y, x, y, ...
        counts: Run lengths, where there are no polygons.
        size: Height and width that the run lengths are for.
    """

    polygons: tuple[npt.NDArray[np.float64], ...] = ()
    counts: str | npt.NDArray[np.int64] | None = None
    size: Size = (0, 0)

    def mask(self, size: Size, name: str) -> Mask:
        """The mask (H, W); run lengths for another size are refused."""
        if self.counts is None:
            return fill(self.polygons, size, name=name)
        if self.size != size:
            raise StriateError(
                f"the mask of {name} has {self.size[1]}x{self.size[0]} pixels",
                accepted=f"the {size[1]}x{size[0]} of its image",
            )
        return decode(read_runs(self.counts, size, name=name))


@dataclass(frozen=True, slots=True)
class Marked:
    """One object as its file tells of it.

    Attributes:
        kind: Number of its class.
        box: Left, top, right, bottom edge, 0-based; None where the file gives none.
        segment: Its pixels.
        points: x, y, and how well it is seen, of each keypoint in turn.
        extras: What a format says beside, by its name: ``{"voc": {"pose": "Left"}}``; other formats carry it along.
    """

    kind: int
    box: Box | None
    segment: Segment | None = None
    crowd: bool = False
    difficult: bool = False
    points: tuple[float, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as its annotation file tells of it.

    Attributes:
        name: Path of the image in its tree.
        size: Height and width as the annotations have it, (0, 0) where they do not say.
        objects: What is marked; None where objects are not marked at all.
        instances: Map of the objects' pixels: n for the n-th object, 255 for none that counts.
        regions: Map of the class of every pixel.
        shows: Classes that ``regions`` holds, where somebody has looked.
        drawn: Whether ``regions`` follows from the objects and tells nothing more.
    """

    name: str
    size: Size = (0, 0)
    objects: tuple[Marked, ...] | None = None
    instances: Map | None = None
    regions: Map | None = None
    shows: tuple[int, ...] | None = None
    drawn: bool = False
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str | float] = field(default_factory=dict)
    group: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)

    def masks(self) -> npt.NDArray[np.bool_] | None:
        """The pixels of each object, (objects, H, W); None where no object has any."""
        objects = self.objects or ()
        if self.instances is not None:
            found = self.instances.read(self.size)
            highest = int(found[found != 255].max(initial=0))
            if highest > len(objects):
                raise StriateError(
                    f"the object map of {self.name} shows object {highest}",
                    accepted=f"1 to {len(objects)}, the objects of its annotation, and 255",
                )
            numbers = np.arange(1, len(objects) + 1, dtype=np.uint8)
            masks: npt.NDArray[np.bool_] = found == numbers[:, None, None]
            return masks
        if not any(one.segment for one in objects):
            return None
        nothing = np.zeros(self.size, dtype=bool)
        title = f"{self.name}, object"
        return np.stack([
            nothing if one.segment is None else one.segment.mask(self.size, f"{title} {number}")
            for number, one in enumerate(objects, start=1)
        ])  # fmt: skip


class Unread(Annotations):
    """Annotations whose masks and regions are decoded when they are first looked at."""

    _picture: Picture
    _masked: bool

    @classmethod
    def of(cls, picture: Picture, *, masked: bool, points: int) -> Unread:
        """What this picture tells; ``points`` keypoints an object, 0 for none."""
        objects = picture.objects
        made = cls(
            boxes=None if objects is None else _boxes(objects),
            box_classes=None if objects is None else torch.tensor([one.kind for one in objects], dtype=torch.int64),
            keypoints=_points(objects, points) if objects is not None and points else None,
            crowd=None if objects is None else torch.tensor([one.crowd for one in objects], dtype=torch.bool),
            difficult=None if objects is None else torch.tensor([one.difficult for one in objects], dtype=torch.bool),
            attributes=picture.attributes, caption=picture.captions[0] if picture.captions else "",
            group=picture.group,
        )  # fmt: skip
        del made.__dict__["masks"], made.__dict__["regions"]  # the properties below answer in their place
        made.__dict__.update(_picture=picture, _masked=masked and objects is not None)
        return made

    @cached_property
    def masks(self) -> Tensor | None:
        """(objects, H, W) bool, decoded now; None where objects are marked and nothing says their pixels."""
        if not self._masked:
            return None
        if not self._picture.objects:
            return torch.zeros((0, *self._picture.size), dtype=torch.bool)
        found = self._picture.masks()
        return None if found is None else torch.from_numpy(np.ascontiguousarray(found))

    @cached_property
    def regions(self) -> Tensor | None:
        """(H, W) uint8, decoded now."""
        if self._picture.regions is None:
            return None
        return torch.from_numpy(np.ascontiguousarray(self._picture.regions.read(self._picture.size)))

    @property
    def objects(self) -> int:
        """How many objects are marked; nothing is decoded for it."""
        if "masks" in vars(self):
            return super().objects
        return len(self._picture.objects or ())


@dataclass(frozen=True, eq=False)
class Pictures:
    """Notes of a store: one picture a place.

    Attributes:
        pictures: By place.
        points: Keypoints an object has, 0 where there are none.
        extras: What the format says of the whole data set, by its name, for those that write it again.
    """

    pictures: tuple[Picture, ...]
    points: int = 0
    extras: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def masked(self) -> bool:
        """Whether pixels of objects are known anywhere."""
        return any(
            one.instances is not None or any(each.segment for each in one.objects or ()) for one in self.pictures
        )

    def __getitem__(self, place: int) -> Annotations:
        """What is known of one image; masks and regions are decoded when they are looked at."""
        return Unread.of(self.pictures[place], masked=self.masked, points=self.points)


def restored(picture: Picture) -> Picture:
    """The picture with the attributes and the group that a converter kept among its extras."""
    attributes, group = picture.extras.get("attributes"), picture.extras.get("group")
    if not isinstance(attributes, Mapping) and not isinstance(group, str):
        return picture
    told = {
        str(key): value if isinstance(value, str) else float(value)
        for key, value in (attributes if isinstance(attributes, Mapping) else {}).items()
        if isinstance(value, (str, int, float))
    }
    return replace(picture, attributes={**picture.attributes, **told}, group=str(group or picture.group))


def pictures_of(store: Store) -> Pictures | None:
    """The marked pictures behind a store of files, None where its annotations come from elsewhere."""
    notes = store.notes if isinstance(store, FileStore) else None
    return notes if isinstance(notes, Pictures) else None


def open_pictures(
    tree: Tree, pictures: Sequence[Picture], gone: Sequence[BrokenFile], request: Request, *, what: str,
    classes: tuple[str, ...], task: Task, layout: str, extras: Mapping[str, Any] | None = None,
) -> tuple[Dataset, list[Picture]]:  # fmt: skip
    """One data set of these pictures and what was kept of them; those whose image has another size are left out.

    Raises:
        StriateError: ``gone``, or images that are broken or have another size than annotated, unless skip_broken;
            none is left.
    """
    total = len(pictures) + len(gone)
    bare = bool(gone) and not request.layout and all(one.why == "has no mask" for one in gone)
    instead = "; layout='images' (--layout images) takes all of them, without masks" if bare else ""
    leave_or_refuse(tree, gone, total, what, skip_broken=request.skip_broken, other=instead)
    store, kept, broken = open_files(
        tree, [one.name for one in pictures], skip_broken=request.skip_broken, progress=request.progress
    )
    sized, rows, other = [], [], []
    for place, number in enumerate(kept):
        picture = pictures[number]
        looked = int(store.sizes[place, 0]) >= 0 or picture.size == (0, 0)
        size = store.size_of(place) if looked else picture.size
        if picture.size not in {(0, 0), size}:
            told = f"{picture.size[1]}x{picture.size[0]}"
            other.append(BrokenFile(picture.name, f"has {size[1]}x{size[0]} pixels, its annotation says {told}"))
        else:
            rows.append(place)
        sized.append(replace(picture, size=size))
    leave_or_refuse(tree, other, total, what, skip_broken=request.skip_broken)
    if not rows and total:
        leave_or_refuse(tree, [*gone, *broken, *other], total, what, skip_broken=False)
    points = max((len(each.points) // 3 for one in sized for each in one.objects or ()), default=0)
    store = replace(store, notes=Pictures(tuple(sized), points, extras or {}))
    chosen = torch.tensor(rows, dtype=torch.int64)
    left = [sized[row] for row in rows]
    data = Dataset(
        tree.name, "all", classes, torch.full((len(rows),), -1), store.ids()[chosen], store, chosen, store.channels,
        layout=layout, licence="not stated", broken=(*gone, *broken, *other), task=task, tags=_tags(left, len(classes)),
    )  # fmt: skip
    return data, left


def decimal(number: float) -> Decimal:
    """The shortest decimal that is this number, so that sums and differences are those of the written figures."""
    return Decimal(repr(number))


def sound(told: Mapping[str, Any], title: str) -> dict[str, Any]:
    """What a converter kept, as far as its form goes as it keeps it.

    Raises:
        StriateError: It has another form, so that nobody could write it again.
    """
    coco, voc = told.get("coco", {}), told.get("voc", {})
    good = isinstance(coco, dict) and isinstance(voc, dict)
    if good:
        ids, parts = coco.get("caption_ids", []), coco.get("annotations", {})
        kinds = coco.get("categories", [])
        good = isinstance(ids, list) and isinstance(parts, dict) and isinstance(kinds, list)
        good = good and all(isinstance(one, dict) for one in (*parts.values(), *kinds))
        good = good and all(type(one.get("id")) is int and isinstance(one.get("name"), str) for one in kinds)
    if not good:
        raise StriateError(f"what a converter kept in {title} is not as converters write it", hint="convert it anew")
    return dict(told)


def exact(box: Box, kept: object) -> Box:
    """The edges that a converter kept because the format's own numbers give them not to the last digit.

    They count only as long as they agree with the box that the file tells, which somebody may have changed since.
    """
    if not isinstance(kept, list) or len(kept) != 4 or any(type(edge) not in {int, float} for edge in kept):
        return box
    left, top, right, bottom = (float(edge) for edge in kept)
    close = all(abs(a - b) < _ROUNDING for a, b in zip(box, (left, top, right, bottom), strict=True))
    return (left, top, right, bottom) if close else box


def _boxes(objects: Sequence[Marked]) -> Tensor:
    nothing = (0.0, 0.0, 0.0, 0.0)
    return torch.tensor([one.box or nothing for one in objects], dtype=torch.float64).view(-1, 4)


def _points(objects: Sequence[Marked], points: int) -> Tensor:
    out = torch.zeros((len(objects), points, 3), dtype=torch.float64)
    for row, one in enumerate(objects):
        flat = torch.tensor(one.points, dtype=torch.float64).view(-1, 3)
        out[row, : len(flat)] = flat
    return out


def _tags(pictures: Sequence[Picture], classes: int) -> Tensor | None:
    """Which classes each picture shows: its objects', or its regions'; None where that is not known of all."""
    tags = torch.zeros((len(pictures), classes), dtype=torch.bool)
    for row, one in enumerate(pictures):
        kinds = one.shows if one.objects is None else [each.kind for each in one.objects]
        if kinds is None:
            return None
        tags[row, list(kinds)] = True
    return tags
