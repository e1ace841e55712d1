"""The section on a vision transformer: where its heads look, its positions, its patches, its class token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from striate.core.number import Number
from striate.inside.attention.payload import Attended, AttendedImage

from .charts import Axis, Chart, Level, Series, line_chart
from .format import count, fixed, named, value_of
from .looks import colour_bar
from .pictures import Picture, Shelf
from .section import Section

INPUT = 128
LARGE = 360  # short side of a sheet of tiles


@dataclass(frozen=True)
class Looking:
    """One image with where its heads look."""

    row: AttendedImage
    input: Picture | None
    picture: Picture
    scale: Markup
    turn: str


def attention_pictures(attended: Attended) -> Iterator[str]:
    """Keys of the pictures of the section, those first that it must not lack."""
    for image in attended.images:
        yield from (image.picture, image.input_picture)
    if attended.positions is not None:
        yield attended.positions.picture
    if attended.patches is not None:
        yield attended.patches.picture


def attention_section(attended: Attended | None, shelf: Shelf) -> Section | None:
    """Where the heads of a transformer look."""
    if attended is None:
        return None
    looking = []
    for place, row in enumerate(attended.images):
        words = f"attention of {row.image}: a row for each of {len(attended.sites)} layers, a column for each head"
        picture = shelf.show(row.picture, words, target=LARGE)
        if picture is not None:
            source = shelf.show(row.input_picture, f"{row.image}, as the net takes it", target=INPUT)
            scale = colour_bar(f"attention-ramp-{place}", row.limits, False, "share of attention")
            looking.append(Looking(row, source, picture, scale, _turn(row)))
    positions, patches = attended.positions, attended.patches
    content = {
        "attended": attended,
        "read": _read(attended),
        "images": looking,
        "reach": _reach_chart(attended),
        "heads": _heads(attended),
        "path": _path_chart(attended),
        "updates": [(f"block {place}", step.update) for place, step in enumerate(attended.path)],
        "positions": positions and shelf.show(positions.picture, "cosines of positions", target=LARGE),
        "position_scale": positions and colour_bar("position-ramp", positions.limits, True, "cosine"),
        "patches": patches and shelf.show(patches.picture, "principal components of the patch filters", target=160),
        "shares": patches and fixed(100 * sum(patches.shares), 0),
        "components": patches and len(patches.shares),
    }
    return Section("attention", "Attention", attention_claim(attended), content)


def attention_claim(attended: Attended) -> str:
    """Whether some heads look near from the first layer on, and whether positions know their place."""
    nearest = min(attended.reach, key=lambda each: float(each.distance))
    farthest = max(attended.reach, key=lambda each: float(each.distance))
    claim = (
        f"Its heads look from {value_of(nearest.distance)} px away (layer {nearest.layer}, head {nearest.head}) to "
        f"{value_of(farthest.distance)} px (layer {farthest.layer}, head {farthest.head}); looking everywhere alike "
        f"is {fixed(attended.even, 1)} px."
    )
    found = attended.positions
    if found is not None and found.near.value is not None and found.far.value is not None:
        if found.near.value > found.far.value:
            return f"{claim} Positions of neighbours are more alike than distant ones."
        return f"{claim} Positions of neighbours are no more alike than distant ones: it has not learnt the grid."
    return claim


def _read(attended: Attended) -> str:
    if len(attended.read) == attended.rows * attended.columns:
        return "all patches"
    if attended.read == (0,):
        return "the class token"
    return count(len(attended.read), "token")


def _turn(row: AttendedImage) -> str:
    """From which block on the head says what the net says."""
    if not row.guesses:
        return ""
    first = len(row.guesses)
    while first and row.guesses[first - 1] == row.guesses[-1]:
        first -= 1
    return f"{named(row.guesses[-1])} from block {first} on" if first else f"{named(row.guesses[-1])} after every block"


def _reach_chart(attended: Attended) -> Chart:
    layers = [[each.distance for each in attended.reach if each.layer == at] for at in range(len(attended.sites))]
    series = [
        Series("farthest head", tuple((at, max(row, key=float)) for at, row in enumerate(layers))),
        Series("mean of heads", tuple((at, _mean(row)) for at, row in enumerate(layers))),
        Series("nearest head", tuple((at, min(row, key=float)) for at, row in enumerate(layers))),
    ]
    first, last = (float(_mean(layers[at])) for at in (0, -1))
    title = f"Mean attention distance {fixed(first, 1)} px in the first layer, {fixed(last, 1)} px in the last"
    levels = [Level(attended.even, f"even {fixed(attended.even, 1)}")]
    return line_chart(
        title,
        series,
        key="reach",
        x=Axis("layer"),
        y=Axis("distance, px", 0),
        levels=levels,
        x_names=[str(at) for at in range(len(layers))],
    )


def _mean(row: list[Number]) -> Number:
    return Number(sum(float(each) for each in row) / len(row), why="mean over heads")


def _heads(attended: Attended) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Every head's distance, a row a layer."""
    rows = [
        (str(layer), *(value_of(each.distance) for each in attended.reach if each.layer == layer))
        for layer in range(len(attended.sites))
    ]
    return ("layer", *(f"head {head}" for head in range(attended.heads))), rows


def _path_chart(attended: Attended) -> Chart | None:
    if not attended.path:
        return None
    series = [
        Series("same class", tuple((at, step.agrees) for at, step in enumerate(attended.path))),
        Series("probability", tuple((at, step.probability) for at, step in enumerate(attended.path))),
    ]
    last = len(attended.path) - 1
    first = next((at for at, step in enumerate(attended.path) if float(step.agrees) >= 0.5), last)
    title = f"From block {first} of {last} on, the head would give most images their final class"
    if first == last:
        title = "Before the last block, the head would give less than half of the images their final class"
    return line_chart(
        title,
        series,
        key="path",
        x=Axis("block"),
        y=Axis("share of images, probability, %", 0, 1, percent=True),
        x_names=[str(at) for at in range(len(attended.path))],
    )
