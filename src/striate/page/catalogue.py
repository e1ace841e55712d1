"""What `models`, `datasets` and `methods` give: what there is, with source, licence and citation."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CatalogueRow:
    """One thing that can be named.

    Attributes:
        name: What the other verbs take.
        summary: One line that says what it is.
        source: Where it comes from, or the verb that takes it.
        licence: Licence of what it brings; empty where it brings nothing.
        cites: BibTeX keys, the paper first.
        detail: Further columns, name to text.
    """

    name: str
    summary: str
    source: str = ""
    licence: str = ""
    cites: tuple[str, ...] = ()
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """All things of one kind: ``"models"``, ``"datasets"``, ``"methods"``."""

    kind: str
    rows: tuple[CatalogueRow, ...] = ()
