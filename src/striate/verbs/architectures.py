"""`striate search --architecture`: which cell, or which stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.learn.search.payload import BestTrial, Part, Search

from .recipes import cites_of, varied
from .session import Session, command_line, shown, write_into
from .train import SHAPING

PAPERS = {
    "evolution": ("real2019regularized",), "random": (), "supernet": ("guo2020single",), "nsga2": ("deb2002fast",),
    "proxy": ("tanaka2020pruning", "abdelfattah2021zero"),
}  # fmt: skip
ELSEWHERE = ("space", "storage", "parallel", "sampler", "pruner", "study", "net")  # options of a search of parameters


def architecture_report(
    run: Session, given: Mapping[str, Any], shared: Mapping[str, Any], place: Path
) -> Report[Search]:
    """Search an architecture, then report."""
    from striate.learn.search.architecture.run import LOG, Trainer, agreements_of, front_of, run_strategy
    from striate.learn.search.architecture.space import SPACES
    from striate.learn.search.findings import search_findings

    from .search import splits_of, training_of
    from .train import defaults_of

    del shared
    defaults = defaults_of("search")
    for name in ELSEWHERE:
        if given[name] != defaults[name]:
            raise StriateError(f"--{name} does nothing with --architecture", accepted="--strategy, --trials, --recipe")
    space = SPACES[given["architecture"]]
    recipe = varied(given["recipe"], epochs=given["epochs"], rate=None, batch=run["batch"])
    splits = splits_of(run, given)
    if run["overwrite"]:
        (place / LOG).unlink(missing_ok=True)
    identity = {
        "space": repr(space),
        "train images": f"{len(splits.train):,} of {splits.train.name}, hash {splits.train.fingerprint()[:12]}",
        "dev images": f"{len(splits.dev):,} of {splits.dev.name}, hash {splits.dev.fingerprint()[:12]}",
        "recipe": recipe.name,
        "epochs": str(recipe.epochs_on(len(splits.train))),
        "seed": str(run["seed"]),
    }
    with run.progress.task("searching", given["trials"], unit="trainings") as step:
        trainer = Trainer(
            space, splits, recipe, place, identity, seed=run["seed"], keep_runs=given["keep_runs"],
            training=training_of(run), step=step,
        )  # fmt: skip
        try:
            budget = run_strategy(given["strategy"], trainer, budget=given["trials"])
        except KeyboardInterrupt:
            run.progress.say(f"stopped: {len(trainer.known)} trainings are kept in {place}; the same command goes on")
            raise
    trials = tuple(sorted(trainer.trials, key=lambda each: each.number))
    found = Search(
        net=f"striate/{'cell' if space.name == 'cell' else 'stages'}",
        data=str(shown(given["data"])),
        recipe=recipe.name,
        epochs=recipe.epochs_on(len(splits.train)),
        figure="accuracy",
        highest=True,
        sampler=given["strategy"],
        pruner="none",
        space=(Part("code", "choice", owner="net"),),
        trials=trials,
        best=None,
        asked=given["trials"],
        storage=LOG,
        architecture=given["architecture"],
        front=front_of(trials),
        agreements=agreements_of(trials),
        budget=budget,
    )
    found = replace(found, best=_best(run, given, found, trainer))
    report = run.report(
        found,
        findings=search_findings(found),
        cites=(
            *PAPERS[given["strategy"]], *(("dong2020bench",) if space.name == "cell" else ()), "mellor2021neural",
            "tanaka2020pruning", "abdelfattah2021zero", *cites_of(given["recipe"], recipe),
        ),
    )  # fmt: skip
    return write_into(report, place)


def _best(run: Session, given: Mapping[str, Any], found: Search, trainer: Any) -> BestTrial | None:
    """The best architecture, measured on test once, with the command that trains it again."""
    from striate.core.codec import dumps
    from striate.core.number import Number
    from striate.core.storage import write_text
    from striate.learn.search.result import accuracy_on, best_by_chance, best_trial, too_good
    from striate.metrics.intervals import wilson

    best = best_trial(found.trials, highest=True)
    if best is None or best.value is None:
        return None
    file, folder = trainer.out / "best.json", trainer.out / "trials" / f"{best.number:03d}"
    write_text(file, dumps(trainer.recipe) + "\n")
    splits = trainer.splits
    here = (folder / "weights.safetensors").is_file()
    test = accuracy_on(str(folder), splits.test)[0] if here else Number.missing("its run was removed")
    dev = wilson(round(best.value * len(splits.dev)), len(splits.dev))
    said = {name: value for name, value in run.arguments.items() if name in SHAPING and name != "batch"}
    net = trainer.space.net(str(best.parameters["code"]))
    said |= {"data": given["data"], "size": given["size"], "net": net, "recipe": file}
    return BestTrial(
        number=best.number,
        parameters=best.parameters,
        dev=dev,
        test=test,
        too_good=too_good(dev, test),
        chance=best_by_chance(dev, len(found.trials)),
        run=str(shown(folder)) if here else "",
        command=command_line("train", said),
    )
