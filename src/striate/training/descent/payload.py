"""What `descend` gives: for each surface its heights and the path of each optimiser."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number

Place = tuple[float, float]


@dataclass(frozen=True)
class Path:
    """One optimiser on one surface.

    Attributes:
        optimizer: Its name.
        rate: Its learning rate.
        tuned: Whether that is the best of several, on this very surface.
        places: Where it stands after each step, the start first; cut where it leaves all bounds.
        losses: The height there.
        evaluations: How often the surface was looked at.
        arrived: The step from which on it stays within `TOLERANCE` of the start's height above the lowest point.
        diverged: Whether it left all bounds.
    """

    optimizer: str
    rate: float
    tuned: bool
    places: tuple[Place, ...]
    losses: tuple[float, ...]
    evaluations: int
    arrived: Number
    diverged: bool


@dataclass(frozen=True)
class Scene:
    """One surface.

    Attributes:
        surface: Its name.
        formula: The loss, in words.
        lowest: Its least height.
        minima: Where that is.
        start: Where all begin.
        window: What is drawn: x from, x to, y from, y to.
        grid: Heights, rows from y low to y high, columns from x low to x high, evenly over the window.
        paths: One for each optimiser.
        film: Album key of the film.
    """

    surface: str
    formula: str
    lowest: float
    minima: tuple[Place, ...]
    start: Place
    window: tuple[float, float, float, float]
    grid: tuple[tuple[float, ...], ...]
    paths: tuple[Path, ...]
    film: str = ""


@dataclass(frozen=True)
class Descent:
    """A race of optimisers.

    Attributes:
        steps: Steps of each.
        rule: How the rates were chosen.
        scenes: One for each surface.
        left_out: What does not run here, and why.
    """

    steps: int
    rule: str
    scenes: tuple[Scene, ...]
    left_out: tuple[str, ...] = ()
