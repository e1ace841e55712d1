"""`striate find-rate`: a learning-rate range test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Unpack

from striate.core.report import Report
from striate.training.rates.payload import RateSearch

from .options import DataArgument, Learning, NetLike, Option, OutArgument, at_least_one, count, number
from .session import session, shown, write_out

LOW = Option("first rate of the sweep", "X", lambda text: number(text, "low"))
HIGH = Option("last rate of the sweep", "X", lambda text: number(text, "high"))


def find_rate(
    data: DataArgument,
    *,
    net: Annotated[NetLike, Option("net to train; a bare SOURCE/ARCH starts from scratch", "NET")] = "striate/small",
    recipe: Annotated[
        str, Option("whose optimiser, batch and loss; `striate methods` lists recipes", "NAME")
    ] = "quick",
    optimizer: Annotated[
        str | None, Option("optimiser in place of the recipe's, such as adamw or sgd+momentum=0.8", "NAME")
    ] = None,
    low: Annotated[float, LOW] = 1e-5,
    high: Annotated[float, HIGH] = 10.0,
    steps: Annotated[int, Option("steps of a sweep", "N", lambda text: count(text, "steps"))] = 100,
    seeds: Annotated[int, Option("sweeps, each from a seed of its own", "N", lambda text: count(text, "seeds"))] = 3,
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    out: OutArgument = None,
    **shared: Unpack[Learning],
) -> Report[RateSearch]:
    """Look for the learning rate to train with: raise it step by step until the loss diverges (Smith 2017).

    Each sweep starts as `striate train` would and learns from training batches while the rate grows by the same factor
    a step. What is suggested is a third of the rate at which the smoothed loss is lowest, the geometric mean of the
    seeds, as the peak of a schedule; beside it stand a tenth, for a rate that stays as it is, and the rate at which the
    loss falls fastest.
    Nothing of the net is changed, and neither dev nor test images are looked at.

    Cost: at most STEPS batches forward and back for each seed.

    >>> import striate
    >>> report = striate.find_rate("digits", net="striate/mlp", steps=40, seeds=1, limit=200, batch=32, quiet=True)
    >>> 1e-3 < report.result.suggested.value < 1
    True
    """
    given = {
        "data": data, "net": net, "recipe": recipe, "optimizer": optimizer, "low": low, "high": high, "steps": steps,
        "seeds": seeds, "size": size, "out": out,
    }  # fmt: skip
    with session("find-rate", given, shared, Learning) as run:
        from striate.training.rates.findings import rate_findings
        from striate.training.rates.sweep import search_rate
        from striate.training.request import load_optimizer, load_recipe, recipe_cites

        how = load_recipe(recipe)
        how = how if optimizer is None else replace(how, optimizer=load_optimizer(optimizer))
        how = how if run["batch"] is None else replace(how, batch=run["batch"])
        splits = run.splits(data, size=size)
        result = search_rate(
            net,
            splits,
            recipe=how,
            low=low,
            high=high,
            steps=steps,
            seeds=range(run["seed"], run["seed"] + at_least_one(seeds, "seeds")),
            device=run["device"],
            workers=run["workers"],
            weights_root=Path(run["weights_root"]) if run["weights_root"] else None,
            progress=run.progress,
        )
        result = replace(result, net=str(shown(net)), data=str(shown(data)), instead=optimizer or "", size=size)
        findings = rate_findings(result, net=result.net, data=result.data)
        cites = ("smith2017cyclical", "kingma2015adam", *recipe_cites(recipe))
        return write_out(run.report(result, findings=findings, cites=cites), out, overwrite=run["overwrite"])
