"""`striate train`: train a net on labelled images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.training.payload import Training

from . import FOLDERS
from .options import DataArgument, Learning, NetLike, Option, count, number
from .session import number_folder, session, shown

if TYPE_CHECKING:
    from striate.training.recipe import Recipe


def train(
    data: DataArgument,
    *,
    net: Annotated[NetLike, Option("net to train; a bare SOURCE/ARCH starts from scratch", "NET")] = "striate/small",
    recipe: Annotated[str, Option("how to train; `striate methods` lists recipes", "NAME")] = "quick",
    epochs: Annotated[
        int | None,
        Option("passes over the training images (default: the recipe's)", "N", lambda text: count(text, "epochs")),
    ] = None,
    rate: Annotated[
        float | None, Option("peak learning rate (default: the recipe's)", "X", lambda text: number(text, "rate"))
    ] = None,
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    out: Annotated[str | Path | None, Option("run folder", "RUN")] = None,
    resume: Annotated[bool, Option("go on where the run in this folder stopped")] = False,
    **shared: Unpack[Learning],
) -> Report[Training]:
    """Train a net; the run folder then holds its weights, its history, and all that is needed to go on or do it again.

    A kill at any moment loses at most the current epoch; `--resume` ends exactly where the uninterrupted run ends. The
    epoch that is best on the dev split is kept; the test split is never looked at.
    """
    given = {
        "data": data,
        "net": net,
        "recipe": recipe,
        "epochs": epochs,
        "rate": rate,
        "size": size,
        "out": out,
        "resume": resume,
    }
    with session("train", given, shared, Learning) as run:
        from striate.training.catalog import RECIPES
        from striate.training.loop import fit

        how = varied(recipe, epochs=epochs, rate=rate, batch=run["batch"])
        if resume and out is None:
            raise StriateError("--resume is given without --out", accepted="the run folder to go on with")
        if resume and not (Path(str(out)) / "run.json").is_file():
            raise StriateError(f"{out} holds no run to resume", hint="leave out --resume to begin one there")
        folder = Path(out if out is not None else number_folder(FOLDERS["train"], {"data": data}))
        splits = run.splits(data, size=size)
        if splits.train.size is None:
            raise StriateError(f"the images of {splits.train.name} differ in size", hint="--size 64")
        run.progress.say(splits.said)
        result = fit(
            net if isinstance(net, (str, Path)) else run.net(net),
            splits,
            out=folder,
            recipe=how,
            seed=run["seed"],
            resume=resume,
            overwrite=run["overwrite"],
            device=run["device"],
            precision=run["precision"],
            workers=run["workers"],
            weights_root=Path(run["weights_root"]) if run["weights_root"] else None,
            progress=run.progress,
        )
        files = {path.name: str(shown(path)) for path in sorted(folder.glob("[!.]*.*"))}
        return run.report(replace(result, run=str(shown(folder))), files=files, cites=RECIPES[recipe].cites)


def varied(name: str, *, epochs: int | None, rate: float | None, batch: int | None) -> Recipe:
    """The recipe of this name with what the caller wants otherwise; a variation says so in its name."""
    from striate.training.catalog import RECIPES

    recipe = RECIPES.load(name)
    given = {"epochs": epochs, "rate": rate, "batch": batch}
    words = [f"{key} {value}" for key, value in given.items() if value is not None]
    if not words:
        return recipe
    return replace(
        recipe,
        name=f"{name} with {', '.join(words)}",
        states="",
        epochs=recipe.epochs if epochs is None else epochs,
        batch=recipe.batch if batch is None else batch,
        optimizer=recipe.optimizer if rate is None else replace(recipe.optimizer, rate=rate),
    )
