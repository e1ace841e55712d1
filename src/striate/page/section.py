"""A section of the page: the sentence that it proves, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from striate.core.number import Number

from .pictures import Picture


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        id: Anchor, also the name of its template.
        name: Two words for the contents.
        claim: The sentence that it proves.
        content: What its template shows.
    """

    id: str
    name: str
    claim: str
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A picture with its caption: lines of (what, value), and that by which a gallery filters."""

    picture: Picture
    lines: tuple[tuple[str, str], ...]
    label: int | None = None
    predicted: int | None = None
    confidence: float | None = None
    slices: tuple[int, ...] = ()


def class_name(names: Sequence[str], index: int | None) -> str:
    """Name of a class, or its number where there is no name."""
    if index is None:
        return "none"
    return names[index] if 0 <= index < len(names) else f"class {index}"


def number_of(value: Number) -> float:
    """The value of a number that is known to have one."""
    if value.value is None:
        raise ValueError(value.why)
    return value.value
