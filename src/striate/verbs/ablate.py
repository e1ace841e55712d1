"""`striate ablate`: what a net loses without units or layers, switched off or trained without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.inside.ablation.payload import Ablation, Curve, How, Removal

from .options import DataArgument, DataLike, NetArgument, NetLike, OnData, Option, OutArgument, count, words
from .session import Session, session, shown, write_out

CITES = ("zhou2018revisiting", "morcos2018importance")
REMOVAL_CITES = ("krizhevsky2012imagenet", "zeiler2014visualizing")
MOST_LAYERS = 60  # layers switched off one by one, at most


def unit_sets(text: str) -> tuple[tuple[int, ...], ...]:
    """``"3,5,7+9"``: unit 3, unit 5, units 7 and 9 together."""
    try:
        return tuple(tuple(int(unit) for unit in part.split("+")) for part in words(text))
    except ValueError as error:
        raise StriateError(
            f"units is {text!r}", accepted="numbers such as 3,5,7+9 (7 and 9 are switched off together)"
        ) from error


def ablate(
    net: NetArgument,
    data: DataArgument,
    *,
    layer: Annotated[
        str | None, Option("site or module path whose units are switched off (default: every layer whole)", "SITE")
    ] = None,
    units: Annotated[
        tuple[tuple[int, ...], ...],
        Option("units of that layer, 7+9 for two together (default: each alone)", "U,U", unit_sets),
    ] = (),
    how: Annotated[
        Literal["zero", "mean", "resample"],
        Option("what stands in their place: nothing, their mean over the data, their values on another image"),
    ] = "zero",
    cumulative: Annotated[bool, Option("units of the layer one after the other too, until all are off")] = False,
    remove: Annotated[
        str | None,
        Option("train without these modules from scratch, such as 'fc7; fc6,fc7; conv3,conv4'", "M,M;M"),
    ] = None,
    epochs: Annotated[
        int | None,
        Option(
            "with --remove: passes over the training images (default: the recipe's)",
            "N",
            lambda text: count(text, "epochs"),
        ),
    ] = None,
    recipe: Annotated[str | None, Option("with --remove: how to train (default: quick)", "NAME")] = None,
    runs: Annotated[
        str | Path | None, Option("with --remove: folder that keeps the runs, to go on with them", "DIR")
    ] = None,
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Ablation] | Report[Removal]:
    """Measure what a net loses when layers, or units of one layer, are switched off, in all and class by class.

    Without a layer every convolution and linear layer but the last is switched off as a whole, one at a time; with
    one, each of its units alone. Changes are paired: the same images before and after. With ``--remove`` the
    architecture NET is trained from scratch on the data, whole and without the modules named, by one recipe from one
    seed, as Krizhevsky and Zeiler did: what the others make up for when they may learn.

    Cost: for each layer or unit a forward pass an image from that layer on (up to 32 units share what comes before).
    """
    given = {
        "net": net, "data": data, "layer": layer, "units": units, "how": how, "cumulative": cumulative,
        "remove": remove, "epochs": epochs, "recipe": recipe, "runs": runs, "out": out,
    }  # fmt: skip
    _check(given)
    with session("ablate", given, shared, OnData) as run:
        if remove is not None:
            report: Report[Any] = _removed(run, net, data, remove, epochs=epochs, recipe=recipe, runs=runs)
        else:
            report = _ablated(run, net, data, layer=layer, units=units, how=how, cumulative=cumulative)
        return write_out(report, out, overwrite=run["overwrite"])


def _check(given: dict[str, Any]) -> None:
    """Options that mean nothing beside the others are refused."""
    switching = {"layer": given["layer"], "units": given["units"], "cumulative": given["cumulative"]}
    training = {name: given[name] for name in ("epochs", "recipe", "runs")}
    if given["remove"] is not None:
        if wrong := [name for name, value in switching.items() if value]:
            raise StriateError(f"--{wrong[0]} beside --remove", accepted="--remove with --epochs, --recipe, --runs")
        return
    if wrong := [name for name, value in training.items() if value is not None]:
        raise StriateError(f"--{wrong[0]} without --remove", accepted="--remove 'MODULE; MODULE,MODULE'")
    if given["layer"] is None and (wrong := [name for name in ("units", "cumulative") if given[name]]):
        raise StriateError(f"--{wrong[0]} without --layer", accepted="--layer SITE", hint="striate summary NET")


def _ablated(
    run: Session,
    net: NetLike,
    data: DataLike,
    *,
    layer: str | None,
    units: tuple[tuple[int, ...], ...],
    how: How,
    cumulative: bool,
) -> Report[Ablation]:
    import torch

    from striate.inside.ablation.effects import ablate as ablate_units
    from striate.inside.ablation.effects import ablate_layers, ablate_one_by_one, layers_with_weights
    from striate.inside.ablation.findings import ablation_findings
    from striate.metrics.intervals import wilson

    loaded = run.net(net)
    images = run.data(data, loaded)
    table = run.table(loaded, images)
    how_to: dict[str, Any] = {
        "how": how, "table": table, "seed": run["seed"], "memory": run["memory"], "progress": run.progress,
    }  # fmt: skip
    whole = None
    curves: tuple[Curve, ...] = ()
    if layer is None:
        names = [site.name for site in layers_with_weights(loaded, images)]
        if len(names) > MOST_LAYERS:
            run.progress.say(f"{len(names)} layers: {MOST_LAYERS} of them, spread over the depth")
            names = [names[at * len(names) // MOST_LAYERS] for at in range(MOST_LAYERS)]
        effects = ablate_layers(loaded, images, names, **how_to)
    else:
        effects = ablate_units(loaded, images, layer, units=units or None, **how_to)
        (whole,) = ablate_units(loaded, images, layer, units=[()], **how_to)
        if cumulative:
            curves = ablate_one_by_one(loaded, images, layer, effects=() if units else effects, **how_to)
    result = Ablation(
        site=effects[0].site if layer is not None and effects else "",
        n=len(table),
        how=how,
        baseline=wilson(int(table.correct.sum()), len(table)),
        names=tuple(table.names),
        support=tuple(torch.bincount(table.labels, minlength=len(table.names)).tolist()),
        effects=effects,
        whole=whole,
        curves=curves,
    )
    return run.report(result, findings=ablation_findings(result, net=str(shown(net))), cites=CITES)


def _removed(
    run: Session,
    net: NetLike,
    data: DataLike,
    remove: str,
    *,
    epochs: int | None,
    recipe: str | None,
    runs: str | Path | None,
) -> Report[Removal]:
    from striate.inside.ablation.removal import parse_removals, retrain_without

    from .recipes import cites_of, varied

    name = recipe or "quick"
    how = varied(name, epochs=epochs, rate=None, batch=None)
    variants = parse_removals(remove)
    if not isinstance(net, (str, Path)):
        subject: Any = run.net(net)
    else:
        subject = str(net)
    splits = run.splits(data)
    run.progress.say(splits.said)
    result = retrain_without(
        subject, splits, variants, recipe=how, seed=run["seed"], runs=runs, device=run["device"],
        precision=run["precision"], workers=run["workers"], memory=run["memory"], progress=run.progress,
    )  # fmt: skip
    return run.report(result, cites=(*REMOVAL_CITES, *cites_of(name, how)))
