"""`striate learning-curve`: what more data buys, and which lever to pull next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.learn.curves.payload import LearningCurve

from . import FOLDERS
from .options import DataArgument, DataLike, Learning, NetLike, Option, at_least_one, count, number, words
from .session import Session, command_line, number_folder, session, shown, write_into
from .train import SHAPING

if TYPE_CHECKING:
    from striate.data.dataset import Dataset, Splits

CITES = ("hestness2017deep", "ng2018machine")
AHEAD = (2.0, 4.0, 10.0)
SAFE = "translation,rotation"  # changes that leave most classes what they are


def sizes_in(text: str) -> tuple[int, ...]:
    """``"100,300,1000"``."""
    return tuple(count(part, "sizes") for part in words(text))


def learning_curve(
    data: DataArgument,
    *,
    net: Annotated[NetLike, Option("net to train at each size, as train takes it", "NET")] = "striate/small",
    recipe: Annotated[str, Option("how to train; `striate methods` lists recipes", "NAME")] = "quick",
    epochs: Annotated[
        int | None,
        Option("passes over the images, at every size (default: the recipe's budget)", "N", count),
    ] = None,
    sizes: Annotated[
        tuple[int, ...], Option("training images (default: five sizes up to all of them)", "N,N,N", sizes_in)
    ] = (),
    seeds: Annotated[int, Option("runs at each size", "N", lambda text: count(text, "seeds"))] = 1,
    human: Annotated[
        float | None,
        Option(
            "error of people on such images, or the best there can be, such as .01", "X", lambda t: number(t, "human")
        ),
    ] = None,
    dev_data: Annotated[
        DataLike | None,
        Option("other data whose dev and test splits count: what the net is for, where that differs", "DATA"),
    ] = None,
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    out: Annotated[
        str | Path | None, Option("folder for the runs and the report; kept runs are not done again", "DIR")
    ] = None,
    **shared: Unpack[Learning],
) -> Report[LearningCurve]:
    """Train on more and more of the data: the errors by size, what more data would buy, and which lever comes next.

    At each size a run under the recipe's budget; the same command goes on where it was stopped. The errors of people,
    train, train-dev, dev and test give the gaps of Ng's table: bias, variance, mismatch, a dev split that was used too
    often. A power law through the errors on test forecasts those at two, four and ten times the data. The test split
    chooses nothing.

    Source: Hestness et al. 2017, section 3; Ng 2018, "Machine Learning Yearning", chapters 20 to 43.
    """
    given: dict[str, Any] = {
        "data": data, "net": net, "recipe": recipe, "epochs": epochs, "sizes": sizes, "seeds": seeds, "human": human,
        "dev_data": dev_data, "size": size, "out": out,
    }  # fmt: skip
    at_least_one(seeds, "seeds")
    if human is not None and not 0 <= human < 1:
        raise StriateError(f"human is {human}", accepted="a share of errors from 0 to below 1", hint="--human 0.02")
    with session("learning-curve", given, dict(shared), Learning) as run:
        folder = Path(out if out is not None else number_folder(FOLDERS["learning-curve"], {"data": data}))
        result = _grown(run, given, folder)
        from striate.learn.curves.levers import levers_found

        report = run.report(
            result, findings=levers_found(result, command=next_command(run, given, result)), cites=CITES
        )
        return write_into(report, folder)


def next_command(run: Session, given: Mapping[str, Any], result: LearningCurve) -> str:
    """What pulls the lever: a training that differs from those made here, or a look at the images; "" for none."""
    most = max(point.size for point in result.points)
    last = next(point for point in result.points if point.size == most)
    if result.lever == "mismatch":
        return shlex.join(["striate", "evaluate", last.run, str(shown(given["dev_data"]))])
    if result.lever not in ("bias", "variance"):
        return ""
    said = {name: value for name, value in run.arguments.items() if name in SHAPING}
    said |= {name: given[name] for name in ("data", "net", "recipe", "size", "epochs")}
    said |= {"epochs": 2 * last.epochs} if result.lever == "bias" else {"augment": SAFE}
    return command_line("train", said, always=("net", "recipe"))


def _grown(run: Session, given: dict[str, Any], folder: Path) -> LearningCurve:
    from striate.learn.curves.grow import grow, sizes_up_to
    from striate.learn.curves.levers import gaps_of, lever_of
    from striate.learn.curves.power import fit_power

    from .recipes import varied

    splits = run.splits(given["data"], size=given["size"])
    run.progress.say(splits.said)
    held: Dataset | None = None
    if given["dev_data"] is not None:
        splits, held = _two_sources(run, splits, given)
    how = varied(given["recipe"], epochs=given["epochs"], rate=None, batch=run["batch"])
    sizes = given["sizes"] or sizes_up_to(len(splits.train), len(splits.train.classes))
    points = grow(
        given["net"], splits, sizes, recipe=how, out=folder, seeds=given["seeds"], held=held, device=run["device"],
        precision=run["precision"], workers=run["workers"], progress=run.progress,
    )  # fmt: skip
    law = fit_power(
        [point.size for point in points], [float(point.test) for point in points],
        [point.test.n or 1 for point in points], seed=run["seed"], ahead=AHEAD,
    )  # fmt: skip
    gaps = gaps_of(points, given["human"])
    told = tuple(replace(point, run=str(shown(Path(point.run)))) for point in points)
    return LearningCurve(
        net=str(shown(given["net"])), data=splits.train.name, recipe=how.name, points=told, human=given["human"],
        gaps=gaps, law=law, lever=lever_of(gaps),
    )  # fmt: skip


def _two_sources(run: Session, splits: Splits, given: dict[str, Any]) -> tuple[Splits, Dataset]:
    """Train of one source, dev and test of the other; the dev split of the first is what no run learns from."""
    other = run.splits(given["dev_data"], size=given["size"])
    if other.dev.classes != splits.train.classes:
        raise StriateError(
            f"the classes of {other.dev.name} are not those of {splits.train.name}",
            accepted="the same classes in the same order",
        )
    return replace(splits, dev=other.dev, test=other.test), splits.dev
