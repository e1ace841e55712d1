"""Options of `synthesize`, for all its kinds; `kinds.KINDS` says which kind takes which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from .options import Computing, NetLike, Option, number, words
from .options import count as count_of


def channels(text: str) -> tuple[int, ...]:
    """Whole numbers and ranges separated by commas: ``3,8-11`` is 3, 8, 9, 10, 11; ``all`` is an empty tuple."""
    from striate.core.errors import StriateError

    if text.strip() == "all":
        return ()
    found: list[int] = []
    for part in words(text):
        first, dash, last = part.partition("-")
        try:
            found += range(int(first), int(last if dash else first) + 1)
        except ValueError as error:
            raise StriateError(f"channel is {text!r}", accepted="numbers and ranges such as 3,8-11, or all") from error
    if not found:
        raise StriateError(f"channel is {text!r}", accepted="numbers and ranges such as 3,8-11, or all")
    return tuple(found)


def place(text: str) -> tuple[int, ...]:
    """A place in maps: ``6,6`` is row 6, column 6."""
    from striate.core.errors import StriateError

    try:
        found = tuple(int(part) for part in words(text))
    except ValueError as error:
        raise StriateError(f"place is {text!r}", accepted="ROW,COLUMN such as 6,6") from error
    if len(found) not in {1, 2}:
        raise StriateError(f"place is {text!r}", accepted="ROW,COLUMN such as 6,6")
    return found


def files(given: str | Path | tuple[str | Path, ...]) -> tuple[str, ...]:
    """Paths separated by commas."""
    return words(str(given)) if isinstance(given, (str, Path)) else tuple(map(str, given))


Files = str | Path | tuple[str | Path, ...]


class Painting(Computing, total=False):
    """What kinds of synthesis take; None is the kind's own default."""

    target: Annotated[
        str | tuple[str, ...] | None,
        Option("classes, by name or number (default: the first ten; fool: also all)", "CLASS[,CLASS]", words),
    ]
    layer: Annotated[
        str | None,
        Option(
            "site or module path; `striate summary NET` lists them (invert: several, output, or all)", "SITE[,SITE]"
        ),
    ]
    channel: Annotated[
        str | int | tuple[int, ...] | None, Option("channels of the layer: numbers, ranges, or all", "3,8-11", channels)
    ]
    place: Annotated[
        str | tuple[int, ...] | None, Option("row and column of a unit in its map (default: the middle)", "R,C", place)
    ]
    image: Annotated[Files | None, Option("pictures to start from or to look at", "FILE[,FILE]", files)]
    guide: Annotated[str | Path | None, Option("picture whose parts are to be found (dream)", "FILE", str)]
    style: Annotated[Files | None, Option("pictures whose style is taken", "FILE[,FILE]", files)]
    mask: Annotated[
        Files | None, Option("one a style: white where the picture takes it, black where not", "FILE[,FILE]", files)
    ]
    content: Annotated[
        float | None, Option("weight of the content against the style", "W", lambda t: number(t, "content"))
    ]
    keep_colour: Annotated[bool, Option("keep the picture's own colours", default=False)]
    search: Annotated[str | None, Option("adam, or lbfgs (default: the kind's)", "NAME")]
    space: Annotated[str | None, Option("morph: pixel, code or latent (by --layer code, by --prior latent)", "NAME")]
    steps: Annotated[
        int | None, Option("steps of the search (default: the kind's)", "N", parse=lambda t: count_of(t, "steps"))
    ]
    size: Annotated[
        int | None,
        Option("side in pixels; of pictures the shorter (default: the net's own)", "PX", lambda t: count_of(t, "size")),
    ]
    count: Annotated[
        int | None,
        Option(
            "how many of each: starts, directions, facets, inverses, frames of a film",
            "N",
            lambda t: count_of(t, "count"),
        ),
    ]
    negative: Annotated[bool, Option("also what raises it least", default=False)]
    data: Annotated[str | Path | None, Option("data set with pictures of the class (facets)", "DATA")]
    octaves: Annotated[
        int | None,
        Option("sizes that are worked at, from small to large (dream: 4)", "N", lambda t: count_of(t, "octaves")),
    ]
    rate: Annotated[
        float | None,
        Option("mean change of a pixel in a step (dream: 1.5/255)", "R", lambda t: number(t, "rate")),
    ]
    zoom: Annotated[
        int | None, Option("frames of a film that zooms into the dream", "FRAMES", lambda t: count_of(t, "zoom"))
    ]
    prior: Annotated[
        str | Path | None, Option("run of `train --task decode` (class, morph) or `--task style` (stylize)", "RUN")
    ]
    preset: Annotated[str | None, Option("way of ascending; `striate methods` lists them", "NAME")]
    way: Annotated[
        str | None,
        Option(
            "variant (fool: gradient, gradient_grey, gradient_zero, direct, cppn; style: gram, mrf; "
            "morph: linear, spherical)",
            "NAME",
        ),
    ]
    judge: Annotated[NetLike | None, Option("another net that says what it sees, best of another family", "NET")]
    film: Annotated[bool, Option("also write a film of the making", default=False)]
