"""What is known of a figure before it is computed. Nothing heavy is loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from striate.core.registry import Entry

Kind = Literal["X", "A", "E", "P"]
KINDS: dict[Kind, str] = {
    "X": "exact arithmetic",
    "A": "table of an architecture",
    "E": "experiment",
    "P": "picture with a check",
}
LECTURES = {
    "B": "Training networks and the properties of CNNs",
    "V": "An overview of CNNs and their uses",
    "C": "Learning-based vision",
    "U": "More CNNs",
    **{f"K{number}": f"Computer vision and deep learning, lecture {number}" for number in range(1, 14)},
}


@dataclass(frozen=True)
class Figure(Entry):
    """One figure, described without loading its code.

    Attributes:
        where: The lectures in which it stands, in words.
        kind: A key of `KINDS`.
        cost: ``"s"`` for seconds, ``"m"`` for minutes on two cores; such a figure is computed only when it is named.
        needs: Files that do not come with Striate, in words; such a figure is computed only when it is named.
    """

    where: str = ""
    kind: Kind = "X"
    cost: Literal["s", "m"] = "s"
    needs: str = ""


Row = tuple[str, str, str, Kind] | tuple[str, str, str, Kind, str]  # id, title, lectures, kind, keys of papers


def figures_of(module: str, *rows: Row, needs: str = "", cost: Literal["s", "m"] = "s") -> dict[str, Figure]:
    """The figures of one module, by id; the function that computes one is called like it."""
    found = {}
    for name, title, lectures, kind, *papers in rows:
        places = [
            f"{LECTURES[code]}{': ' if part else ''}{part}"
            for code, _, part in (each.strip().partition(" ") for each in lectures.split(";"))
        ]
        target = f"striate.figures.{module}:{name.replace('-', '_')}"
        cites = tuple(papers[0].split()) if papers else ()
        found[name] = Figure(target, title, cites, where="; ".join(places), kind=kind, needs=needs, cost=cost)
    return found
