"""What `striate train --task` can teach: which options each task takes, and how it is built. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.core.errors import StriateError

if TYPE_CHECKING:
    from torch import Tensor

    from striate.attacks.hardening.spec import Hardening
    from striate.data.dataset import Splits
    from striate.nets.net import Net
    from striate.training.task import Task

    from .options import NetLike
    from .session import Session


@dataclass(frozen=True)
class Teaching:
    """One task.

    Attributes:
        recipe: Used where none is named.
        takes: Options that other tasks may not take.
        needs: Those of them that must be given.
        cites: Keys of the papers.
    """

    recipe: str
    takes: tuple[str, ...]
    needs: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()


TASKS: Mapping[str, Teaching] = {
    "classify": Teaching("quick", ("net", "preprocess", "harden", "radius", "norm", "attack_steps", "beta", "replays")),
    "distil": Teaching("quick", ("net", "teacher", "temperature"), ("teacher",), ("hinton2015distilling",)),
    "style": Teaching(
        "style",
        ("against", "style"),
        ("style", "against"),
        ("johnson2016perceptual", "ulyanov2016instance", "odena2016deconvolution"),
    ),
    "decode": Teaching(
        "decode",
        ("against", "layer"),
        ("against", "layer"),
        ("dosovitskiy2016inverting", "dosovitskiy2016generating"),
    ),
    "autoencode": Teaching("decode", ("dropout", "units"), (), ("srivastava2014dropout",)),
}
JUDGED = ("style", "decode")  # by a net that is given
LABELLED = ("classify", "distil")


def check_task(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Teaching:
    """The task that is asked for.

    Raises:
        StriateError: There is none of this name, an option was given that does nothing for it, or one that it needs was
            not.
    """
    name = given["task"]
    if name not in TASKS:
        raise StriateError(f"task is {name!r}", accepted=", ".join(TASKS))
    task = TASKS[name]
    special = dict.fromkeys(option for each in TASKS.values() for option in each.takes)
    for option in special:
        if option not in task.takes and not _same(given[option], defaults[option]):
            takes = ", ".join(_flag(each) for each in task.takes)
            raise StriateError(f"{_flag(option)} does nothing for the task {name!r}", accepted=takes)
    missing = [option for option in task.needs if given[option] is None]
    if missing:
        raise StriateError(f"the task {name!r} needs --{missing[0]}", hint="striate train --help")
    return task


def splits_for(run: Session, given: Mapping[str, Any]) -> tuple[Splits, Net | None]:
    """The data as the task takes them, and the net that it is judged by.

    Raises:
        StriateError: Images differ in size, or are not what that net takes.
    """
    labelled, against = given["task"] in LABELLED, None
    if given["task"] in JUDGED:
        origin = run.net_origin
        against = run.net(given["against"])
        run.net_origin = origin  # the report is about what is trained
    splits = run.splits(given["data"], size=given["size"], unlabelled=not labelled)
    if splits.train.size is None:
        raise StriateError(f"the images of {splits.train.name} differ in size", hint="--size 64")
    if against is not None:
        parts = (part.as_channels(against.channels) for part in splits)
        train, dev, test = parts
        splits = replace(splits, train=train, dev=dev, test=test)
        if against.size not in (None, train.size) or min(train.size or (0,)) < against.least_size:
            wanted = against.size or (against.least_size, against.least_size)
            raise StriateError(
                f"images of {train.size} for {against.name}",
                accepted=f"{'' if against.size else 'at least '}{wanted[0]} x {wanted[1]}",
                hint=f"--size {wanted[0]}",
            )
    return splits, against


HARDENING = {"radius": "radius", "norm": "norm", "attack_steps": "steps", "beta": "beta", "replays": "replays"}


def hardening_for(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Hardening | None:
    """What the net is hardened against, or None where nothing of that is asked for.

    Raises:
        StriateError: An option is there that means nothing without ``--harden``, or the radius is missing.
    """
    from striate.attacks.hardening.spec import SCHEMES, Hardening

    numbers = {name: given[name] for name in HARDENING if not _same(given[name], defaults[name])}
    if given["harden"] is None:
        for name in numbers:
            raise StriateError(f"{_flag(name)} is given without --harden", accepted=f"--harden {'|'.join(SCHEMES)}")
        return None
    if given["radius"] is None:
        raise StriateError(f"--harden {given['harden']} is given without --radius", hint="--radius 8/255")
    numbers["norm"] = float(given["norm"])  # "inf" or "2"
    return Hardening(given["harden"], **{HARDENING[name]: value for name, value in numbers.items()})


def subject_for(run: Session, given: Mapping[str, Any], splits: Splits, against: Net | None) -> NetLike | Task:
    """What is trained: a net by name or as an object, or a task built for these data."""
    if given["task"] == "distil":
        return distilling_for(run, given, splits)
    if given["task"] == "autoencode":
        from striate.training.autoencoder import UNITS, Autoencoding

        assert splits.train.size is not None  # splits of other sizes were refused
        shape = (splits.train.channels, *splits.train.size)
        return Autoencoding(shape, units=given["units"] or UNITS, dropout=given["dropout"] or 0.0, seed=run["seed"])
    if against is None:
        net: NetLike = given["net"]
        return net if isinstance(net, (str, Path)) else run.net(net)
    seed = run["seed"]
    if given["task"] == "decode":
        from striate.synthesis.decoder import Decoding

        return Decoding(against, given["layer"], splits.train, seed=seed)
    from striate.synthesis.painter import Styling

    assert splits.train.size is not None
    return Styling(against, style_picture(Path(given["style"]), against, min(splits.train.size)), seed=seed)


def distilling_for(run: Session, given: Mapping[str, Any], splits: Splits) -> Task:
    """The student, as `classify` would build it, taught by ``--teacher``; the recipe's parts that build it count."""
    from striate.learn.transfer.distil import Distilling
    from striate.training.catalog import RECIPES
    from striate.training.prepare import build_task

    origin = run.net_origin
    teacher = run.net(given["teacher"])
    run.net_origin = origin  # the report is about the student
    if splits.train.size is not None and teacher.size not in {None, splits.train.size}:
        raise StriateError(f"images of {splits.train.size} for the teacher {teacher.name}", accepted=f"{teacher.size}")
    net: NetLike = given["net"]
    recipe = RECIPES.load(given["recipe"] or TASKS["distil"].recipe)
    root = Path(run["weights_root"]) if run["weights_root"] else None
    subject = net if isinstance(net, (str, Path)) else run.net(net)
    student = build_task(subject, splits, recipe=recipe, seed=run["seed"], weights_root=root).nets["net"]
    temperature = 4.0 if given["temperature"] is None else given["temperature"]
    return Distilling(student, teacher, temperature=temperature, label_smoothing=recipe.label_smoothing)  # type: ignore[arg-type]


def style_picture(path: Path, against: Net, side: int) -> Tensor:
    """The style picture (C, H, W) at its own aspect, its shorter side that of the training images.

    A loss net of one size gets it at that size.
    """
    from striate.core.image import Geometry, read_header, read_image

    if not path.is_file():
        raise StriateError(f"{path} does not exist", accepted="the path of an image file")
    if against.size is not None:
        return read_image(path, channels=against.channels, geometry=Geometry(against.size))
    header = read_header(path)
    share = side / min(header.height, header.width)
    size = (max(side, round(header.height * share)), max(side, round(header.width * share)))
    return read_image(path, channels=against.channels, geometry=Geometry(size, crop="none"))


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _same(given: Any, default: Any) -> bool:
    return given is default or (isinstance(given, (str, type(None))) and given == default)
