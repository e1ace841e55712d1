"""`striate search`: find parameters of a recipe, or an architecture, on dev."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.core.storage import write_text
from striate.learn.search.payload import Search

from .options import DataArgument, Learning, Option, count
from .recipes import cites_of, varied
from .session import MARK, PAGE, Session, command_line, session, shown, write_into
from .train import SHAPING

if TYPE_CHECKING:
    from striate.data.dataset import Splits
    from striate.learn.search.payload import Part
    from striate.learn.search.study import Study
    from striate.learn.search.trials import Trying

SPACE = Option(
    "what is searched: rate=log:0.001:1,momentum=0.5:0.99,width=int:8:64,activation=relu|gelu; fields of the recipe "
    "and options of the net (default: rate, momentum and weight decay)",
    "NAME=RANGE[,...]",
)
OURS = "search.json"  # a folder that holds it is one of a search
PAPERS = {
    "grid": (), "random": ("bergstra2012random",), "tpe": ("bergstra2011algorithms", "falkner2018bohb"),
    "gp": ("snoek2012practical",), "none": (), "median": ("golovin2017google",), "asha": ("li2020system",),
}  # fmt: skip


def search(
    data: DataArgument,
    *,
    net: Annotated[str, Option("net to train from scratch, SOURCE/ARCH", "NET")] = "striate/small",
    recipe: Annotated[str, Option("recipe that is varied; `striate methods` lists recipes", "NAME")] = "quick",
    space: Annotated[str | None, SPACE] = None,
    trials: Annotated[int, Option("how many to try in all", "N", lambda text: count(text, "trials"))] = 20,
    sampler: Annotated[Literal["grid", "random", "tpe", "gp"], Option("who proposes parameters")] = "tpe",
    pruner: Annotated[
        Literal["none", "median", "asha"], Option("who stops a trial early, by its epochs on dev")
    ] = "median",
    architecture: Annotated[
        Literal["cell", "macro"] | None, Option("search an architecture instead: striate/cell or striate/stages")
    ] = None,
    strategy: Annotated[
        Literal["evolution", "random", "supernet", "proxy", "nsga2"],
        Option("how architectures are proposed (--architecture)"),
    ] = "evolution",
    epochs: Annotated[
        int | None, Option("epochs of a trial (default: the recipe's)", "N", lambda text: count(text, "epochs"))
    ] = None,
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    storage: Annotated[
        str | None,
        Option(
            "where trials are kept: journal:FILE or a URL, for machines that join (default: a file in --out)", "URL"
        ),
    ] = None,
    study: Annotated[str, Option("name of the study in its storage", "NAME")] = "search",
    parallel: Annotated[int, Option("processes on this machine", "N", lambda text: count(text, "parallel"))] = 1,
    keep_runs: Annotated[bool, Option("leave every trial's run folder, not the best one's alone")] = False,
    out: Annotated[
        str | Path | None,
        Option("folder of the search; the same command goes on there (default: runs/search-DATA)", "DIR"),
    ] = None,
    **shared: Unpack[Learning],
) -> Report[Search]:
    """Find good parameters of a recipe, or an architecture, on dev; the best is measured on test once, at the end.

    Each trial is a run of `striate train`. Finished trials are kept whatever happens, and the same command goes on;
    other machines join by naming the same --storage and --study. A trial whose loss is no number is kept as failed,
    with its reason. The report says how much the figure on dev is too good, as the best of so many.

    Cost: as many trainings as --trials, less what the pruner saves.
    """
    given: dict[str, Any] = {name: value for name, value in locals().items() if name != "shared"}
    given["storage"] = None if storage is None else _masked(storage)
    with session("search", given, shared, Learning) as run:
        place = Path(
            out if out is not None else f"runs/search-{Path(str(shown(data))).name.partition(':')[0] or 'data'}"
        )
        claim(place, overwrite=run["overwrite"], fresh=storage is None)
        given["storage"] = storage
        if architecture is not None:
            from .architectures import architecture_report

            return architecture_report(run, given, dict(shared), place)
        return parameter_report(run, given, dict(shared), place)


def parameter_report(run: Session, given: Mapping[str, Any], shared: Mapping[str, Any], place: Path) -> Report[Search]:
    """Search parameters, then report."""
    from striate.learn.search.space import defaults
    from striate.learn.search.study import open_storage, reachable, storage_of, sweep
    from striate.learn.search.trials import in_processes, run_trials

    trying = trying_of(run, given, place)
    name = storage_of(given["storage"], place)
    store = open_storage(given["storage"], place)
    with reachable(name):
        study = study_of(store, given, trying, seed=run["seed"])
        sweep(study)
        before = defaults(trying.parts, trying.recipe, trying.net)
        if before is not None:
            study.enqueue_trial(before, skip_if_exists=True)
        with kept(run, place, study):
            if given["parallel"] > 1:
                check_named(given)
                in_processes(work, [(dict(given), dict(shared), str(place), each) for each in range(given["parallel"])])
            else:
                run_trials(study, trying, trials=given["trials"], progress=run.progress)
        return reported(run, given, trying, study, name)


def work(given: dict[str, Any], shared: dict[str, Any], place: str, index: int) -> None:
    """One of several processes of a search: opens data and storage by name, and tries until there are enough trials."""
    import os
    import sys

    from striate.learn.search.study import open_storage, reachable, storage_of
    from striate.learn.search.trials import run_trials

    threads = shared.get("threads") or max(1, (os.cpu_count() or 1) // given["parallel"])
    try:
        with session("search", given, {**shared, "threads": threads, "quiet": True}, Learning) as run:
            trying = trying_of(run, given, Path(place))
            with reachable(storage_of(given["storage"], Path(place))):
                study = study_of(open_storage(given["storage"], Path(place)), given, trying, seed=run["seed"])
                run_trials(study, trying, trials=given["trials"])
    except StriateError as error:
        sys.stderr.write(f"process {index}: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def trying_of(run: Session, given: Mapping[str, Any], place: Path) -> Trying:
    """What is tried, from the options."""
    from striate.learn.search.space import default_space, parse_space, resolve
    from striate.learn.search.trials import Trying

    recipe = varied(given["recipe"], epochs=given["epochs"], rate=None, batch=run["batch"])
    splits = splits_of(run, given)
    parts = parse_space(given["space"] if given["space"] is not None else default_space(recipe))
    return Trying(
        net=given["net"],
        splits=splits,
        recipe=recipe,
        parts=resolve(parts, recipe, given["net"]),
        out=place,
        seed=run["seed"],
        keep_runs=given["keep_runs"],
        training=training_of(run),
    )


def splits_of(run: Session, given: Mapping[str, Any]) -> Splits:
    """The data, with images of one size."""
    splits = run.splits(given["data"], size=given["size"])
    if splits.train.size is None:
        raise StriateError(f"the images of {splits.train.name} differ in size", hint="--size 64")
    return splits


def training_of(run: Session) -> dict[str, Any]:
    """Options of a trial's training that have nothing to do with what is searched."""
    root = run["weights_root"]
    return {
        "device": run["device"], "precision": run["precision"], "workers": run["workers"],
        "weights_root": Path(root) if root else None,
    }  # fmt: skip


