"""A search of architectures: every one that is asked for is trained once, written down, and never trained again."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from striate.core.codec import from_json
from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import Step
from striate.core.rng import Rng
from striate.core.storage import write_text
from striate.data.dataset import Splits
from striate.learn.search.payload import Agreement, Trial
from striate.metrics.rank_correlation import rank_correlation
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipe import Recipe

from .proxies import PROXIES, milliseconds
from .space import CellSpace, Draw, Space
from .strategies import evolve, search_randomly, train_the_first
from .supernet import Supernet, shared_accuracies, train_supernet

Strategy = Literal["evolution", "random", "supernet", "proxy", "nsga2"]
LOG = "architectures.json"
POOL = 100  # architectures that a proxy or a supernet ranks
RANKING = "synflow"  # the proxy that ranks them
SUPERNET = 4  # trainings of one architecture that the supernet's training may cost
SHOWN = 64  # images that proxies look at
JUDGED = 256  # dev images that shared weights are judged on


@dataclass
class Trainer:
    """Trains codes and keeps what they gave; calling it gives the figure on dev of one.

    Attributes:
        space: Where the codes come from.
        splits: Learnt from and chosen by; test is not looked at.
        recipe: How each is trained.
        out: Folder of the search.
        seed: Of every training.
        keep_runs: Leave all run folders, not the best one's alone.
        training: More arguments of `striate.training.loop.fit`.
        identity: What the log is about; another one in the same folder is refused.
        step: Called after each training.
        trials: What has been asked for in this call, in its order.
    """

    space: Space
    splits: Splits
    recipe: Recipe
    out: Path
    identity: Mapping[str, str]
    seed: int = 0
    keep_runs: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    step: Step = lambda *_: None
    trials: list[Trial] = field(default_factory=list)
    known: dict[str, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.out / LOG
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            before, listed = found["identity"], from_json(found["trials"], list[Trial])
        except (ValueError, KeyError, TypeError) as error:
            raise StriateError(f"{path} is no log of ours: {error}", hint="another --out") from error
        differ = [key for key in {**before, **self.identity} if before.get(key) != self.identity.get(key)]
        if differ:
            told = "; ".join(f"{key} is {self.identity.get(key)}, the search's is {before.get(key)}" for key in differ)
            raise StriateError(f"the search in {self.out} is about something else: {told}", hint="another --out")
        self.known = {str(each.parameters["code"]): each for each in listed}

    def __call__(self, code: str) -> float:
        """The best epoch's figure on dev; minus infinity of one whose loss is no number."""
        trial = self.known.get(code)
        if trial is None:
            trial = self._train(code)
            self.known[code] = trial
            listed = [asdict(each) for each in self.known.values()]
            write_text(self.out / LOG, json.dumps({"identity": dict(self.identity), "trials": listed}) + "\n")
        self.trials.append(trial)
        best = max((float(each.value) for each in self.trials if each.value is not None), default=0.0)
        self.step(1, f"best on dev {best:.4g}")
        return -math.inf if trial.value is None else trial.value

    def _train(self, code: str) -> Trial:
        number, begun, name = len(self.known), time.perf_counter(), self.space.net(code)
        folder = self.out / "trials" / f"{number:03d}"
        costs = self.costs(name)
        try:
            found = fit(
                name,
                self.splits,
                out=folder,
                recipe=self.recipe,
                seed=self.seed,
                overwrite=(folder / "run.json").exists(),
                **self.training,
            )
        except StriateError as error:
            shutil.rmtree(folder, ignore_errors=True)
            why = error.given.partition("; ")[0].replace(f"{folder}/", "")
            return Trial(
                number, {"code": code}, None, "failed", why, round(time.perf_counter() - begun, 3), costs=costs
            )
        course = tuple(each.dev("accuracy") for each in found.history)
        self._drop(number, found.best.value)
        seconds = round(time.perf_counter() - begun, 3)
        return Trial(
            number, {"code": code}, found.best.value, "complete", "", seconds, len(course), course=course, costs=costs
        )

    def _drop(self, number: int, value: float) -> None:
        """Of the run folders the best one's alone is left, unless all are kept."""
        if self.keep_runs:
            return
        before = [(float(each.value), -each.number) for each in self.known.values() if each.value is not None]
        best = -max([*before, (value, -number)])[1]
        for each in {number, *(-one for _, one in before)} - {best}:
            shutil.rmtree(self.out / "trials" / f"{each:03d}", ignore_errors=True)

    def costs(self, name: str) -> dict[str, float]:
        """What is known of an architecture before it is trained."""
        train = self.splits.train
        rows = torch.arange(min(SHOWN, len(train)))
        net = load_net(
            f"{name}.random", classes=train.classes, channels=train.channels, size=train.size, seed=self.seed
        )
        images = train.images(rows.tolist()) - 0.5
        found = {key: proxy(net.module, images, train.labels[rows]) for key, proxy in PROXIES.items()}
        return {**found, "ms": round(milliseconds(net.module, images), 3)}


