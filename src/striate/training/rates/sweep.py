"""The range test itself: steps at rates that rise evenly by factor, until the loss diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.core.errors import RunError, StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Splits
from striate.training.feed import FORMATS, Feed
from striate.training.init import seeded
from striate.training.optim import build_optimizer, set_rate
from striate.training.optimizers.specs import Lbfgs
from striate.training.prepare import build_task
from striate.training.recipe import Recipe
from striate.training.task import Batch

from .payload import RULE, RateSearch, Rung, Sweep

SMOOTHING = 0.9  # a moving average over about ten steps
LIMIT = 4.0  # the loss has diverged when it is so many times its lowest
SETTLED = 5  # steps before which nothing is concluded: the moving average holds few losses
WINDOW = 5  # steps to either side over which the slope is taken


def range_test(
    step: Callable[[float], float],
    *,
    low: float,
    high: float,
    steps: int,
    smoothing: float = SMOOTHING,
    limit: float = LIMIT,
    seed: int = 0,
) -> Sweep:
    """Raise the rate from ``low`` to ``high`` by the same factor a step; ``step(rate)`` learns and gives the loss.

    The loss that ``step`` gives is that of its batch before the step. Smoothed it is an exponential average freed of
    its start at 0 (Kingma & Ba 2015, section 3). The test ends where that is ``limit`` times its lowest, or no number.

    Raises:
        StriateError: The rates or the number of steps make no sweep.

    Source: Smith 2017, "Cyclical learning rates", section 3.3, whose rate rises linearly and whose measure is the
    accuracy; even steps by factor and the loss are how it is commonly done, as losses react to decades.
    """
    check_range(low, high, steps)
    rungs: list[Rung] = []
    average, lowest, diverged = 0.0, math.inf, Number.missing(f"the loss had not grown {limit:g}-fold by the last step")
    for number in range(steps):
        rate = low * (high / low) ** (number / (steps - 1))
        loss = step(rate)
        average = smoothing * average + (1 - smoothing) * loss
        smooth = average / (1 - smoothing ** (number + 1))
        if not math.isfinite(smooth):
            diverged = Number(rate)
            break
        rungs.append(Rung(rate, loss, smooth))
        if number >= SETTLED:
            lowest = min(lowest, smooth)
            if smooth > limit * lowest:
                diverged = Number(rate)
                break
    return Sweep(seed, tuple(rungs), _lowest(rungs), _steepest(rungs), diverged)


def check_range(low: float, high: float, steps: int) -> None:
    """Raises where rates and steps make no sweep."""
    if not (0 < low < high and math.isfinite(high)):
        raise StriateError(f"rates from {low:g} to {high:g}", accepted="0 < low < high")
    if steps < 4 * WINDOW:
        raise StriateError(f"steps is {steps}", accepted=f"at least {4 * WINDOW}")


def _lowest(rungs: Sequence[Rung]) -> Number:
    known = rungs[SETTLED:]
    return Number(min(known, key=lambda each: each.smooth).rate) if known else Number.missing("it diverged at once")


def _steepest(rungs: Sequence[Rung]) -> Number:
    """Where the least-squares line through the smoothed losses around a step falls fastest, by decade.

    Only up to the lowest loss: beyond it a noisy loss falls steeply from its own peaks.
    """
    best, found = 0.0, Number.missing("the loss never falls")
    end = min(range(len(rungs)), key=lambda at: rungs[at].smooth if at >= SETTLED else math.inf, default=0)
    for middle in range(SETTLED + WINDOW, min(end + 1, len(rungs) - WINDOW)):
        near = rungs[middle - WINDOW : middle + WINDOW + 1]
        xs, ys = [math.log10(each.rate) for each in near], [each.smooth for each in near]
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)
        if slope < best:
            best, found = slope, Number(rungs[middle].rate)
    return found


def search_rate(
    subject: str | Path | nn.Module,
    splits: Splits,
    *,
    recipe: Recipe,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 100,
    seeds: Sequence[int] = (0, 1, 2),
    device: str = "cpu",
    workers: int = 0,
    weights_root: Path | None = None,
    progress: Progress = SILENT,
) -> RateSearch:
    """The range test of a net on the training split, once for each seed, with the recipe's optimiser, batch and loss.

    Every run starts as `striate train` would with that seed; weights, order, random changes and dropout depend on it
    alone. A net that is given as an object is copied and left as it is.

    The rate suggested is the peak of a schedule: Smith (2017, section 3.3) takes the rate at which getting better ends
    as the upper bound and a third or a quarter of it as the lower one, and cycles between them.

    Cost: at most ``steps`` batches forward and back for each seed.

    Raises:
        StriateError: The rates make no sweep; net and data do not fit.
        RunError: The net has nothing to train, or no loss was a number.
    """
    check_range(low, high, steps)
    if isinstance(recipe.optimizer, Lbfgs):
        raise StriateError("a range test of lbfgs", accepted="an optimizer that takes one step a batch")
    if not seeds:
        raise StriateError("no seed is given", accepted="at least one")
    sweeps, name, batch = [], "", recipe.batch
    with progress.task("range test", steps * len(seeds), unit="steps") as tell:
        for seed in seeds:
            task = build_task(subject, splits, recipe=recipe, seed=seed, weights_root=weights_root)
            net = task.nets["net"].to(device).to(memory_format=FORMATS["channels_last"])
            name = str(getattr(net, "name", "")) or name
            feed = Feed(splits.train, recipe.batch, seed, torch.device(device), workers=workers, augment=recipe.augment)
            batch = min(recipe.batch, len(splits.train))
            optimizer, batches = build_optimizer(recipe.optimizer, net), endless(feed)
            net.train()

            def update(
                loss: Tensor, _name: str, _again: object = None, optimizer: torch.optim.Optimizer = optimizer
            ) -> None:
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()

            def learn(rate: float, task=task, optimizer=optimizer, batches=batches, update=update) -> float:  # type: ignore[no-untyped-def]
                set_rate(optimizer, rate)
                figures = task.step(next(batches), update)
                tell()
                return float(figures["loss"].mean())

            with seeded(seed, "train/torch"):
                sweeps.append(range_test(learn, low=low, high=high, steps=steps, seed=seed))
    if not any(len(each.rungs) for each in sweeps):
        raise RunError(f"no loss of {name} was a number, at a rate of {low:g}", hint="--low, or other starting weights")
    return RateSearch(
        net=name,
        data=splits.train.name,
        recipe=recipe.name,
        optimizer=recipe.optimizer.name,
        own=recipe.optimizer.rate,
        batch=batch,
        low=low,
        high=high,
        steps=steps,
        smoothing=SMOOTHING,
        limit=LIMIT,
        suggested=together([each.lowest for each in sweeps], times=1 / 3),
        careful=together([each.lowest for each in sweeps], times=0.1),
        steepest=together([each.steepest for each in sweeps]),
        rule=RULE,
        sweeps=tuple(sweeps),
    )


def endless(feed: Feed) -> Iterator[Batch]:
    """Batches of one epoch after another."""
    epoch = 0
    while True:
        yield from feed.shuffled(epoch)
        epoch += 1


def together(found: Sequence[Number], *, times: float = 1.0) -> Number:
    """Geometric mean of the rates that are known, with the lowest and the highest of them."""
    known = [times * each.value for each in found if each.value is not None]
    if not known:
        return Number.missing(found[0].why)
    mean = math.exp(sum(math.log(each) for each in known) / len(known))
    low, high = min(known), max(known)
    return Number(mean, min(low, mean), max(high, mean), len(known), "lowest and highest of the seeds")