def identity_of(trying: Trying) -> dict[str, str]:
    """What a study is about; another one under the same name is refused."""
    from striate.core.codec import dumps

    train, dev, _ = trying.splits
    return {
        "net": trying.net,
        "train images": f"{len(train):,} of {train.name}, hash {_hash(train)}",
        "dev images": f"{len(dev):,} of {dev.name}, hash {_hash(dev)}",
        "recipe": trying.recipe.name,
        "epochs": str(trying.recipe.epochs_on(len(trying.splits.train))),
        "space": "; ".join(space_words(part) for part in trying.parts),
        "recipe in full": dumps(trying.recipe, indent=None),
    }


def space_words(part: Any) -> str:
    """A part of the space in words, as it was written."""
    if part.kind == "choice":
        return f"{part.name}={'|'.join(part.choices)}"
    kinds = ("int:" if part.kind == "int" else "") + ("log:" if part.log else "")
    return f"{part.name}={kinds}{part.low:.6g}:{part.high:.6g}{f':{part.step}' if part.step != 1 else ''}"


def study_of(store: Any, given: Mapping[str, Any], trying: Trying, *, seed: int) -> Study:
    """The study that the options name."""
    from striate.learn.search.study import Numbered, build_pruner, open_study

    return open_study(
        store,
        name=given["study"],
        identity=identity_of(trying),
        highest=trying.choice.highest,
        sampler=Numbered(given["sampler"], parts=trying.parts, trials=given["trials"], seed=seed),
        pruner=build_pruner(given["pruner"]),
    )


def reported(run: Session, given: Mapping[str, Any], trying: Trying, study: Study, storage: str) -> Report[Search]:
    """The report of a study as it now stands, written into its folder."""
    from striate.learn.search.findings import search_findings
    from striate.learn.search.result import importances_of, trials_of
    from striate.learn.search.study import masked

    trials = trials_of(study, trying.parts)
    importances, why = importances_of(study, trying.parts, seed=run["seed"])
    own = storage.startswith("sqlite:///") and given["storage"] is None
    found = Search(
        net=trying.net,
        data=str(shown(given["data"])),
        recipe=trying.recipe.name,
        epochs=trying.recipe.epochs_on(len(trying.splits.train)),
        figure=trying.choice.figure,
        highest=trying.choice.highest,
        sampler=given["sampler"],
        pruner=given["pruner"],
        space=trying.parts,
        trials=trials,
        best=None,
        importances=importances,
        importances_why=why,
        default=default_number(trials, trying),
        asked=given["trials"],
        study=given["study"],
        storage="study.db" if own else masked(storage),
    )
    found = replace(found, best=best_of(run, given, trying, found))
    run.data_origin = {**(run.data_origin or {}), "split": "train, dev, and once test"}
    report = run.report(
        found,
        findings=search_findings(found, beyond=lambda part, below: beyond(run, trying, part, below=below)),
        cites=(
            *PAPERS[given["sampler"]], *PAPERS[given["pruner"]], "akiba2019optuna", "hutter2014efficient",
            *cites_of(given["recipe"], trying.recipe),
        ),
    )  # fmt: skip
    return write_into(report, trying.out)


