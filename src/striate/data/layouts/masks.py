"""Pictures whose numbers are classes: what each number stands for, where the names of the classes are written."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from striate.core.decode import Stored, decode_stored
from striate.core.errors import ImageError, StriateError

from ..annotations import VOID
from ..tree import Listing, Tree
from .objects import Numbers, Size

Colour = tuple[int, int, int]
MOST_CLASSES = 255  # numbers 0 to 254; 255 is void
_UNKNOWN = -1
_STRETCHED = 64  # from here on numbers that leave most others out are levels of grey, not counted classes
VOID_NAMES = frozenset({"void", "unlabelled", "unlabeled", "ignore", "ignored", "__ignore__", "dontcare"})
_NAME_FILES = ("classes.txt", "labels.txt", "class_names.txt", "label_names.txt", "codes.txt", "names.txt")
_COLOUR_FILES = ("labelmap.txt", "label_colors.txt", "class_dict.csv", "colormap.txt")
_LOSSLESS = frozenset({"PNG", "BMP", "TIFF", "GIF"})


@dataclass(frozen=True)
class Coding:
    """What the numbers of masks stand for.

    Attributes:
        classes: Names, by class.
        values: The number in the files of each class.
        void: Numbers in the files that stand for no class.
        colours: Colour of each class where a list of classes says it; masks may then hold colours.
        void_colours: Colours that stand for no class.
        palette: Colour of each class in the palette of the files.
        source: Where this was read, or what it was concluded from, in words.
    """

    classes: tuple[str, ...]
    values: tuple[int, ...]
    void: tuple[int, ...] = (VOID,)
    colours: tuple[Colour, ...] = ()
    void_colours: tuple[Colour, ...] = ()
    palette: tuple[Colour, ...] = ()
    source: str = ""

    @cached_property
    def _table(self) -> npt.NDArray[np.int16]:
        table = np.full(256, _UNKNOWN, dtype=np.int16)
        for number in self.void:
            table[number] = VOID
        table[list(self.values)] = np.arange(len(self.values))
        return table

    @cached_property
    def _by_colour(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        pairs = [*zip(self.colours, range(len(self.colours)), strict=True), *((one, VOID) for one in self.void_colours)]
        pairs.sort(key=lambda pair: pair[0])
        return _packed(np.array([one for one, _ in pairs])), np.array([kind for _, kind in pairs], dtype=np.int16)

    def classes_in(self, stored: Stored, name: str) -> Numbers:
        """The class of every pixel, (H, W) uint8.

        Raises:
            ImageError: The file loses numbers (JPEG, WebP), or holds some that stand for no class.
        """
        if stored.format not in _LOSSLESS:
            raise ImageError(
                f"{name} is a mask saved as {stored.format}, which changes numbers: its classes are destroyed",
                accepted=", ".join(sorted(_LOSSLESS)),
                hint="make the masks again from what they were saved from",
            )
        if stored.values.ndim == 3 or (self.colours and not stored.palette and self._grey_is_colour(stored.values)):
            return self._from_colours(stored.values, name)
        values = stored.values
        found = np.where(values < 256, self._table[np.minimum(values, 255)], _UNKNOWN)
        if (found == _UNKNOWN).any():
            wrong = found == _UNKNOWN
            (down, across), count = np.argwhere(wrong)[0], int(wrong.sum())
            raise ImageError(
                f"{name} holds {int(values[down, across])} at x {across}, y {down} (of {count:,} such pixels)",
                accepted=f"{ranges(self.values)} (classes, {self.source}), {ranges(self.void)} (void)",
            )
        return found.astype(np.uint8)

    def _grey_is_colour(self, values: npt.NDArray[np.generic]) -> bool:
        """Whether a mask of colours happened to be grey throughout, as one of background alone is."""
        greys = {one[0] for one in (*self.colours, *self.void_colours) if len(set(one)) == 1}
        return bool(np.isin(values, list(greys)).all())

    def _from_colours(self, values: npt.NDArray[np.generic], name: str) -> Numbers:
        if values.ndim == 2:
            values = np.repeat(values[..., None], 3, axis=2)
        if not self.colours:
            raise ImageError(
                f"{name} is a mask in {len(np.unique(_packed(values))):,} colours, and nothing says their classes",
                accepted=f"one number a pixel (grey or palette), or {', '.join(_COLOUR_FILES[1:3])} beside the folders",
            )
        keys, kinds = self._by_colour
        packed = _packed(values)
        place = np.minimum(np.searchsorted(keys, packed), len(keys) - 1)
        wrong = keys[place] != packed
        if wrong.any():
            down, across = np.argwhere(wrong)[0]
            raise ImageError(
                f"{name} has the colour {tuple(values[down, across].tolist())} at x {across}, y {down} "
                f"(of {int(wrong.sum()):,} such pixels)",
                accepted=f"the {len(keys)} colours, {self.source}",
            )
        return kinds[place].astype(np.uint8)


@dataclass(frozen=True)
class MaskFile:
    """A class map in a file."""

    tree: Tree
    name: str
    coding: Coding

    def read(self, size: Size) -> Numbers:
        """The class of every pixel, (H, W) uint8.

        Raises:
            ImageError: It cannot be read, has another size than its image, or numbers that stand for no class.
        """
        title = f"{self.tree.name}/{self.name}"
        values = self.coding.classes_in(decode_stored(self.tree.source(self.name), name=title), title)
        return same_size(values, size, title)


@dataclass(frozen=True)
class NumberFile:
    """A map of plain numbers in a file, 255 standing for none."""

    tree: Tree
    name: str

    def read(self, size: Size) -> Numbers:
        """The numbers (H, W) uint8; raises `ImageError` as `MaskFile` does."""
        title = f"{self.tree.name}/{self.name}"
        stored = decode_stored(self.tree.source(self.name), name=title)
        if stored.format not in _LOSSLESS or stored.values.ndim == 3 or stored.values.max(initial=0) > 255:
            raise ImageError(f"{title} holds no numbers of objects", accepted="grey or palette PNG, 8 bits")
        return same_size(stored.values.astype(np.uint8), size, title)


def same_size(values: Numbers, size: Size, title: str) -> Numbers:
    """The map as it is; raises `ImageError` where it has another (H, W) than its image."""
    if values.shape != size:
        raise ImageError(
            f"{title} has {values.shape[1]}x{values.shape[0]} pixels", accepted=f"the {size[1]}x{size[0]} of its image"
        )
    return values


def find_coding(tree: Tree, listing: Listing, *, start: str = "") -> Coding | None:
    """The classes that a file at the top of the tree names; None where there is no such file.

    Names stand one a line, from 0, or behind their number; colours as ``labelmap.txt`` (``name:r,g,b::``), as
    ``label_colors.txt`` (``r g b name``) or as ``class_dict.csv`` (``name,r,g,b``). A class called void, unlabelled or
    ignore stands for no class.

    Raises:
        StriateError: A line of it cannot be read, or it names too many classes, or one twice.
    """
    by_lower = {name.lower(): name for name in listing.top_files}
    for wanted in (*_COLOUR_FILES, *_NAME_FILES):
        if wanted in by_lower:
            name = by_lower[wanted]
            lines = _lines(tree, start + name)
            if lines:
                return _coding_of(lines, name, wanted)
    return None


def concluded(seen: npt.NDArray[np.int64], *, palette: tuple[Colour, ...] = ()) -> Coding:
    """Classes concluded from the numbers that masks hold (``seen``: pixels of each of 256), where no file names them.

    With a palette the numbers are indices, and 255 is void. Grey levels of 0 and 255 alone are two classes; levels that
    leave most others out are a class each; others are counted from 0, and 255 is void.

    Raises:
        StriateError: There are so many that they cannot be classes.
    """
    numbers = [int(number) for number in np.flatnonzero(seen)]
    counted = [number for number in numbers if number != VOID]
    if not palette and numbers == [0, VOID]:
        return Coding(
            ("background", "foreground"), (0, VOID), (), source="black and white masks: 0 and 255 are classes"
        )
    if counted and (palette or max(counted) < _STRETCHED):
        names = tuple(str(number) for number in range(max(counted) + 1))
        said = "concluded from the masks: class names are their numbers"
        return Coding(names, tuple(range(len(names))), source=said, palette=palette[: len(names)])
    if len(numbers) > _STRETCHED or not numbers:
        raise StriateError(
            f"the masks hold {len(numbers)} different grey levels",
            accepted="one level a class",
            hint="masks that were resized or drawn with soft edges hold no classes; else name them in classes.txt",
        )
    names = tuple(str(number) for number in numbers)
    return Coding(names, tuple(numbers), (), source="concluded from the masks: every grey level is a class")


def voc_colours(count: int = 256) -> tuple[Colour, ...]:
    """The colours of PASCAL VOC's masks: bits of the number spread over red, green and blue, highest first."""
    out = []
    for number in range(count):
        parts = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                parts[channel] |= ((number >> (3 * bit + channel)) & 1) << (7 - bit)
        out.append((parts[0], parts[1], parts[2]))
    return tuple(out)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in short: ``"0 to 10, 12"``."""
    ordered = sorted(numbers)
    runs: list[list[int]] = []
    for number in ordered:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs) or "none"


def _packed(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    wide = values.astype(np.int64)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _lines(tree: Tree, name: str) -> list[str]:
    try:
        text = tree.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StriateError(f"{tree.name}/{name} cannot be read: {error}", accepted="names in UTF-8") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _coding_of(lines: list[str], name: str, kind: str) -> Coding:
    numbers: list[int] | None = None
    colours: list[Colour] = []
    if kind in _COLOUR_FILES:
        pairs = [_coloured(line, kind) for line in (lines[1:] if kind.endswith(".csv") else lines)]
        if any(pair is None for pair in pairs):
            wrong = pairs.index(None) + 1 + kind.endswith(".csv")
            raise StriateError(f"line {wrong} of {name} names no class with its colour", accepted="a name and r, g, b")
        names = [pair[0] for pair in pairs if pair is not None]
        colours = [pair[1] for pair in pairs if pair is not None]
    else:
        numbered = [re.fullmatch(r"(\d{1,3})\s*[:,;\s]\s*(\S.*)", line) for line in lines]
        if all(numbered):
            names = [match[2].strip() for match in numbered if match]
            numbers = [int(match[1]) for match in numbered if match]
        else:
            names = list(lines)
    first = -1 if names[0] == "__ignore__" else 0  # as labelme counts
    numbers = numbers or [first + place for place in range(len(names))]
    twice = [one for one in names if names.count(one) > 1] or [str(one) for one in numbers if numbers.count(one) > 1]
    if twice:
        raise StriateError(f"{name} names {twice[0]!r} twice", accepted="each class once")
    kept = [place for place, one in enumerate(names) if one.lower() not in VOID_NAMES]
    void = [place for place in range(len(names)) if place not in kept]
    if not kept or len(kept) > MOST_CLASSES or max(numbers) > VOID:
        raise StriateError(f"{name} names {len(kept)} classes", accepted=f"1 to {MOST_CLASSES}, with numbers up to 254")
    said = f"named in {name}"
    if void:
        said += ", " + ", ".join(
            f"{numbers[place] if numbers[place] >= 0 else 'none'} ({names[place]}) is void" for place in void
        )
    values = tuple(numbers[place] for place in kept)
    return Coding(
        tuple(names[place] for place in kept), values,
        tuple(sorted(({numbers[place] for place in void if numbers[place] >= 0} | {VOID}) - set(values))),
        tuple(colours[place] for place in kept if colours), tuple(colours[place] for place in void if colours),
        source=said,
    )  # fmt: skip


def _coloured(line: str, kind: str) -> tuple[str, Colour] | None:
    if kind == "labelmap.txt":
        match = re.fullmatch(r"([^:]+):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?::.*)?", line)
        fields = match.groups() if match else ()
    elif kind.endswith(".csv"):
        fields = tuple(one.strip() for one in next(csv.reader([line])))
    else:
        match = re.fullmatch(r"(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\S.*)", line)
        fields = (match[4], match[1], match[2], match[3]) if match else ()
    if len(fields) != 4 or not all(one.isdigit() and int(one) < 256 for one in fields[1:]):
        return None
    return fields[0].strip(), (int(fields[1]), int(fields[2]), int(fields[3]))


__all__ = [
    "MOST_CLASSES", "Coding", "Colour", "MaskFile", "NumberFile", "concluded", "find_coding", "ranges",
    "same_size", "voc_colours",
]  # fmt: skip
