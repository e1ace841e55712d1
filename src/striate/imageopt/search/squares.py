"""Random search over square changes: a square at a random place, kept where it raises the score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.problem import Problem
from striate.imageopt.region import steepest_direction

HALVED = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # steps of 10,000 after which squares lose half their area
BLOCK = 64  # steps that are drawn at once: a draw of few numbers costs as much as one of many
TILES = 5  # start of the L2 search: so many tiles along a side
TINY = 1e-12  # keeps empty windows from dividing by zero


@dataclass(frozen=True)
class Squares:
    """Squares at the edge of an Linf ball: in each, every channel goes to its lower or its upper limit.

    Begins at stripes one pixel wide. One forward pass a step, no gradient; place and signs are drawn for each image by
    its id.

    Args:
        share: Share of the image that a square covers at first; it is halved at steps 10, 50, 200, 500, 1000, 2000,
            4000, 6000 and 8000 of 10,000, which are stretched to the steps there are.

    Source: Andriushchenko et al. 2020, algorithms 1 and 2. The paper's text leaves out step 500; their code has it.
    """

    share: float = 0.8

    def __post_init__(self) -> None:
        _check_share(self.share)

    @property
    def words(self) -> str:
        """How it searches."""
        return f"random squares at the edge, of {self.share:g} of the image at first"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation for each value yielded, which holds what is to be tried next."""
        every = torch.arange(len(problem.start), device=problem.start.device)
        low, high = (problem.project(problem.start + side, every) for side in (-1.0, 1.0))
        channels, height, width = problem.start.shape[1:]
        rng = problem.rng.child("squares")
        up = rng.child("stripes").uniform(problem.ids, (channels, 1, width)).to(low.device) < 0.5
        draws = _Draws(rng, problem.ids, 2 + channels, every)

        def propose(z: Tensor, rows: Tensor, step: int) -> Tensor:
            side = min(side_at(step, problem.steps, self.share, height * width), height, width)
            numbers = draws.at(step, rows)
            down = _within(numbers[:, 0], height, side)[:, None, :, None]
            across = _within(numbers[:, 1], width, side)[:, None, None, :]
            up = (numbers[:, 2:] < 0.5)[:, :, None, None]
            return torch.where(down & across, torch.where(up, high[rows], low[rows]), z)

        return _climbed(problem, torch.where(up, high, low), propose)


@dataclass(frozen=True)
class SquaresL2:
    """Two windows a step: what one holds of the change is moved to the other, in the shape of two opposite bumps.

    Begins at a grid of such bumps. The change always has the length of the radius before it is brought into the box, so
    that what the box takes away is spent elsewhere. One forward pass a step, no gradient; places, signs and whether the
    bumps lie beside or above one another are drawn for each image by its id.

    Args:
        radius: Length of the change.
        share: As in `Squares`; a window is at least 3 pixels wide, and an odd number of them.

    Source: Andriushchenko et al. 2020, algorithm 3 and equation 2.
    """

    radius: float
    share: float = 0.8

    def __post_init__(self) -> None:
        _check_share(self.share)

    @property
    def words(self) -> str:
        """How it searches."""
        return f"windows that move an L2 change of {self.radius:g}, of {self.share:g} of the image at first"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """One evaluation for each value yielded, which holds what is to be tried next."""
        start = problem.start
        every = torch.arange(len(start), device=start.device)
        channels, height, width = start.shape[1:]
        rng = problem.rng.child("squares")
        draws = _Draws(rng, problem.ids, 5 + channels, every)

        def held(change: Tensor, rows: Tensor) -> Tensor:
            return problem.project(start[rows] + self.radius * steepest_direction(change, 2.0), rows)

        def propose(z: Tensor, rows: Tensor, step: int) -> Tensor:
            side = max(side_at(step, problem.steps, self.share, height * width), 3)
            side = min(side + (side + 1) % 2, height, width)
            numbers = draws.at(step, rows)
            to, source = (_Window(numbers[:, k : k + 2], side, z) for k in (0, 2))
            bump = _signed(bump_of(side).to(z), numbers[:, 4], numbers[:, 5:])
            return held(moved(z - start[rows], self.radius, to, source, bump), rows)

        return _climbed(problem, held(_tiles(start, rng.child("tiles"), problem.ids), every), propose)


def side_at(step: int, steps: int, share: float, area: int) -> int:
    """The side of the square at a step, at least 1: the root of the share of the area that is left to it."""
    passed = int(step / steps * 10_000)
    halvings = sum(passed > each for each in HALVED)
    return max(round(math.sqrt(share / 2**halvings * area)), 1)


