"""What `find-rate` gives: the loss as the rate is raised, for each seed, and the rate that it suggests."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number

RULE = "a third of the rate at which the smoothed loss is lowest, geometric mean over the seeds"


@dataclass(frozen=True)
class Rung:
    """One step: its rate, the loss of its batch as it was met, and the smoothed loss up to it."""

    rate: float
    loss: float
    smooth: float


@dataclass(frozen=True)
class Sweep:
    """One run of the test.

    Attributes:
        seed: Of weights and batches.
        rungs: Its steps, rates rising; it ends where the loss diverges.
        lowest: Rate at which the smoothed loss is lowest.
        steepest: Rate at which it falls fastest, by decade of the rate.
        diverged: Rate at which it had grown to so many times its lowest; missing where it did not.
    """

    seed: int
    rungs: tuple[Rung, ...]
    lowest: Number
    steepest: Number
    diverged: Number


@dataclass(frozen=True)
class RateSearch:
    """The range test of several seeds.

    Attributes:
        net: Name of the net.
        data: Name of the data.
        recipe: Recipe whose optimiser, batch and loss took part.
        optimizer: Name of the optimiser.
        own: Peak rate of the recipe.
        batch: Images a step.
        low: First rate.
        high: Rate of the last step, where the loss does not diverge before.
        steps: Steps from one to the other.
        smoothing: Share that the moving average of the loss keeps at each step.
        limit: The test ends where the smoothed loss is so many times its lowest.
        suggested: The rate to train with; ``low`` and ``high`` are the lowest and highest of the seeds.
        careful: A tenth of the rate of the lowest loss, likewise: for a rate that does not fall.
        steepest: Where the loss falls fastest, likewise.
        rule: How the suggestion is made.
        sweeps: One for each seed.
        instead: Optimiser that was given in place of the recipe's, as it was written.
        size: Side that images were brought to, where one was asked for.
    """

    net: str
    data: str
    recipe: str
    optimizer: str
    own: float
    batch: int
    low: float
    high: float
    steps: int
    smoothing: float
    limit: float
    suggested: Number
    careful: Number
    steepest: Number
    rule: str
    sweeps: tuple[Sweep, ...]
    instead: str = ""
    size: int | None = None
