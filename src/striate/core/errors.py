"""Errors that a user can mend: what was given, what is accepted, what to try."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


class StriateError(ValueError):
    """A mistake that its maker can mend; the command line shows it as one message and leaves with exit code 2.

    Args:
        given: What was given, with its name: ``"radius is -1"``.
        accepted: What would be accepted: ``"a number of at least 0"``.
        hint: What to try next: a command, an option, a nearby name.
    """

    shared = False  # whether every process of the run raises it, so that one of them shows it

    def __init__(self, given: str, *, accepted: str = "", hint: str = "") -> None:
        self.given, self.accepted, self.hint = given, accepted, hint
        parts = [given, f"accepted: {accepted}" if accepted else "", f"try: {hint}" if hint else ""]
        super().__init__("; ".join(part.rstrip(". ") for part in parts if part))

    def __reduce__(self) -> tuple[Callable[..., StriateError], tuple[type[StriateError], str, dict[str, Any]]]:
        # others take other arguments, and still must come through from one process to another
        return _revived, (type(self), str(self), dict(vars(self)))


def _revived(kind: type[StriateError], message: str, values: dict[str, Any]) -> StriateError:
    error = kind.__new__(kind)
    error.args = (message,)
    vars(error).update(values)
    return error


class UnknownNameError(StriateError):
    """A name that is not known, with the nearest ones that are."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        names = list(known)
        near = nearest(name, names)
        self.name, self.near = name, near
        shown = ", ".join(near or names[:12])
        more = "" if near or len(names) <= 12 else f" and {len(names) - 12} more"
        super().__init__(
            f"unknown {kind} {name!r}",
            accepted=f"{'nearest are ' if near else ''}{shown}{more}" if names else "",
            hint=hint,
        )


class ImageError(StriateError):
    """A file or an array that is not an image we can take; the message holds its name."""


class RunError(StriateError):
    """A training run that could not start or go on; what it had made is kept, and the message says where."""


def nearest(name: str, known: Iterable[str], *, limit: int = 5) -> list[str]:
    """The known names that resemble ``name``, most alike first; letter case does not count."""
    by_lower: dict[str, str] = {}
    for candidate in known:
        by_lower.setdefault(candidate.lower(), candidate)
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=limit, cutoff=0.6)
    return [by_lower[lower] for lower in close]
