"""Classes by name or number."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import StriateError, UnknownNameError


def class_number(given: str | int, classes: Sequence[str], *, count: int | None = None) -> int:
    """The number of a class given by its name or its number; a name counts first, exactly, then whatever its case.

    ``count`` is how many classes there are, where not all have names.

    Raises:
        StriateError: The number is out of range, or several classes have that name.
        UnknownNameError: No class has that name; the message names the nearest.
    """
    known = len(classes) if count is None else count
    text = str(given).strip()
    places = [place for place, name in enumerate(classes) if name == text] if isinstance(given, str) else []
    if not places and isinstance(given, str):
        places = [place for place, name in enumerate(classes) if name.lower() == text.lower()]
    if len(places) > 1:
        raise StriateError(f"{text!r} is the name of {len(places)} classes", accepted=f"a number: {places}")
    if places:
        return places[0]
    if not text.lstrip("-").isdecimal():
        raise UnknownNameError("class", text, classes, hint=f"a class name, or a number below {known}")
    if not 0 <= int(text) < known:
        raise StriateError(f"class {text} is out of range", accepted=f"0 to {known - 1}, or a class name")
    return int(text)
