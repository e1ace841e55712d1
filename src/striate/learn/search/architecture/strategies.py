"""Strategies of architecture search: each asks for one architecture after the other, at a budget of trainings."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .space import Draw, Space

Evaluate = Callable[[str], float]  # the figure on dev of a code that has been trained; higher is better
MOST_DRAWS = 200  # codes that are drawn to find one that is new


@dataclass(frozen=True)
class Evaluated:
    """A code and its figure."""

    code: str
    value: float


def search_randomly(space: Space, evaluate: Evaluate, *, budget: int, seed: int) -> list[Evaluated]:
    """``budget`` different architectures, each as likely as another.

    Source: Li & Talwalkar 2019, "Random search and reproducibility for neural architecture search", the baseline that
    a strategy has to beat.
    """
    draw, history = Draw(Rng(seed, "architecture/random")), list[Evaluated]()
    while len(history) < budget:
        code = fresh(lambda: space.sample(draw), space, history)
        history.append(Evaluated(code, evaluate(code)))
    return history


def evolve(
    space: Space, evaluate: Evaluate, *, budget: int, seed: int, population: int = 10, sample: int = 4
) -> list[Evaluated]:
    """Regularised evolution: of a few drawn from the population the best has a child, and the oldest dies.

    Source: Real, Aggarwal, Huang & Le 2019, algorithm 1 (there a population of 100, samples of 25, 20,000 models). It
    differs in one way: a child that computes what has been tried before is drawn again, so that the budget is spent on
    different architectures, as random search spends it.

    Raises:
        StriateError: The population is larger than the budget, or the sample larger than the population.
    """
    if not 1 <= sample <= population:
        raise StriateError(f"samples of {sample} from a population of {population}", accepted="1 to the population")
    draw, history = Draw(Rng(seed, "architecture/evolution")), list[Evaluated]()
    alive: deque[Evaluated] = deque()
    while len(history) < budget:
        if len(alive) < population:
            code = fresh(lambda: space.sample(draw), space, history)
        else:
            drawn = [alive[draw.below(len(alive))] for _ in range(sample)]
            parent = max(drawn, key=lambda each: each.value)
            code = fresh(lambda parent=parent: space.mutate(parent.code, draw), space, history, deeper=space, draw=draw)  # type: ignore[misc]
        child = Evaluated(code, evaluate(code))
        history.append(child)
        alive.append(child)
        if len(alive) > population:
            alive.popleft()
    return history


def train_the_first(
    space: Space, evaluate: Evaluate, *, ranked: Sequence[str], budget: int, paid: float = 0.0
) -> list[Evaluated]:
    """Trains architectures in an order that is known beforehand, as far as the budget goes.

    Args:
        space: Where they come from.
        evaluate: Trains one.
        ranked: Codes, the most promising first; ones that compute the same are tried once.
        budget: Trainings in all.
        paid: What the order has cost, in trainings; it is taken off.
    """
    history: list[Evaluated] = []
    seen: set[str] = set()
    for code in ranked:
        if len(history) >= int(budget - paid):
            break
        if space.canonical(code) not in seen:
            seen.add(space.canonical(code))
            history.append(Evaluated(code, evaluate(code)))
    return history


def fresh(
    propose: Callable[[], str],
    space: Space,
    history: Sequence[Evaluated],
    *,
    deeper: Space | None = None,
    draw: Draw | None = None,
) -> str:
    """A proposal that computes what none before did; where all near ones are known, one some mutations further.

    Raises:
        StriateError: Nothing new was found: the space is used up.
    """
    known = {space.canonical(each.code) for each in history}
    code = propose()
    for number in range(1, MOST_DRAWS):
        if space.canonical(code) not in known:
            return code
        further = deeper is not None and draw is not None and number % 20 == 0
        code = deeper.mutate(code, draw) if further and deeper and draw else propose()
    raise StriateError(
        f"after {len(known)} different architectures no new one was found",
        accepted="a smaller budget, or a larger space",
    )


def best_so_far(history: Sequence[Evaluated]) -> list[float]:
    """The best figure after each training."""
    best, course = float("-inf"), []
    for each in history:
        best = max(best, each.value)
        course.append(best)
    return course