@lru_cache(maxsize=64)
def bump_of(side: int) -> Tensor:
    """Two opposite bumps, one above the other, of length 1: (side, side) float64.

    Source: Andriushchenko et al. 2020, equation 2.
    """
    both = torch.zeros(side, side, dtype=torch.float64)
    both[: side // 2] = _rings(side // 2, side)
    both[side // 2 :] = -_rings(side - side // 2, side)
    return both / both.square().sum().sqrt()


def moved(change: Tensor, radius: float, to: _Window, source: _Window, bump: Tensor) -> Tensor:
    """The change with the mass of one window in another, and there along its old shape and a bump.

    Channel by channel the window gets the length that the union of both windows had, and its share of what the radius
    leaves unused. Source: Andriushchenko et al. 2020, algorithm 3.
    """
    unused = (radius**2 - change.square().sum((1, 2, 3), keepdim=True)).clamp(min=0.0)
    change = change.clone()
    old = to.cut(change)
    to.paste(change, torch.zeros_like(old))
    other = source.cut(change)
    source.paste(change, torch.zeros_like(other))
    mass = old.square().sum((2, 3), keepdim=True) + other.square().sum((2, 3), keepdim=True)
    shape = bump + old / (TINY + _length(old))
    to.paste(change, shape / (TINY + _length(shape)) * (unused / change.shape[1] + mass).sqrt())
    return change


class _Window:
    """A square window of each row, at the places that two uniform numbers (n, 2) say."""

    def __init__(self, numbers: Tensor, side: int, images: Tensor) -> None:
        height, width = images.shape[-2:]
        along = torch.arange(side, device=images.device)
        top, left = _place(numbers[:, 0], height, side), _place(numbers[:, 1], width, side)
        self.at = (
            torch.arange(len(images), device=images.device)[:, None, None, None],
            torch.arange(images.shape[1], device=images.device)[None, :, None, None],
            (top[:, None] + along)[:, None, :, None],
            (left[:, None] + along)[:, None, None, :],
        )

    def cut(self, images: Tensor) -> Tensor:
        return images[self.at]

    def paste(self, images: Tensor, values: Tensor) -> None:
        images[self.at] = values


@dataclass(eq=False)
class _Draws:
    """Uniform numbers in [0, 1) for each row and step, drawn for many steps at once."""

    rng: Rng
    ids: Tensor
    count: int
    every: Tensor
    table: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.table = torch.zeros(len(self.every), BLOCK, self.count, dtype=torch.float64, device=self.every.device)

    def at(self, step: int, rows: Tensor) -> Tensor:
        """The numbers (n, count) of these rows; rows only ever leave between the steps of a block."""
        block, place = divmod(step, BLOCK)
        if place == 0:
            self.table[rows] = self.rng.uniform(self.ids[rows.cpu()], (BLOCK, self.count), step=block).to(self.table)
        return self.table[rows, place]


def _climbed(problem: Problem, z: Tensor, propose: Callable[[Tensor, Tensor, int], Tensor]) -> Iterator[Tensor]:
    """Keeps of each row what scores highest and proposes from there; the same tensor is yielded again and again."""
    tried, best = z.clone(), z.new_full((len(z),), -torch.inf)
    for step in range(problem.steps):
        answer = problem.ask(tried, grad=False)
        better = answer.score > best[answer.rows]
        at = answer.rows[better]
        best[at], z[at] = answer.score[better].to(best), tried[at]
        rows = problem.alive
        if len(rows) > 0:
            tried[rows] = propose(z[rows], rows, step)
        yield tried


def _place(numbers: Tensor, length: int, side: int) -> Tensor:
    """The first pixel of a window of that side, uniform over all places where it fits."""
    return (numbers * (length - side + 1)).long()


def _within(numbers: Tensor, length: int, side: int) -> Tensor:
    """Which pixels of a line are in the window, (n, length)."""
    first = _place(numbers, length, side)[:, None]
    pixels = torch.arange(length, device=numbers.device)
    return (pixels >= first) & (pixels < first + side)


def _length(windows: Tensor) -> Tensor:
    return windows.square().sum((2, 3), keepdim=True).sqrt()


def _signed(bump: Tensor, turned: Tensor, signs: Tensor) -> Tensor:
    """The bump upright or turned (n,), times a sign for each channel (n, C)."""
    shape = torch.where((turned < 0.5)[:, None, None], bump, bump.T)[:, None]
    return torch.where((signs < 0.5)[:, :, None, None], shape, -shape)


def _tiles(images: Tensor, rng: Rng, ids: Tensor) -> Tensor:
    """A grid of bumps, each turned and signed by chance: the L2 search's start."""
    channels, height, width = images.shape[1:]
    side = max(height // TILES, 1)
    first = (height - side * min(TILES, height)) // 2
    places = [(y, x) for y in range(first, height - side + 1, side) for x in range(first, width - side + 1, side)]
    numbers = rng.uniform(ids, (len(places), 1 + channels)).to(images)
    change, bump = torch.zeros_like(images), bump_of(side).to(images)
    for place, (y, x) in enumerate(places):
        tile = _signed(bump, numbers[:, place, 0], numbers[:, place, 1:])
        change[:, :, y : y + side, x : x + side] = tile
    return change


def _rings(height: int, width: int) -> Tensor:
    """A bump: rectangles about the middle, one within the other, the k-th adding ``1 / k^2``; of length 1."""
    total = torch.zeros(height, width, dtype=torch.float64)
    rows, columns = height // 2 + 1, width // 2 + 1
    for k in range(max(rows, columns)):
        top, left = rows - 1 - k, columns - 1 - k
        total[max(top, 0) : rows + k, max(left, 0) : columns + k] += 1.0 / (k + 1) ** 2
    return total / total.square().sum().sqrt().clamp(min=TINY)


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise StriateError(f"share of the first square is {share:g}", accepted="above 0, at most 1")
