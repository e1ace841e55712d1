"""What a payload puts on a page: its head, its verdict, its sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .pictures import Shelf
from .section import Section
from .verdict import Headline


@dataclass(frozen=True)
class Outline:
    """The page of one report, before pictures are chosen.

    Attributes:
        subject: What the page is about.
        other: What it was measured on; "" where there is nothing of the kind.
        lead: What a reader in a hurry takes along.
        headlines: Five to seven numbers.
        pictures: Keys of the pictures, those first that the page must not lack; a key may come twice.
        sections: The sections that have content, from a shelf of pictures and a word on those left out.
    """

    subject: str
    other: str
    lead: str
    headlines: tuple[Headline, ...]
    pictures: tuple[str, ...]
    sections: Callable[[Shelf, str], tuple[Section, ...]]