def default_number(trials: Any, trying: Trying) -> int | None:
    """The trial of the recipe as it is."""
    from striate.learn.search.space import defaults

    wanted = defaults(trying.parts, trying.recipe, trying.net)
    return next((each.number for each in trials if each.parameters == wanted and each.state == "complete"), None)


def best_of(run: Session, given: Mapping[str, Any], trying: Trying, found: Search) -> Any:
    """The best trial, measured on test; its recipe is written beside, so that `striate train` can repeat it."""
    from striate.core.codec import dumps
    from striate.core.number import Number
    from striate.learn.search.payload import BestTrial
    from striate.learn.search.result import accuracy_on, best_by_chance, best_trial, too_good
    from striate.learn.search.space import applied
    from striate.learn.search.trials import RUNS
    from striate.metrics.intervals import wilson

    best = best_trial(found.trials, highest=found.highest)
    if best is None or best.value is None:
        return None
    recipe, net = applied(best.parameters, trying.parts, trying.recipe, trying.net)
    file = trying.out / "best.json"
    write_text(file, dumps(recipe) + "\n")
    folder = trying.out / RUNS / f"{best.number:03d}"
    here = (folder / "weights.safetensors").is_file()
    test = Number.missing("its run is on another machine, or was removed: train it again with the command")
    if here and len(trying.splits.test):
        test, _ = accuracy_on(str(folder), trying.splits.test)
    n = len(trying.splits.dev)
    dev = wilson(round(best.value * n), n)
    said = {name: value for name, value in run.arguments.items() if name in SHAPING and name != "batch"}
    said |= {"data": given["data"], "size": given["size"], "net": net, "recipe": file}
    chosen = sum(each.state != "failed" for each in found.trials)
    return BestTrial(
        number=best.number,
        parameters=best.parameters,
        dev=dev,
        test=test,
        too_good=too_good(dev, test),
        chance=best_by_chance(dev, chosen),
        run=str(shown(folder)) if here else "",
        command=command_line("train", said, always=("net",)),
    )


def beyond(run: Session, trying: Trying, part: Part, *, below: bool) -> str:
    """The command of the same search past one end of a part; "" where nothing is possible there."""
    from striate.learn.search.findings import widened
    from striate.learn.search.space import resolve

    parts = [widened(each, below=below) if each.name == part.name else each for each in trying.parts]
    try:
        resolve(parts, trying.recipe, trying.net)
    except StriateError:
        return ""
    words = ",".join(space_words(each) for each in parts)
    return command_line("search", {**run.arguments, "space": words, "out": f"{trying.out}-wider"})


@contextmanager
def kept(run: Session, place: Path, study: Study) -> Iterator[None]:
    """Inside, Ctrl-C says what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        from striate.learn.search.study import counted

        finished = [each for each in counted(study.get_trials(deepcopy=False)) if each.state.is_finished()]
        run.progress.say(f"stopped: {len(finished)} finished trials are kept in {place}; the same command goes on")
        raise


def claim(place: Path, *, overwrite: bool, fresh: bool) -> None:
    """The folder, new or of a search; with ``overwrite`` what a search left in it is removed first."""
    if place.exists() and not place.is_dir():
        raise StriateError(f"{place} is a file, not a folder", hint="another --out")
    if place.is_dir() and any(place.iterdir()) and not (place / OURS).exists():
        raise StriateError(f"{place} holds files of no search; it is left as it is", hint="another --out")
    if overwrite and place.is_dir():
        if not fresh:
            raise StriateError("--overwrite with --storage: trials of others may be in it", hint="another --study NAME")
        for name in ("trials", "study.db", "architectures.json", "best.json", MARK, PAGE, "citations.bib"):
            path = place / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    write_text(place / OURS, '{"striate": 1}\n')


def check_named(given: Mapping[str, Any]) -> None:
    """Other processes must find the data by name."""
    if not isinstance(given["data"], (str, Path)):
        raise StriateError("data given as an object with --parallel", accepted="data by name or path")


def _hash(data: Any) -> str:
    return str(data.fingerprint()[:12])


def _masked(storage: str) -> str:
    import re

    return re.sub(r"(://[^:/@]+):[^@]+@", r"\1:***@", storage)
