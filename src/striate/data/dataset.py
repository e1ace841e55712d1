"""One split of a data set: images with labels, indexable, known without decoding; and what a split is made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.finding import Evidence, Finding
from striate.core.image import Geometry, from_bytes
from striate.core.number import Number

from .annotations import Annotations
from .batches import batches
from .division import Division
from .errands import BrokenFile, Lender
from .kept import Kept
from .stores import Attributed, Notes, Store, TensorStore

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


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split: images with labels. Labels, ids and names are known without decoding an image.

    Images come out as (n, C, H, W) float32 in [0, 1], on the 8-bit grid, with ``geometry`` and ``channels`` applied,
    the same pixels whatever the batch. The images of a split that fits (`FITS` bytes) are kept as uint8 as they are
    read: by the first pass over them, whole or not, so that later ones decode nothing.
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
    _kept: Kept = field(default_factory=Kept, repr=False)

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
        """Whether the split fits into memory, as uint8; others are decoded batch by batch, in every pass."""
        return self.size is not None and len(self) * self.channels * self.size[0] * self.size[1] <= FITS

    def at_hand(self, rows: Tensor) -> bool:
        """Whether these rows come by indexing: they are kept, or were given as tensors in the size that is wanted."""
        return self._given is not None or not len(self._kept.missing(rows))

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
        """The images of these rows as uint8, from memory where they are kept there already.

        Raises:
            ImageError: A file cannot be read; the message holds its name.
        """
        self.ready()
        if self._given is not None:
            return self.store.read(self.places[rows], self.channels, self.geometry)
        missing = self._kept.missing(rows)
        if not len(missing):
            return self._kept.get(rows) if len(rows) else self.store.read(rows, self.channels, self.geometry)
        pixels = self.store.read(self.places[missing], self.channels, self.geometry)
        self.keep(missing, pixels)
        return pixels if len(missing) == len(rows) else self._kept.get(rows)

    def readable(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Those of these rows that can be read, and their images as uint8.

        That is all of them, but where a huge folder was loaded with ``skip_broken``: files that turn out to be broken
        are left out then, and counted by `broken_finding`.
        """
        self.ready()
        if not isinstance(self.store, Lender):
            return rows, self.read(rows)
        missing = self._kept.missing(rows)
        if len(missing):
            height, width = self.size or (0, 0)
            out = np.empty((len(missing), self.channels, height, width), dtype=np.uint8)
            places = self.places[missing]
            done = self.store.errand(places).read(out, self.channels, self.geometry, _nobody)
            good, pixels = self.store.settle(places, done), torch.from_numpy(out)
            if not bool(good.all()):
                bad = missing[~good]
                rows, missing, pixels = rows[~torch.isin(rows, bad)], missing[good], pixels[good]
            self.keep(missing, pixels)
            if len(missing) == len(rows):
                return rows, pixels
        return rows, self._kept.get(rows)

    def keep(self, rows: Tensor, pixels: Tensor) -> None:
        """Keeps images that were read, (n, C, H, W) uint8, where the split fits into memory."""
        if self.in_memory and len(rows):
            self._kept.put(rows, pixels, len(self))

    def missing(self, rows: Tensor) -> Tensor:
        """Those of these rows that are not kept."""
        return self._kept.missing(rows)

    def ready(self) -> None:
        """Nothing, where batches can be made; an error where images differ in size and no geometry was given."""
        if self.size is None:
            raise StriateError(
                f"the images of {self.name} differ in size",
                accepted="one size",
                hint="give a size, or a net that has one",
            )

    def pixels(self, *, workers: int = 0) -> Tensor:
        """Every image as one uint8 tensor, kept where it fits; ``workers`` threads decode files. Not to be changed."""
        self.ready()
        everything = torch.arange(len(self))
        if self._given is None and not self._kept.full and self.in_memory:
            with ThreadPoolExecutor(workers or min(2, os.cpu_count() or 1)) as pool:
                for _ in pool.map(self.read, torch.split(everything, _CHUNK)):
                    pass
        if self._kept.full and self._kept.pixels is not None:
            return self._kept.pixels
        given = self._given
        if given is not None and len(self) == len(given.pixels) and bool((self.places == everything).all()):
            return given.pixels
        return self.read(everything)

    def left_out(self) -> tuple[BrokenFile, ...]:
        """Files that could not be read: those left out when the data were loaded, and those met since."""
        met = self.store.left_out(self.places) if isinstance(self.store, Lender) else ()
        return (*self.broken, *met)

    @property
    def _given(self) -> TensorStore | None:
        """The store, where indexing it gives the images as they are wanted."""
        store = self.store
        return store if isinstance(store, TensorStore) and store.serves(self.channels, self.geometry) else None

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
        known, chosen = self.annotations(row), self.rows([row])
        if self.size is None:  # one image alone need not be of the size of the others
            image = from_bytes(self.store.read(self.places[chosen], self.channels, None))[0]
        else:
            image = self.images(chosen)[0]
        return Sample(
            image=image, label=int(self.labels[row]), id=int(self.ids[row]), name=self.name_of(row),
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
        known: Sequence[Mapping[str, str | float]]
        if isinstance(self.store, Attributed):
            known = self.store.attributes(self.places)
        else:
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
                hint="units and embed need no labels; check and augment take every kind of data",
            )
        return self

    def take(self, rows: Sequence[int] | Tensor) -> Dataset:
        """The same data with these rows alone, in their order."""
        chosen = self.rows(rows)
        return replace(
            self, labels=self.labels[chosen], ids=self.ids[chosen], places=self.places[chosen],
            tags=None if self.tags is None else self.tags[chosen],
            _kept=Kept.whole(self._kept.get(chosen)) if self._kept.full else Kept(),
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
        return self if geometry == self.geometry else replace(self, geometry=geometry, _kept=Kept())

    def as_channels(self, channels: int) -> Dataset:
        """The same data in colour (3) or grey (1)."""
        if channels not in {1, 3}:
            raise StriateError(f"channels is {channels}", accepted="1 or 3")
        return self if channels == self.channels else replace(self, channels=channels, _kept=Kept())

    def fingerprint(self) -> str:
        """A sha256 over what images and labels are: pixels in memory, names and sizes of files, ids of drawings."""
        digest = hashlib.sha256(repr((self.classes, self.channels, self.geometry)).encode())
        digest.update(self.labels.numpy().tobytes() + self.ids.numpy().tobytes())
        if self.tags is not None:
            digest.update(self.tags.numpy().tobytes())
        digest.update(self.store.digest(self.places).encode())
        return digest.hexdigest()

    def counts(self) -> tuple[int, ...]:
        """Images of each class; of data with tags those that show it."""
        if self.task != "classes" and self.tags is not None:
            return tuple(self.tags.sum(0).tolist())
        return tuple(torch.bincount(self.labels[self.labels >= 0], minlength=len(self.classes)).tolist())

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


def broken_finding(*parts: Dataset) -> Finding | None:
    """A warning that counts the files left out because they could not be read, or None where there are none.

    Files of a huge folder that turn out to be broken when they are read count as soon as they have been met. Several
    splits of one data set give one finding.
    """
    data = parts[0]
    broken = tuple(dict.fromkeys(file for part in parts for file in part.left_out()))
    if not broken:
        return None
    whole = sum(map(len, parts)) + len({file for part in parts for file in part.broken})
    return broken_files(data.name, broken, whole)


def broken_files(name: str, broken: tuple[BrokenFile, ...], whole: int, *, listed: int = 5) -> Finding:
    """The warning itself: files of ``name`` that were left out, of ``whole`` in all; ``listed`` with their reason."""
    count, shown = len(broken), broken[:5]
    more = f", and {count - len(shown)} more" if count > len(shown) else ""
    total = Number.of(count, n=whole, why="counted")
    return Finding(
        id=f"broken_files/{name}",
        check="broken_files",
        severity="warning",
        sure=1.0,
        seen=f"{count:,} {'files' if count > 1 else 'file'} of {name} cannot be read and "
        f"{'were' if count > 1 else 'was'} left out: {', '.join(f'{one.name} ({one.why})' for one in shown)}{more}.",
        evidence=(Evidence("files left out", total), *(Evidence(f"{one.name}: {one.why}") for one in broken[:listed])),
        mend="Mend what is said of each, or delete it; a class that lost many is measured on what is left.",
    )


def _nobody(number: int) -> None:
    del number


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
    "broken_files",
    "broken_finding",
]
