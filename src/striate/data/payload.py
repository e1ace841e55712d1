"""What `augment` gives: for each transform what it changed and what it took away, and where the pictures lie."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class Change:
    """One transform, measured on some images.

    Attributes:
        name: Its name.
        words: What it does, with its numbers.
        family: What kind of change it is.
        harms: What it may take from an image that its label hangs on.
        change: Mean absolute change of a value, of 1.
        blank: Share of draws in which nothing is left to see: a tenth of the contrast that there was, or less.
        lost: Share of objects that are gone: out of sight, or hidden; for region maps, of an image's classes.
        unlabelled: Share of a region map whose pixels have lost their label.
    """

    name: str
    words: str
    family: str
    harms: str
    change: Number
    blank: Number
    lost: Number
    unlabelled: Number


@dataclass(frozen=True)
class Picture:
    """One picture of the grid.

    Attributes:
        file: Key of the album, or file relative to the out folder.
        row: Row of the image in its split.
        image: What the image is called.
        transform: Name of the transform, "" for the image as it is.
        draw: Number of the draw.
        label: Its class, its tags, or the shares of both images where two were mixed.
        objects: How many objects are still marked, or None where nothing is.
        share: How much of a mixed image is its own, or None.
    """

    file: str
    row: int
    image: str
    transform: str
    draw: int
    label: str
    objects: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class Augmented:
    """Transforms of some images.

    Attributes:
        data: Name of the data.
        split: Which split.
        task: What is marked in it.
        n: Images shown and measured.
        draws: Draws shown of each.
        measured: Draws measured of each.
        seed: Of the draws.
        transforms: One row a transform.
        pictures: One a picture.
        sheet: Picture of everything: an image a row, a transform a column.
        visible: An object with less than this share in sight is gone.
        left_out: What is not shown, and why.
    """

    data: str
    split: str
    task: str
    n: int
    draws: int
    measured: int
    seed: int
    transforms: tuple[Change, ...]
    pictures: tuple[Picture, ...]
    sheet: str
    visible: float
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """What `convert` wrote.

    Attributes:
        data: Name of the data.
        layout: How they were recognised and divided, as one sentence.
        to: The layout that they were written in.
        images: How many images.
        objects: How many boxes or masks of objects.
        said: What was written, in one line, with what had to be kept elsewhere.
        folder: Where.
    """

    data: str
    layout: str
    to: str
    images: int
    objects: int
    said: str
    folder: str
