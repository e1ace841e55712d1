"""What `reproduce` gives: the lecture's or paper's number, ours, the tolerance, the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Claim:
    """One number of a figure.

    Attributes:
        what: What is computed.
        source: The number that the source gives, or None where it gives none.
        right: The right number, which differs from ``source`` where the source is wrong.
        ours: The number that Striate computed just now.
        tolerance: Largest absolute difference from ``right`` that passes.
        passed: Whether ours is within the tolerance of ``right``.
        note: Where the source is wrong, what is right and by which paper.
    """

    what: str
    source: float | str | None
    right: float | str
    ours: float | str
    tolerance: float
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class FigureRow:
    """One figure, computed."""

    id: str
    title: str
    where: str
    kind: str
    passed: bool
    claims: tuple[Claim, ...]
    picture: str = ""


@dataclass(frozen=True)
class Reproduction:
    """Figures, computed now."""

    figures: tuple[FigureRow, ...] = field(default=())
    passed: int = 0
    total: int = 0
