"""The page of filters: images under those made by hand, and a net's first layer beside them."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.report import Report
from striate.inside.filtering.payload import Filtered, FilterMap, Paired

from . import record
from .format import count, named, value_of
from .outline import Outline
from .pictures import Picture, Shelf
from .section import Figure, Section
from .verdict import Headline

MAP = 176
SMALL = 72


@dataclass(frozen=True)
class Seen:
    """One image with its maps as they are shown."""

    name: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Pair:
    """One filter, the one made by hand, what the net makes of the images."""

    unit: int
    nearest: str
    correlation: str
    filter: Picture
    hand: Picture
    maps: tuple[Picture, ...]


def outline(report: Report[Filtered]) -> Outline:
    """What filters put on their page."""
    result = report.result
    pictures = [key for image in result.images for key in (image.picture, *(each.picture for each in image.maps))]
    first = result.first
    if first is not None:
        pictures += [key for pair in first.pairs for key in (pair.picture, pair.hand)]
        pictures += [each.picture for each in first.maps]
        pictures += [key for pair in first.pairs for key in pair.maps]
    headlines = (
        ()
        if first is None
        else (Headline("", "median likeness of the net's filters", first.median, percent=False, note="1 is the same"),)
    )
    return Outline(
        subject="Filters",
        other=", ".join(named(image.name, 24) for image in result.images[:3]),
        lead=lead(result),
        headlines=headlines,
        pictures=tuple(pictures),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def lead(result: Filtered) -> str:
    """What was made of the images."""
    kinds = len(result.images[0].maps)
    words = f"{count(len(result.images), 'image')} under {kinds} filters made by hand."
    if result.first is not None:
        words += f" {first_claim(result)}"
    return words


def first_claim(result: Filtered) -> str:
    """How like filters made by hand those of the net are."""
    first = result.first
    if first is None:
        return ""
    return (
        f"The {count(first.filters, 'filter')} of the first layer of {named(first.net)} and the nearest made by hand "
        f"have a correlation of {value_of(first.median)} in the median."
    )


def _sections(report: Report[Filtered], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    limits = ["Each map has its own limits, stated below it: colours of two maps are not to be compared."]
    if result.first is not None:
        limits.append(
            "A likeness is the largest over 776 templates in a window of the filter's size: small filters, of 3 by 3 "
            "pixels, are like one of so many whatever they are."
        )
    found = (
        _classical(result, shelf),
        _first(result, shelf),
        _deeper(result, shelf),
        record.method_section(report, dropped, limits=limits, left_out=result.left_out),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def _classical(result: Filtered, shelf: Shelf) -> Section:
    seen = []
    for image in result.images:
        height, width = image.size
        figures = [_figure(shelf, image.picture, image.name, (("", image.name), ("", f"{width} x {height} pixels")))]
        figures += [_map(shelf, each, image.name) for each in image.maps]
        seen.append(Seen(image.name, tuple(each for each in figures if each is not None)))
    claim = "Slopes, spots and waves stand out under filters made by hand; edges and regions follow from them."
    return Section("by-hand", "By hand", claim, {"images": seen})


def _map(shelf: Shelf, each: FilterMap, name: str) -> Figure | None:
    low, high = (f"{end:.2g}".replace("-", "−") for end in each.limits)
    ends = f"{low} to {high}" if each.name not in ("Normalized cuts", "Canny") else ""
    return _figure(
        shelf,
        each.picture,
        f"{name}: {each.name}",
        (("", each.name), ("", each.said), *((("", ends),) if ends else ())),
    )


def _figure(shelf: Shelf, key: str, alt: str, lines: tuple[tuple[str, str], ...]) -> Figure | None:
    picture = shelf.show(key, alt, target=MAP)
    return None if picture is None else Figure(picture, lines)


def _first(result: Filtered, shelf: Shelf) -> Section | None:
    first = result.first
    if first is None:
        return None
    pairs = [pair for each in first.pairs if (pair := _pair(shelf, each)) is not None]
    content = {
        "pairs": pairs,
        "layer": first.layer,
        "side": first.side,
        "shown": len(pairs),
        "filters": first.filters,
    }
    return Section("beside", "The net", first_claim(result), content)


def _pair(shelf: Shelf, each: Paired) -> Pair | None:
    weights = shelf.show(each.picture, f"filter {each.unit}", target=SMALL)
    hand = shelf.show(each.hand, each.nearest, target=SMALL)
    if weights is None or hand is None:
        return None
    maps = tuple(
        picture for key in each.maps if (picture := shelf.show(key, f"map of filter {each.unit}", target=SMALL + 24))
    )
    return Pair(each.unit, each.nearest, value_of(each.correlation), weights, hand, maps)


def _deeper(result: Filtered, shelf: Shelf) -> Section | None:
    first = result.first
    if first is None or not first.maps:
        return None
    figures = [
        figure
        for each in first.maps
        if (figure := _figure(shelf, each.picture, f"{each.name} of {first.deeper}", (("", each.name),))) is not None
    ]
    claim = f"The layer {named(first.deeper)} on the first image, {count(len(figures), 'unit')}."
    return Section("deeper", "Layer", claim, {"figures": figures})
