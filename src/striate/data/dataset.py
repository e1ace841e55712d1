"""One split of a data set: images with labels, indexable, known without decoding; and what a split is made of."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.finding import Evidence, Finding
from striate.core.image import Geometry, from_bytes
from striate.core.number import Number

from .annotations import Annotations
from .batches import batches
from .division import Division
from .stores import Notes, Store, TensorStore

FITS = 1 << 29  # bytes of a split that is kept in memory, as uint8
_CHUNK = 256  # images read at a time while a split is brought into memory


Task = Literal["classes", "tags", "boxes", "regions", "none"]
TASKS: dict[Task, str] = {
    "classes": "one label an image",
    "tags": "any number of labels an image",
    "boxes": "objects in boxes",
    "regions": "a class for every pixel",
    "none": "no labels",
}


@dataclass(frozen=True, kw_only=True)
class Sample(Annotations):
    """One image with all that is known of it; its annotations are in the pixels of ``image``.

    Attributes:
        image: (C, H, W) float32 in [0, 1].
        label: Number of its class; -1 where it has no single one.
        tags: (K,) bool: which classes it shows, where that is known of every class; else None.
        id: Stable number: randomness is keyed by it.
        name: File name, or name and number.
    """

    image: Tensor
    label: int
    id: int
    name: str
    tags: Tensor | None = None


@dataclass(frozen=True)
class BrokenFile:
    """A file that could not be read, and why."""

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split: images with labels. Labels, ids and names are known without decoding an image.

    Images come out as (n, C, H, W) float32 in [0, 1], on the 8-bit grid, with ``geometry`` and ``channels`` applied,
    the same pixels whatever the batch. A split that fits (`FITS` bytes) is kept as uint8 once it has been read whole.
    ``task`` says what is marked in it; only with ``"classes"`` is every label the number of a class, else it is -1.
    ``tags`` (N, K) says which classes each image shows, where that is known of all. ``numbers`` are those by which the
    source calls the classes, where they are not 0, 1, 2 and so on: 300 classes of ImageNet keep their places in 1,000.

    >>> data = Dataset.of(torch.zeros(4, 1, 8, 8), [0, 1, 0, 1], classes=("cat", "dog"))
    >>> data.take([1, 3]).labels.tolist()
    [1, 1]
    """

    name: str
    split: str
    classes: tuple[str, ...]
    labels: Tensor
    ids: Tensor
    store: Store
    places: Tensor
    channels: int
    geometry: Geometry | None = None
    cites: tuple[str, ...] = ()
    licence: str = ""
    layout: str = ""
    broken: tuple[BrokenFile, ...] = ()
    task: Task = "classes"
    tags: Tensor | None = None
    numbers: tuple[int, ...] = ()
    _kept: list[Tensor] = field(default_factory=list, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(
        cls,
        images: Tensor,
        labels: Sequence[int] | Tensor,
        *,
        classes: Sequence[str] | None = None,
        name: str = "array",
        split: str = "test",
        ids: Tensor | None = None,
        cites: tuple[str, ...] = (),
        licence: str = "",
        layout: str = "tensors",
        notes: Notes | None = None,
    ) -> Dataset:
        """A split from images (N, C, H, W), uint8 or floats in [0, 1], and their labels.

        Raises:
            StriateError: Labels and images do not fit each other, or a label has no class.
        """
        store = TensorStore.of(images, name=name, notes=notes)
        numbers = torch.as_tensor(labels).to(torch.int64).reshape(-1)
        if len(numbers) != len(store.pixels):
            raise StriateError(f"{name} has {len(store.pixels)} images and {len(numbers)} labels")
        highest = int(numbers.max()) if len(numbers) else -1
        names = tuple(classes) if classes is not None else tuple(str(number) for number in range(highest + 1))
        if len(numbers) and (int(numbers.min()) < 0 or highest >= len(names)):
            raise StriateError(
                f"{name} has labels from {int(numbers.min())} to {highest}", accepted=f"0 to {len(names) - 1}"
            )
        places = torch.arange(len(numbers))
        return cls(
            name, split, names, numbers, places if ids is None else ids.to(torch.int64), store, places, store.channels,
            cites=cites, licence=licence, layout=layout,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every image; None where they differ and no geometry makes them equal."""
        return self.geometry.size if self.geometry is not None else self.store.size

    @property
    def in_memory(self) -> bool:
        """Whether batches come from a tensor by indexing; the others are decoded batch by batch."""
        return self.size is not None and len(self) * self.channels * self.size[0] * self.size[1] <= FITS

    def images(self, rows: Sequence[int] | Tensor | None = None) -> Tensor:
        """The images of these rows, in their order; all of them for None.

        Raises:
            StriateError: The images differ in size and no geometry was given, or a row is not there.
            ImageError: A file cannot be read; the message holds its name.
        """
        if rows is None:
            return from_bytes(self.pixels() if self.in_memory else self.read(torch.arange(len(self))))
        return from_bytes(self.read(self.rows(rows)))

    def read(self, rows: Tensor) -> Tensor:
        """The images of these rows as uint8, from memory where they are kept there already."""
        self.ready()
        if self._kept:
            return self._kept[0][rows]
        return self.store.read(self.places[rows], self.channels, self.geometry)

    def ready(self) -> None:
        """Nothing, where batches can be made; an error where images differ in size and no geometry was given."""
        if self.size is None:
            raise StriateError(
                f"the images of {self.name} differ in size",
                accepted="one size",
                hint="give a size, or a net that has one",
            )

    def pixels(self, *, workers: int = 0) -> Tensor:
        """Every image as one uint8 tensor, read once and kept; ``workers`` threads decode files."""
        self.ready()
        with self._lock:
            if not self._kept:
                height, width = self.size or (0, 0)
                out = torch.empty((len(self), self.channels, height, width), dtype=torch.uint8)
                chunks = [torch.arange(start, min(start + _CHUNK, len(self))) for start in range(0, len(self), _CHUNK)]

                def fill(rows: Tensor) -> None:
                    out[rows[0] : rows[0] + len(rows)] = self.read(rows)

                with ThreadPoolExecutor(workers or min(2, os.cpu_count() or 1)) as pool:
                    for _ in pool.map(fill, chunks):
                        pass
                self._kept.append(out)
            return self._kept[0]

    def name_of(self, row: int) -> str:
        """What the image is called: its file under the folder, or name, split and number."""
        return self.store.name_of(int(self.places[row]))

    def annotations(self, row: int) -> Annotations:
        """What is known of one image beside its pixels, which are not decoded; the geometry is followed."""
        place = int(self.places[row])
        known = self.store.annotations(place)
        return known if self.geometry is None else known.moved(self.geometry, self.store.size_of(place))

    def sample(self, row: int) -> Sample:
        """One image with all that is known of it; boxes and masks follow the geometry."""
        known = self.annotations(row)
        return Sample(
            image=self.images([row])[0], label=int(self.labels[row]), id=int(self.ids[row]), name=self.name_of(row),
            tags=None if self.tags is None else self.tags[row],
            **{each.name: getattr(known, each.name) for each in fields(Annotations)},
        )  # fmt: skip

    def groups(self) -> tuple[str, ...]:
        """The group of each image, "" for none; groups must not be torn apart by a split."""
        if not self.store.grouped:
            return ("",) * len(self)
        return tuple(self.store.annotations(place).group for place in self.places.tolist())

    def attributes(self) -> dict[str, tuple[str | float | None, ...]]:
        """Every attribute that some image has, with its value for each image, None where an image lacks it."""
        known = [self.store.annotations(place).attributes for place in self.places.tolist()]
        names = dict.fromkeys(name for one in known for name in one)
        return {name: tuple(one.get(name) for one in known) for name in names}

    def classified(self) -> Dataset:
        """These data, where every image has one label.

        Raises:
            StriateError: They have boxes, regions, several labels an image, or none.
        """
        if self.task != "classes":
            raise StriateError(
                f"{self.name} has {TASKS[self.task]}",
                accepted=f"data with {TASKS['classes']}",
                hint="striate check and striate augment take every kind of data",
            )
        return self

    def take(self, rows: Sequence[int] | Tensor) -> Dataset:
        """The same data with these rows alone, in their order."""
        chosen = self.rows(rows)
        return replace(
            self, labels=self.labels[chosen], ids=self.ids[chosen], places=self.places[chosen],
            tags=None if self.tags is None else self.tags[chosen],
            _kept=[self._kept[0][chosen]] if self._kept else [], _lock=threading.Lock(),
        )  # fmt: skip

    def limit(self, n: int | None) -> Dataset:
        """The first ``n`` images; None keeps all.

        Raises:
            StriateError: ``n`` is below 1.
        """
        if n is None or n >= len(self):
            return self
        if n < 1:
            raise StriateError(f"limit is {n}", accepted="a whole number of at least 1")
        return self.take(torch.arange(n))

    def resized(self, geometry: Geometry | None) -> Dataset:
        """The same data with this geometry, applied to the images as they are stored, in place of any other."""
        return self if geometry == self.geometry else replace(self, geometry=geometry, **_fresh())

    def as_channels(self, channels: int) -> Dataset:
        """The same data in colour (3) or grey (1)."""
        if channels not in {1, 3}:
            raise StriateError(f"channels is {channels}", accepted="1 or 3")
        return self if channels == self.channels else replace(self, channels=channels, **_fresh())

    def fingerprint(self) -> str:
        """A sha256 over what images and labels are: pixels in memory, names and sizes of files, ids of drawings."""
        digest = hashlib.sha256(repr((self.classes, self.channels, self.geometry)).encode())
        digest.update(self.labels.numpy().tobytes() + self.ids.numpy().tobytes())
        if self.tags is not None:
            digest.update(self.tags.numpy().tobytes())
        digest.update(self.store.digest(self.places).encode())
        return digest.hexdigest()

    def counts(self) -> tuple[int, ...]:
        """Images of each class."""
        return tuple(torch.bincount(self.labels, minlength=len(self.classes)).tolist())

    def rows(self, rows: Sequence[int] | Tensor) -> Tensor:
        """Row numbers, checked, from numbers or a boolean mask."""
        chosen = torch.as_tensor(rows).reshape(-1)
        if chosen.dtype == torch.bool:
            if len(chosen) != len(self):
                raise StriateError(f"a mask of {len(chosen)} rows for {len(self)} images of {self.name}")
            return chosen.nonzero().reshape(-1)
        chosen = chosen.to(torch.int64)
        if len(chosen) and (int(chosen.min()) < 0 or int(chosen.max()) >= len(self)):
            wrong = int(chosen[(chosen < 0) | (chosen >= len(self))][0])
            raise StriateError(f"row {wrong} of {self.name}, {self.split}", accepted=f"0 to {len(self) - 1}")
        return chosen


@dataclass(frozen=True)
class Splits:
    """Three splits of one data set.

    Attributes:
        train: What nets learn from.
        dev: What chooses among them.
        test: What measures.
        said: One line that says what was recognised and how it was divided.
        division: The division that was asked for and made; None where none was asked for.
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    said: str = ""
    division: Division | None = None

    def __iter__(self) -> Iterator[Dataset]:
        return iter((self.train, self.dev, self.test))


def broken_finding(data: Dataset) -> Finding | None:
    """A warning that counts the files left out because they could not be read, or None where there are none."""
    if not data.broken:
        return None
    count, shown = len(data.broken), data.broken[:5]
    more = f", and {count - len(shown)} more" if count > len(shown) else ""
    total = Number.of(count, n=count + len(data), why="counted")
    return Finding(
        id=f"broken_files/{data.name}",
        check="broken_files",
        severity="warning",
        sure=1.0,
        seen=f"{count:,} {'files' if count > 1 else 'file'} of {data.name} cannot be read and "
        f"{'were' if count > 1 else 'was'} left out: {', '.join(one.name for one in shown)}{more}.",
        evidence=(Evidence("files left out", total), *(Evidence(f"{one.name}: {one.why}") for one in shown)),
        mend="Replace or delete these files; a class that lost many of them is measured on what is left.",
    )


def _fresh() -> dict[str, Any]:
    return {"_kept": [], "_lock": threading.Lock()}


__all__ = [
    "FITS",
    "TASKS",
    "Annotations",
    "BrokenFile",
    "Dataset",
    "Sample",
    "Splits",
    "Task",
    "batches",
    "broken_finding",
]