def run_strategy(strategy: Strategy, trainer: Trainer, *, budget: int) -> dict[str, float]:
    """Asks for ``budget`` trainings, what a supernet costs taken off; gives what was spent, in trainings."""
    space, seed = trainer.space, trainer.seed
    paid = 0.0
    if strategy == "random":
        search_randomly(space, trainer, budget=budget, seed=seed)
    elif strategy == "evolution":
        population = max(2, min(10, budget // 3))
        evolve(space, trainer, budget=budget, seed=seed, population=population, sample=min(4, population))
    elif strategy == "nsga2":
        evolve_both(trainer, budget=budget)
    elif strategy == "proxy":
        pool = pool_of(space, seed)
        rank = sorted(pool, key=lambda code: -trainer.costs(space.net(code))[RANKING])
        train_the_first(space, trainer, ranked=rank, budget=budget)
    else:
        ranked, paid = ranked_by_supernet(trainer, budget=budget)
        train_the_first(space, trainer, ranked=ranked, budget=budget, paid=paid)
    return {"trainings": float(len(trainer.trials)), "supernet": paid}


def pool_of(space: Space, seed: int) -> list[str]:
    """Different architectures, drawn at random."""
    draw, found = Draw(Rng(seed, "architecture/pool")), dict[str, str]()
    for _ in range(20 * POOL):
        code = space.sample(draw)
        found.setdefault(space.canonical(code), code)
        if len(found) == POOL:
            break
    return list(found.values())


def ranked_by_supernet(trainer: Trainer, *, budget: int) -> tuple[list[str], float]:
    """Codes by what they reach with shared weights, and what that has cost in trainings of one architecture.

    A step of the supernet costs about a step of one cell; a look at an image without learning counts a third.
    """
    space, splits = trainer.space, trainer.splits
    if not isinstance(space, CellSpace):
        raise StriateError(f"a supernet of the space {space.name}", accepted="--architecture cell")
    epochs = trainer.recipe.epochs_on(len(splits.train))
    paid = float(min(SUPERNET, budget // 2))
    train, dev = splits.train, splits.dev.limit(JUDGED)
    images = train.images()
    mean = images.mean((0, 2, 3), keepdim=True)
    std = images.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Rng(trainer.seed, "architecture/weights").torch_seed())
        net = Supernet(space, channels=train.channels, classes=len(train.classes))
    train_supernet(
        net, space, (images - mean) / std, train.labels, epochs=max(1, round(paid * epochs)),
        batch=trainer.recipe.batch, rate=min(trainer.recipe.optimizer.rate, 0.1), seed=trainer.seed,
    )  # fmt: skip
    # looking must not eat up the budget: about one training's worth
    pool = pool_of(space, trainer.seed)[: max(8, 3 * len(train) * epochs // max(len(dev), 1))]
    found = shared_accuracies(net, pool, (dev.images() - mean) / std, dev.labels)
    order = sorted(range(len(pool)), key=lambda index: -found[index])
    looked = len(pool) * len(dev) / 3 / (len(train) * epochs)
    return [pool[index] for index in order], paid + looked


def evolve_both(trainer: Trainer, *, budget: int) -> None:
    """High on dev and few multiply-adds at once: NSGA-II, Deb et al. 2002, in Optuna's form; digits are its genes."""
    import optuna

    space = trainer.space
    if not isinstance(space, CellSpace):
        raise StriateError(f"nsga2 in the space {space.name}", accepted="--architecture cell")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.NSGAIISampler(
        population_size=max(4, min(12, budget // 3)), seed=Rng(trainer.seed, "nsga2").torch_seed() & 0x7FFFFFFF
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def tried(trial: optuna.Trial) -> tuple[float, float]:
        code = "".join(str(trial.suggest_categorical(f"edge{index}", list(space.digits))) for index in range(6))
        value = trainer(code)
        return max(value, 0.0), trainer.known[code].costs["macs"]

    # an architecture that comes again costs nothing, so trials go on until the budget of trainings is spent
    while len({str(each.parameters["code"]) for each in trainer.trials}) < budget and len(study.trials) < 20 * budget:
        study.optimize(tried, n_trials=1)
    unique = {str(each.parameters["code"]): each for each in trainer.trials}
    trainer.trials[:] = list(unique.values())


def front_of(trials: Sequence[Trial]) -> tuple[int, ...]:
    """Numbers of the trials that no other beats in both the figure and multiply-adds, the cheapest first."""
    known = [each for each in trials if each.value is not None and "macs" in each.costs]
    order = sorted(known, key=lambda each: (each.costs["macs"], -float(each.value or 0)))
    best, found = -math.inf, []
    for each in order:
        if float(each.value or 0) > best:
            best = float(each.value or 0)
            found.append(each.number)
    return tuple(found)


def agreements_of(trials: Sequence[Trial]) -> tuple[Agreement, ...]:
    """How well each proxy ranks what has been trained, the best first."""
    known = [each for each in trials if each.value is not None]
    found = []
    for name in (*PROXIES, "ms"):
        pairs = [(each.costs[name], float(each.value or 0)) for each in known if name in each.costs]
        found.append(Agreement(name, rho_of(pairs), 0.0))
    return tuple(sorted(found, key=lambda each: -float(each.rho) if each.rho.value is not None else 2.0))


def rho_of(pairs: Sequence[tuple[float, float]]) -> Number:
    """Spearman's rho with its interval by Fisher's transformation, standard error 1.06 / sqrt(n - 3) (Fieller 1957)."""
    if len(pairs) < 5:
        return Number.missing(f"{len(pairs)} architectures; at least 5 are needed")
    rho = rank_correlation(*zip(*pairs, strict=True))
    if rho is None:
        return Number.missing("one of them never changes")
    if abs(rho) > 1 - 1e-9 or len(pairs) < 8:
        return Number(rho, n=len(pairs), why="no interval: too few architectures")
    middle, half = math.atanh(rho), 1.96 * math.sqrt(1.06 / (len(pairs) - 3))
    return Number(rho, math.tanh(middle - half), math.tanh(middle + half), len(pairs))
