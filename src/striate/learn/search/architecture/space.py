"""Spaces of architectures: codes that can be drawn, changed in one place, and built by name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Protocol

import torch

from striate.core.rng import Rng
from striate.nets.own.cell import EDGES, NODES

DIGITS = "01234"  # operations of a cell's edge, see `striate.nets.own.cell.OPERATIONS`


@dataclass
class Draw:
    """Whole numbers drawn one after the other from (seed, name); no state elsewhere is touched."""

    rng: Rng
    taken: int = 0

    def below(self, high: int) -> int:
        """A whole number from 0 to below ``high``."""
        self.taken += 1
        return int(self.rng.integers(torch.tensor([self.taken]), high=high)[0])


class Space(Protocol):
    """A finite set of architectures, each a text."""

    name: str

    def sample(self, draw: Draw) -> str:
        """A code, each as likely as another."""

    def mutate(self, code: str, draw: Draw) -> str:
        """Another code that differs in one place."""

    def net(self, code: str) -> str:
        """The name that `striate.nets.load.load_net` builds it by."""

    def canonical(self, code: str) -> str:
        """A text that codes share which compute the same."""


@dataclass(frozen=True)
class CellSpace:
    """Cells of four nodes: one operation for each of six edges.

    Attributes:
        digits: The operations that may be taken.
        width: Channels of the first run of cells.
        cells: Cells a run.
        halving: What stands between runs.

    Source: Dong & Yang 2020, "NAS-Bench-201", section 2.1. Mutation is that of Real et al. 2019, section 3.1, for
    operations alone: these cells have no free connections.
    """

    digits: str = DIGITS
    width: int = 16
    cells: int = 1
    halving: str = "residual"
    name: str = "cell"

    def sample(self, draw: Draw) -> str:
        """A code, each as likely as another."""
        return "".join(self.digits[draw.below(len(self.digits))] for _ in EDGES)

    def mutate(self, code: str, draw: Draw) -> str:
        """Another operation at one edge."""
        place = draw.below(len(code))
        others = self.digits.replace(code[place], "")
        return f"{code[:place]}{others[draw.below(len(others))]}{code[place + 1 :]}"

    def net(self, code: str) -> str:
        """``striate/cell+code=...``."""
        other = "" if self.halving == "residual" else f"+halving={self.halving}"
        return f"striate/cell+code={code}+cells={self.cells}+width={self.width}{other}"

    def canonical(self, code: str) -> str:
        """The last node as a sum of terms: what nothing reaches is left out, what is skipped is put in its place.

        Source: Dong & Yang 2020, section 2.1, where 6,466 of 15,625 cells differ; here 4,930, as the brackets of
        sums within sums are opened too. (The shift that batch norm learns on an edge from nothing is neglected.)
        """
        digit = dict(zip(EDGES, code, strict=True))
        nodes: list[tuple[str, ...]] = [("x",)]
        for node in range(1, NODES):
            terms: list[str] = []
            for source in range(node):
                came, how = nodes[source], digit[source, node]
                if how == "1":
                    terms += came
                elif how != "0" and came:
                    terms.append(f"{how}({'+'.join(came)})")
            nodes.append(tuple(sorted(terms)))
        return "+".join(nodes[-1]) or "0"

    def all(self) -> list[str]:
        """Every code, in order."""
        return ["".join(each) for each in product(self.digits, repeat=len(EDGES))]


@dataclass(frozen=True)
class MacroSpace:
    """Plain stages: depth, width and kernel of each of three."""

    depths: tuple[int, ...] = (1, 2, 3)
    widths: tuple[int, ...] = (8, 16, 32, 64)
    kernels: tuple[int, ...] = (1, 3, 5)
    stages: int = 3
    name: str = "macro"

    def sample(self, draw: Draw) -> str:
        """A code, each as likely as another."""
        return "/".join(
            "-".join(str(values[draw.below(len(values))]) for _ in range(self.stages)) for values in self._choices
        )

    def mutate(self, code: str, draw: Draw) -> str:
        """Another depth, width or kernel of one stage."""
        parts = [part.split("-") for part in code.split("/")]
        row, column = draw.below(len(parts)), draw.below(self.stages)
        others = [str(value) for value in self._choices[row] if str(value) != parts[row][column]]
        parts[row][column] = others[draw.below(len(others))]
        return "/".join("-".join(part) for part in parts)

    def net(self, code: str) -> str:
        """``striate/stages+depths=...+widths=...+kernels=...``."""
        depths, widths, kernels = code.split("/")
        return f"striate/stages+depths={depths}+widths={widths}+kernels={kernels}"

    def canonical(self, code: str) -> str:
        """The code itself: no two compute the same."""
        return code

    @property
    def _choices(self) -> tuple[tuple[int, ...], ...]:
        return self.depths, self.widths, self.kernels


SPACES: dict[str, Space] = {"cell": CellSpace(), "macro": MacroSpace()}
