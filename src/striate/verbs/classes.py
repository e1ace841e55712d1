"""Classes by name or number."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.errors import StriateError, UnknownNameError


def class_number(given: str | int, classes: Sequence[str]) -> int:
    """The number of a class given by its number or its name (letter case does not count).

    Raises:
        StriateError: The number is out of range, or no class or several have that name.
    """
    text = str(given).strip()
    if text.lstrip("-").isdigit():
        number = int(text)
        if not 0 <= number < len(classes):
            raise StriateError(f"class {number} is out of range", accepted=f"0 to {len(classes) - 1}, or a class name")
        return number
    matches = [index for index, name in enumerate(classes) if name.lower() == text.lower()]
    if len(matches) > 1:
        raise StriateError(f"{len(matches)} classes are named {text!r}", accepted=f"a number: {matches}")
    if not matches:
        raise UnknownNameError("class", text, classes)
    return matches[0]
