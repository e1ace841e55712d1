"""Options of `synthesize`, for all its kinds; `kinds.KINDS` says which kind takes which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from .options import Computing, NetLike, Option, count, words


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
    layer: Annotated[str | None, Option("site or module path; `striate summary NET` lists them", "SITE")]
    image: Annotated[Files | None, Option("pictures to start from or to look at", "FILE[,FILE]", files)]
    steps: Annotated[
        int | None, Option("steps of the search (default: the kind's)", "N", parse=lambda t: count(t, "steps"))
    ]
    size: Annotated[
        int | None,
        Option("side in pixels; of pictures the shorter (default: the net's own)", "PX", lambda t: count(t, "size")),
    ]
    preset: Annotated[str | None, Option("way of ascending; `striate methods` lists them", "NAME")]
    way: Annotated[
        str | None,
        Option("variant (fool: gradient, gradient_grey, gradient_zero, direct, cppn)", "NAME"),
    ]
    judge: Annotated[NetLike | None, Option("another net that says what it sees, best of another family", "NET")]
    film: Annotated[bool, Option("also write a film of the making", default=False)]
