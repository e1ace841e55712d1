"""Optimisers of training on surfaces of two numbers: the same classes, built from the same values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from striate.core.errors import RunError, StriateError, UnknownNameError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.training.catalog import OPTIMIZERS
from striate.training.optim import build_optimizer
from striate.training.optimizers.specs import Lbfgs, Muon, Optimizer

from .payload import Descent, Path, Scene
from .surfaces import SURFACES, Surface

RATES = tuple(10.0 ** (power / 2) for power in range(-6, 3))  # 1e-3 to 10, two a decade
MIDDLE = 0.1  # where the best rate often lies
TOLERANCE = 1e-3  # share of the start's height above the lowest point
BOUNDS = 1e3  # beyond it an optimiser has left the surface
SIDE = 61  # points of the grid on each axis
TUNED = f"each optimiser at the best of {len(RATES)} rates from {RATES[0]:g} to {RATES[-1]:g}, on that surface"


class Point(nn.Module):
    """Two numbers to optimise, in float64."""

    def __init__(self, start: Sequence[float]) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor(start, dtype=torch.float64))


def descend_surface(
    surface: Surface, spec: Optimizer, *, steps: int, name: str = "", tuned: bool = False, beat: float = math.inf
) -> Path:
    """The path of one optimiser from the surface's start; it ends early where it leaves all bounds.

    A step of one with a line search (L-BFGS) is one iteration of it, and may look at the surface several times.

    Args:
        surface: What to go down.
        spec: The optimiser with its rate.
        steps: At most.
        name: What the path is called.
        tuned: Whether the rate was chosen.
        beat: A number of steps; the path also ends where it can no longer arrive within so many.

    Raises:
        RunError: The optimiser is not made for a point of two numbers.
    """
    point, looks = Point(surface.start), 0
    optimizer = build_optimizer(replace(spec, iterations=1) if isinstance(spec, Lbfgs) else spec, point)

    def closure() -> float:
        nonlocal looks
        looks += 1
        optimizer.zero_grad()
        loss = surface.loss(point.place)
        torch.autograd.backward(loss)
        return float(loss.detach())

    places, losses, diverged = [surface.start], [_height(surface, point)], False
    bound = within(losses[0], surface.lowest)
    for _ in range(steps):
        optimizer.step(closure)
        x, y = point.place.tolist()
        height = _height(surface, point)
        if not (math.isfinite(height) and max(abs(x), abs(y)) < BOUNDS):
            diverged = True
            break
        places.append((x, y))
        losses.append(height)
        if height > bound and len(losses) > beat:
            break
    arrived = Number.missing("it diverged") if diverged else arrival(losses, surface.lowest)
    return Path(name, spec.rate, tuned, tuple(places), tuple(losses), looks, arrived, diverged)


def _height(surface: Surface, point: Point) -> float:
    return float(surface.loss(point.place.detach()))


def arrival(losses: Sequence[float], lowest: float) -> Number:
    """The step from which on the height stays within the tolerance of the lowest."""
    bound = within(losses[0], lowest)
    last = max((step for step, loss in enumerate(losses) if loss > bound), default=-1)
    return Number(float(last + 1)) if last + 1 < len(losses) else Number.missing(f"not within {len(losses) - 1} steps")


def within(start: float, lowest: float) -> float:
    """The height up to which an optimiser has arrived that began at ``start``."""
    return lowest + TOLERANCE * (start - lowest)


def best_path(surface: Surface, spec: Optimizer, *, steps: int, name: str) -> Path:
    """The path at that of `RATES` which arrives first, or is lowest in the end where none arrives.

    A rate is given up as soon as it is later than the best so far; middle rates are tried first, so that most are.
    """

    def order(path: Path) -> tuple[float, float, float]:
        return (math.inf if path.arrived.value is None else path.arrived.value, path.losses[-1], path.rate)

    best: Path | None = None
    for rate in sorted(RATES, key=lambda each: abs(math.log(each / MIDDLE))):
        beat = math.inf if best is None or best.diverged else order(best)[0]
        tried = descend_surface(surface, replace(spec, rate=rate), steps=steps, name=name, tuned=True, beat=beat)
        if best is None or (tried.diverged, *order(tried)) < (best.diverged, *order(best)):
            best = tried
    assert best is not None
    return best


def race(
    surfaces: Sequence[str],
    optimizers: Sequence[str],
    *,
    steps: int = 200,
    rate: float | None = None,
    progress: Progress = SILENT,
) -> Descent:
    """Every optimiser on every surface, at ``rate``, or each at the best of `RATES`; nothing is drawn at random.

    Raises:
        UnknownNameError: No such surface or optimiser.
        StriateError: Nothing to run, no steps, or a rate that is none.
    """
    if not surfaces or not optimizers or steps < 1:
        raise StriateError(
            f"{len(surfaces)} surfaces, {len(optimizers)} optimizers, {steps} steps", accepted="1 or more"
        )
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise StriateError(f"rate is {rate}", accepted="a number above 0")
    for given, known, kind in ((surfaces, SURFACES, "surface"), (optimizers, OPTIMIZERS, "optimizer")):
        for name in given:
            if name not in known:
                raise UnknownNameError(kind, name, known)
    scenes, left_out = [], dict[str, None]()
    with progress.task("races", len(surfaces) * len(optimizers), unit="paths") as step:
        for title in dict.fromkeys(surfaces):
            surface, paths = SURFACES[title], []
            for name in dict.fromkeys(optimizers):
                spec = replace(OPTIMIZERS.load(name), weight_decay=0.0)
                if isinstance(spec, Muon):
                    left_out["muon: a point on a surface holds no matrix whose singular values it could bring to 1"] = (
                        None
                    )
                    step()
                    continue
                try:
                    path = (
                        best_path(surface, spec, steps=steps, name=name)
                        if rate is None
                        else descend_surface(surface, replace(spec, rate=rate), steps=steps, name=name)
                    )
                    paths.append(path)
                except RunError as error:  # said rather than run
                    left_out[f"{name}: {error.given}"] = None
                step()
            scenes.append(
                Scene(
                    title, surface.formula, surface.lowest, surface.minima, surface.start, surface.window,
                    surface.grid(SIDE), tuple(paths),
                )
            )  # fmt: skip
    rule = TUNED if rate is None else f"all at a rate of {rate:g}"
    return Descent(steps, rule, tuple(scenes), tuple(left_out))
