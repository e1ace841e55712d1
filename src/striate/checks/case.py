"""What the checks look at: all splits as one row of images, what the scan found, names for people and commands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from striate.core.finding import Finding
from striate.core.number import Number
from striate.data.dataset import BrokenFile, Dataset, Splits

from .payload import Member
from .scan import Scan

SHOWN = 6  # pieces of evidence with pictures, a finding
NAMED = 5  # names in one sentence


@dataclass(frozen=True, eq=False)
class Noticed:
    """A finding before its pictures are made, and what it means for the cleaned list.

    Attributes:
        finding: The finding; its evidence is added to.
        shown: Images to be shown, most telling first; those of one entry stand side by side.
        facts: What to say under each entry of ``shown``.
        rows: Every image that it speaks of.
        reason: What the cleaned list says of these images; empty for nothing.
        drop: Whether the cleaned list leaves them out.
        boxes: Boxes to be drawn on the first image of an entry, as drawn on it: left, top, right, bottom in pixels.
    """

    finding: Finding
    shown: tuple[tuple[int, ...], ...] = ()
    facts: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    reason: str = ""
    drop: bool = False
    boxes: tuple[tuple[tuple[float, float, float, float], ...], ...] = field(default=())


@dataclass(frozen=True, eq=False)
class Case:
    """All splits one behind the other: image ``i`` counts through train, dev and test.

    ``data`` is the name that commands are written with.
    """

    splits: Splits
    scans: tuple[Scan, ...]
    data: str

    @cached_property
    def parts(self) -> tuple[Dataset, ...]:
        """The splits, without what could not be read."""
        return tuple(each.data for each in self.scans)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each split begins."""
        out = [0]
        for part in self.parts:
            out.append(out[-1] + len(part))
        return tuple(out)

    @cached_property
    def broken(self) -> tuple[tuple[BrokenFile, ...], ...]:
        """Files of each split that cannot be read, each once: parts of data that were divided here share their list."""
        known: set[str] = set()
        out = []
        for part, each in zip(self.splits, self.scans, strict=True):
            new = {one.name: one for one in (*part.broken, *each.broken) if one.name not in known}
            known |= new.keys()
            out.append(tuple(new.values()))
        return tuple(out)

    @property
    def count(self) -> int:
        """Images in all."""
        return self.starts[-1]

    @property
    def task(self) -> str:
        """What is marked."""
        return self.splits.train.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.splits.train.classes

    @cached_property
    def split(self) -> Tensor:
        """Number of the split that each image lies in, (count,)."""
        return torch.cat([torch.full((len(part),), number) for number, part in enumerate(self.parts)])

    @cached_property
    def labels(self) -> Tensor:
        """Label of each image, -1 for none, (count,)."""
        return torch.cat([part.labels for part in self.parts])

    @cached_property
    def properties(self) -> dict[str, Tensor]:
        """Properties of all images, with ``dark``, ``bright`` and ``spread`` of the scan."""
        out = {name: torch.cat([each.properties[name] for each in self.scans]) for name in self.scans[0].properties}
        for name in ("dark", "bright", "spread"):
            out[name] = torch.cat([getattr(each, name) for each in self.scans])
        return out

    def place(self, image: int) -> tuple[int, int]:
        """Split number and row of an image."""
        number = int(self.split[image])
        return number, image - self.starts[number]

    def name(self, image: int) -> str:
        """What an image is called."""
        number, row = self.place(image)
        return self.parts[number].name_of(row)

    def label_name(self, image: int) -> str:
        """Name of its class, or of all classes that it shows; empty where it has none."""
        number, row = self.place(image)
        part = self.parts[number]
        if part.task == "classes":
            return self.classes[int(part.labels[row])]
        if part.tags is not None and part.task == "tags":
            return "; ".join(self.classes[each] for each in part.tags[row].nonzero().reshape(-1).tolist())
        return ""

    def member(self, image: int) -> Member:
        """The image as payloads name it."""
        number, row = self.place(image)
        label = int(self.parts[number].labels[row])
        return Member(self.parts[number].split, row, self.name(image), label, self.label_name(image))

    def split_name(self, number: int) -> str:
        """``"train"``, ``"dev"`` or ``"test"``."""
        return self.parts[number].split

    def command(self, *options: str, verb: str = "check") -> str:
        """A command line about these data."""
        return shlex.join(["striate", verb, self.data, *options])

    def by_split(self, images: list[int] | tuple[int, ...]) -> str:
        """``"3 train, 1 test"``."""
        counts = torch.bincount(self.split[torch.tensor(images, dtype=torch.int64)], minlength=len(self.parts))
        return ", ".join(
            f"{count:,} {self.split_name(number)}" for number, count in enumerate(counts.tolist()) if count
        )


def of_images(count: int, one: str, many: str) -> str:
    """``"1 image is"`` or ``"2 images are"``."""
    return f"1 image {one}" if count == 1 else f"{count:,} images {many}"


def counted(count: int, of: int | None = None) -> Number:
    """A count that is exact."""
    return Number(float(count), n=of, why="counted")


def listed(names: list[str] | tuple[str, ...], most: int = NAMED) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
