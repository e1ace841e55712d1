"""What `search` gives: the space, every trial, the best one with its figure on test, and what mattered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from striate.core.number import Number

Value = bool | int | float | str
TrialState = Literal["complete", "pruned", "failed", "running"]


@dataclass(frozen=True)
class Part:
    """One parameter of a space.

    Attributes:
        name: As in ``name=...``.
        kind: ``float`` and ``int`` lie between ``low`` and ``high``, both included; ``choice`` is one of ``choices``.
        owner: Whose field it is: ``recipe``, ``optimizer``, ``schedule``, ``augment``, ``net``.
        low: Lower end.
        high: Upper end.
        log: Drawn evenly on a logarithmic scale.
        step: Distance of whole numbers.
        choices: What it may be, as texts.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    owner: str = ""
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: int = 1
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One set of parameters, tried.

    Attributes:
        number: From 0, in the order of beginning.
        parameters: By name.
        value: The best epoch's figure on dev; of a pruned trial the best up to there; None of a failed one.
        state: ``pruned``: stopped as it lagged behind others; ``failed``: it has no value, and ``why`` says so.
        why: Of a failed or pruned trial.
        seconds: By the clock; of one that trained nothing what the look at it took.
        epochs: Passes over the training images that were made.
        course: The figure on dev after each epoch.
        costs: Other figures of it by name: multiply-adds, weights, milliseconds, proxies.
    """

    number: int
    parameters: Mapping[str, Value]
    value: float | None
    state: TrialState
    why: str = ""
    seconds: float = 0.0
    epochs: int = 0
    course: tuple[float, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BestTrial:
    """The trial that is best on dev.

    Attributes:
        number: Which.
        parameters: Its parameters.
        dev: Its figure on dev, which chose it, with its interval as if nothing had been chosen.
        test: The same figure on test, measured once, after the search.
        too_good: How much better dev is than test, with its interval.
        chance: How much the best of so many would be too good if all were equally good: an upper bound.
        run: Its run folder; "" where it is not here.
        command: The command that trains it again.
    """

    number: int
    parameters: Mapping[str, Value]
    dev: Number
    test: Number
    too_good: Number
    chance: Number
    run: str
    command: str


@dataclass(frozen=True)
class Importance:
    """How much of the variance of the figure over the space one parameter explains, from 0 to 1."""

    name: str
    share: Number


@dataclass(frozen=True)
class Agreement:
    """How well what is known before training ranks what training gives: Spearman's rho over ``n`` architectures."""

    name: str
    rho: Number
    seconds: float


@dataclass(frozen=True)
class Search:
    """A search, finished or not.

    Attributes:
        net: What is trained, without the options that are searched.
        data: On what.
        recipe: The recipe that is varied.
        epochs: Passes a trial makes unless it is pruned.
        figure: The figure on dev that chooses.
        highest: Whether the highest is best.
        sampler: How parameters are proposed; in a search of architectures the strategy.
        pruner: How trials are stopped early.
        space: What is searched.
        trials: All, in the order of beginning.
        best: The best one, None where no trial has a value.
        importances: The most important first; empty where there are too few trials.
        importances_why: Why there are none.
        default: Number of the trial of the recipe as it is, None where it lies outside of the space.
        asked: How many trials were asked for.
        study: Name of the study in its storage.
        storage: Where the trials are kept, without passwords.
        architecture: ``cell`` or ``macro``, "" where no architecture is searched.
        front: Numbers of the trials that no other beats in both figure and multiply-adds.
        agreements: What proxies are worth.
        budget: What was spent, in trainings of one architecture, by name.
    """

    net: str
    data: str
    recipe: str
    epochs: int
    figure: str
    highest: bool
    sampler: str
    pruner: str
    space: tuple[Part, ...]
    trials: tuple[Trial, ...]
    best: BestTrial | None
    importances: tuple[Importance, ...] = ()
    importances_why: str = ""
    default: int | None = None
    asked: int = 0
    study: str = ""
    storage: str = ""
    architecture: str = ""
    front: tuple[int, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    budget: Mapping[str, float] = field(default_factory=dict)

    def better(self, one: float, other: float) -> bool:
        """Whether one figure is better than another."""
        return one > other if self.highest else one < other
