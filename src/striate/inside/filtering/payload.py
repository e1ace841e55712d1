"""What `filters` gives: images under filters made by hand, and a net's first layer beside them."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class FilterMap:
    """One image under one filter: what was done, the picture, the ends of its scale, and what their values are."""

    name: str
    said: str
    picture: str
    limits: tuple[float, float]
    signed: bool


@dataclass(frozen=True)
class FilteredImage:
    """One image with all its maps."""

    name: str
    picture: str
    size: tuple[int, int]
    maps: tuple[FilterMap, ...]


@dataclass(frozen=True)
class Paired:
    """One filter of the net with the filter made by hand that is most like it.

    Attributes:
        unit: Its number.
        nearest: Name of the one most like it.
        correlation: Of the two, both without their mean, up to sign, at most 1; missing for a constant filter.
        picture: Its weights.
        hand: The one made by hand, with the sign that fits.
        maps: What it makes of each image; a number where the net turns them into fewer pixels.
    """

    unit: int
    nearest: str
    correlation: Number
    picture: str
    hand: str
    maps: tuple[str, ...]


@dataclass(frozen=True)
class FirstLayer:
    """The net's filters beside those made by hand.

    Attributes:
        net: Its name.
        layer: The first layer.
        filters: How many it has.
        side: Pixels of a side of one.
        median: Of their correlations.
        pairs: Those that are shown, the most alike first.
        deeper: Another layer that was asked for; "" for none.
        maps: Units of it on the first image.
    """

    net: str
    layer: str
    filters: int
    side: int
    median: Number
    pairs: tuple[Paired, ...]
    deeper: str = ""
    maps: tuple[FilterMap, ...] = ()


@dataclass(frozen=True)
class Filtered:
    """Images under filters made by hand; ``first`` where a net was given; what was left out, and why."""

    images: tuple[FilteredImage, ...]
    first: FirstLayer | None = None
    left_out: tuple[str, ...] = ()
