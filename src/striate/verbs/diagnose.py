"""`striate diagnose`: why a network does not learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from striate.core.errors import StriateError, UnknownNameError
from striate.core.report import Report
from striate.doctor.payload import Diagnosis

from .options import DataLike, NetLike, Option, OutArgument
from .recipes import PARTS, Teaching, varied
from .session import Session, session, shown, write_out
from .train import SHAPING, about_run

if TYPE_CHECKING:
    from torch import nn

    from striate.doctor.setup import Setup
    from striate.doctor.watch import Watch
    from striate.training.recipe import Recipe

    SetupLike = str | Path | Setup | Recipe | nn.Module | tuple[Any, ...] | dict[str, Any]
else:
    SetupLike = object

ACCEPTED = "FILE.py:function that gives a striate.Setup, a run folder, or a recipe with --data"
OF_RECIPES = ("net", "data", "size", "epochs", "rate", *PARTS)  # options that shape a recipe's first steps


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise StriateError(f"steps is {text!r}", accepted="a whole number; 0 looks before the first step alone")
    return int(text)


def diagnose(
    setup: Annotated[
        SetupLike | None, Option("FILE.py:function that gives a Setup, a run folder, or a recipe", "SETUP")
    ] = None,
    *,
    data: Annotated[DataLike | None, Option("data of a recipe, or of a run whose data have moved", "DATA")] = None,
    net: Annotated[NetLike | None, Option("net of a recipe (default: striate/small)", "NET")] = None,
    steps: Annotated[
        int | None,
        Option("steps that are watched; 0: none (default: 100 of a recipe, 200 of a step, all of a loop)", "N", whole),
    ] = None,
    epochs: Annotated[int | None, Option("length of the recipe's schedule (default: its own)", "N")] = None,
    rate: Annotated[float | None, Option("peak learning rate of a recipe (default: its own)", "X")] = None,
    size: Annotated[int | None, Option("side that images of a recipe are brought to", "PX")] = None,
    list: Annotated[bool, Option("only list the checks: what each looks for, its limits, its cost")] = False,  # noqa: A002
    out: OutArgument = None,
    **shared: Unpack[Teaching],
) -> Report[Diagnosis]:
    """Say why a network does not learn: what is wrong with data, model, optimiser and loop, and how to mend it.

    FILE.py:function is called without arguments and gives a `striate.Setup` (or a tuple or dict of its parts): model,
    optimizer, loss_fn, train, test, and a loop or a step to be watched. The code of the file is run, with all your
    rights, as with nets. A recipe is looked at before training and watched for its first steps on --data; a run folder
    is read: its epochs, its data, the net as it began and as it was kept.

    Data and model are looked at on copies; watching changes no bit of the training. Checks that lack something are
    listed as not run, with the reason. A loop that raises is diagnosed all the same.

    Cost: before training about a second; watching takes a few hundredths of the training's own time.

    >>> import striate, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.Softmax(1))
    >>> x, y = torch.randn(60, 8), torch.arange(60) % 3
    >>> parts = striate.Setup(net, torch.optim.SGD(net.parameters(), 0.1), torch.nn.CrossEntropyLoss(), train=(x, y))
    >>> [finding.check for finding in striate.diagnose(parts, quiet=True).findings if finding.severity == "error"]
    ['softmax-before-loss']
    """
    given: dict[str, Any] = {name: value for name, value in locals().items() if name != "shared"}
    with session("diagnose", given, shared, Teaching) as run:
        if list:
            return write_out(_listed(run), out, overwrite=run["overwrite"])
        return write_out(_looked(run, given), out, overwrite=run["overwrite"])


def _listed(run: Session) -> Report[Diagnosis]:
    from striate.doctor.registry import rows

    found = rows()
    return run.report(Diagnosis("", f"{len(found)} checks.", listed=found, kind="list"))


def _looked(run: Session, given: dict[str, Any]) -> Report[Diagnosis]:
    from striate.doctor.request import is_script, made_by
    from striate.training.recipe import Recipe

    asked = given["setup"]
    if asked is None:
        raise StriateError("diagnose is given no setup", accepted=ACCEPTED, hint="striate diagnose --list")
    if isinstance(asked, Recipe):
        return _recipe(run, given, asked)
    if not isinstance(asked, (str, Path)):
        return _setup(run, given, asked, "the setup")
    text = str(asked)
    if is_script(text):
        run.progress.say(f"running {shown(text)}")
        made = made_by(text)
        if isinstance(made, Recipe):
            return _recipe(run, given, made)
        return _setup(run, given, made, f"what {shown(text)} gives")
    path = Path(text)
    if path.is_dir():
        return _run_folder(run, given, path)
    if text.endswith(".py"):
        raise StriateError(f"{text} names no function", accepted="FILE.py:function", hint=f"{text}:setup")
    return _recipe(run, given, _known(text))


def _known(text: str) -> str:
    from striate.training.catalog import RECIPES

    if text not in RECIPES and not text.endswith(".json"):
        if "/" in text or text.startswith("."):
            raise StriateError(f"{text} is not there", accepted=ACCEPTED)
        known = UnknownNameError("recipe", text, RECIPES)
        near = f", such as {' or '.join(known.near)}" if known.near else ""
        raise StriateError(f"{text!r} is no recipe, run folder or file", accepted=f"{ACCEPTED}{near}")
    return text


def _setup(run: Session, given: dict[str, Any], parts: object, said: str) -> Report[Diagnosis]:
    from striate.doctor.preflight import during
    from striate.doctor.request import as_setup

    _refuse(run, given, OF_RECIPES, "a setup of your own")
    setup = as_setup(parts, said=said)
    _seed(run)
    watched = during(setup, steps=given["steps"], speak=_speak(run), told=(Exception,))
    name = shown(given["setup"]) if isinstance(given["setup"], (str, Path)) else type(setup.core).__name__
    return _report(run, watched, str(name), kind="setup")


def _recipe(run: Session, given: dict[str, Any], named: str | Recipe) -> Report[Diagnosis]:
    from striate.doctor.rehearsal import STEPS, rehearse
    from striate.training.recipe import Recipe

    name = named.name if isinstance(named, Recipe) else named
    if given["data"] is None:
        raise StriateError(f"the recipe {name} is given no data", accepted="--data DATA", hint="--data digits")
    parts = {part: run[part] for part in PARTS}
    how = varied(named, epochs=given["epochs"], rate=given["rate"], batch=run["batch"], **parts)
    splits = run.splits(given["data"], size=given["size"])
    net = "striate/small" if given["net"] is None else given["net"]
    watched = rehearse(
        net,
        splits,
        recipe=how,
        steps=STEPS if given["steps"] is None else given["steps"],
        seed=run["seed"],
        device=run["device"],
        precision=run["precision"],
        workers=run["workers"],
        weights_root=Path(run["weights_root"]) if run["weights_root"] else None,
        speak=_speak(run),
        progress=run.progress,
    )
    return _report(run, watched, f"{how.name}, {shown(net)} on {shown(given['data'])}", kind="recipe")


def _run_folder(run: Session, given: dict[str, Any], folder: Path) -> Report[Diagnosis]:
    from striate.data.dataset import Splits
    from striate.doctor.runs import look_at_run
    from striate.training.run import Record, read_record

    _refuse(run, given, tuple(each for each in OF_RECIPES if each != "data"), "a run folder")
    if given["steps"] is not None:
        raise StriateError(f"--steps {given['steps']} and a run folder", accepted="steps of a recipe, a step or a loop")

    def find(record: Record) -> Splits:
        settings = {name: record.asked[name] for name in SHAPING if name in record.asked and name not in run.arguments}
        own = replace(run, settings={**run.settings, **settings})
        splits = own.splits(record.data if given["data"] is None else given["data"], size=record.asked.get("size"))
        run.data_origin, run.cites = own.data_origin, own.cites
        return splits

    record = read_record(folder)
    looked = look_at_run(
        folder,
        find=find,
        about=about_run(folder, record.asked, data=given["data"] or record.data, net=record.net),
        weights_root=Path(run["weights_root"]) if run["weights_root"] else None,
    )
    for each in dict.fromkeys(looked.remarks):
        run.progress.say(f"note: {each}")
    return run.report(looked.result, findings=looked.findings, album=looked.album)


def _refuse(run: Session, given: dict[str, Any], options: tuple[str, ...], what: str) -> None:
    """Options that shape a recipe mean nothing elsewhere."""
    for name in options:
        value = given.get(name) if name in given else run.settings.get(name)
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            raise StriateError(f"{flag} is given with {what}", accepted=f"{flag} with a recipe")


def _seed(run: Session) -> None:
    """Torch's own generator is seeded where a seed was asked for, as the loop is the caller's own."""
    if "seed" in run.arguments:
        import torch

        torch.manual_seed(run["seed"])


def _speak(run: Session) -> Any:
    return None if run["quiet"] else run.progress.say


def _report(run: Session, watched: Watch, name: str, *, kind: str) -> Report[Diagnosis]:
    result = replace(watched.result, setup=name, kind=kind)  # type: ignore[arg-type]
    return run.report(result, findings=watched.findings, album=watched.album)
