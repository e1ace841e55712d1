"""What must be true before the first step: a net that fits the data, data that can teach it."""

from __future__ import annotations

import copy
import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.errors import RunError
from striate.core.ranks import ranks
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.data.preprocess import measure_normalisation
from striate.data.transforms import described
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.own.neocognitron import Neocognitron
from striate.nets.request import parse_arch

from .init import initialise, seeded
from .losses import Loss, balanced_weights
from .organising import Organising
from .recipe import Recipe
from .run import Record, Split
from .schemes import NEED_IMAGES
from .task import Classification, Task

PROBED = 256  # training images that a scheme of starting weights may look at


def build_task(
    subject: str | Path | nn.Module | Task,
    splits: Splits,
    *,
    recipe: Recipe,
    seed: int,
    weights_root: Path | None = None,
) -> Task:
    """The task of training ``subject``: a net by name or as an object, or a task that is taken as it is.

    ``SOURCE/ARCH`` starts from scratch, with normalisation by the statistics of the training split; every other name
    (with weights, a file, a run folder) and every net that is given as an object starts from the weights it has. The
    object itself is left alone: a copy is trained.

    Raises:
        RunError: Net and data do not fit, or the data cannot teach it.
    """
    if not isinstance(subject, (str, Path, nn.Module)):
        check_splits(splits, labelled=subject.labelled)
        if recipe.augment.mixer and not subject.labelled:
            raise RunError(f"{recipe.augment.mixer} mixes labels", accepted="transforms of images, for this task")
        if subject.name != Classification.name and (recipe.loss != Loss() or recipe.class_weights != "none"):
            raise RunError(
                f"the loss {recipe.loss.name} and class weights {recipe.class_weights} with the task {subject.name!r}",
                accepted="a recipe without them: the task has a loss of its own",
            )
        check_recipe(recipe, splits.train, fresh=True)
        return subject
    check_splits(splits)
    with seeded(seed, "train/init"):  # for a Python function that draws its weights by itself
        if isinstance(subject, str) and from_scratch(subject):
            net = _fresh(subject, splits.train, recipe=recipe, seed=seed)
        elif isinstance(subject, nn.Module):
            net = copy.deepcopy(load_net(subject, classes=splits.train.classes))
        else:
            net = load_net(subject, weights_root=weights_root)
    check_fit(net, splits.train)
    fresh = isinstance(subject, str) and from_scratch(subject)
    check_recipe(recipe, splits.train, fresh=fresh)
    weights = None
    if recipe.class_weights == "balanced":
        weights = balanced_weights(torch.bincount(splits.train.labels, minlength=len(splits.train.classes)))
    kind = Organising if isinstance(net.module, Neocognitron) else Classification
    return kind(net, label_smoothing=recipe.label_smoothing, loss=recipe.loss, class_weights=weights, fresh=fresh)


def check_splits(splits: Splits, *, labelled: bool = True) -> None:
    """Both splits hold images, where it matters of known classes and of every class; `RunError` otherwise."""
    for part in (splits.train, splits.dev):
        if labelled:
            part.classified()
        if not len(part):
            raise RunError(f"the {part.split} split of {part.name} is empty", accepted="at least one image")
    if labelled:
        _check_classes(splits)


def _check_classes(splits: Splits) -> None:
    for part in (splits.train, splits.dev):
        if part.classes != splits.train.classes:
            raise RunError(f"classes of train and {part.split} differ", accepted="splits of one data set")
        wrong = sorted({label for label in part.labels.tolist() if not 0 <= label < len(part.classes)})
        if wrong:
            raise RunError(
                f"the {part.split} split of {part.name} has the labels {wrong[:5]}",
                accepted=f"0 to {len(part.classes) - 1}, for {len(part.classes)} classes",
            )
    absent = absent_classes(splits.train)
    if absent:
        raise RunError(
            f"the training split of {splits.train.name} has no image of {', '.join(absent)}",
            accepted="at least one image of each class",
            hint="add images, leave the class out, or train on more of the data",
        )


def absent_classes(part: Dataset) -> list[str]:
    """Names of the classes that have no image in this split."""
    counts = torch.bincount(part.labels, minlength=len(part.classes))
    return [name for name, count in zip(part.classes, counts.tolist(), strict=True) if not count]


def split_notes(splits: Splits) -> tuple[str, ...]:
    """Sentences on what does not stop a run but bears on its numbers."""
    absent = absent_classes(splits.dev)
    said = f"the dev split has no image of {', '.join(absent)}: its accuracy says nothing about them" if absent else ""
    return (said,) if said else ()


def check_fit(net: Net, data: Dataset) -> None:
    """The net takes these images and knows as many classes; `RunError` with both sides otherwise."""
    name = net.name or "the net"
    if len(net.classes) != len(data.classes):
        raise RunError(
            f"{name} has {len(net.classes)} classes, {data.name} has {len(data.classes)}",
            accepted="a net with as many outputs as the data have classes",
            hint=f"a new head on its weights: striate transfer {name} DATA; or give it without weights",
        )
    if net.channels != data.channels:
        raise RunError(f"{name} takes {net.channels} channels, images of {data.name} have {data.channels}")
    if net.size is not None and data.size is not None and tuple(net.size) != tuple(data.size):
        raise RunError(f"{name} takes images of {net.size}, those of {data.name} are {data.size}")


def check_recipe(recipe: Recipe, train: Dataset, *, fresh: bool) -> None:
    """The recipe's preprocessing and random changes suit the net and the images; `RunError` otherwise."""
    if not fresh and recipe.preprocess != "mean_std":
        raise RunError(
            f"preprocess is {recipe.preprocess} for a net with weights",
            accepted="a net that starts from scratch: weights keep the normalisation that they were trained with",
        )
    if not fresh and recipe.init != "built":
        raise RunError(
            f"init {recipe.init} for a net with weights", accepted="a net that starts from scratch, or init built"
        )
    wasted = [name for name in recipe.augment.transforms if described(name).needs_colour and train.channels == 1]
    if wasted:
        raise RunError(
            f"{', '.join(wasted)} on the grey images of {train.name}", accepted="transforms that do not need colour"
        )


def fingerprint(task: Task) -> str:
    """Hash of all weights of the task's nets.

    Raises:
        RunError: One of a classifier is not a `Net`, so that nobody could load what the run will save.
    """
    digest = hashlib.sha256()
    for name, net in task.nets.items():
        if not isinstance(net, Net) and task.name == Classification.name:
            raise RunError(f"net {name!r} of the task is a {type(net).__name__}", accepted="striate.Net(module, ...)")
        known = net if isinstance(net, Net) else Net(net)
        digest.update(f"{name}={known.fingerprint()};".encode())
    return digest.hexdigest()


def describe(
    subject: object,
    task: Task,
    splits: Splits,
    recipe: Recipe,
    *,
    seed: int,
    device: str,
    precision: str,
    memory_format: str,
    asked: Mapping[str, Any],
) -> Record:
    """What ``run.json`` says of a run that begins."""
    first = next(iter(task.nets.values()))
    train, dev = (Split(len(part), part.fingerprint()) for part in (splits.train, splits.dev))
    return Record(
        net=str(getattr(first, "name", "")) or type(subject).__name__,
        data=splits.train.name,
        said=splits.said,
        recipe=recipe,
        epochs=recipe.epochs_on(len(splits.train)),
        seed=seed,
        start=fingerprint(task),
        train=train,
        dev=dev,
        threads=torch.get_num_threads(),
        versions=versions(),
        notes=split_notes(splits) if task.labelled else (),
        task=task.name,
        about=dict(task.about),
        choice=task.choice,
        device=device,
        precision=precision,
        memory_format=memory_format,
        asked=dict(asked),
    )


def changes_since(run: Record) -> tuple[str, ...]:
    """Sentences on what is no longer as it was when the run began and may change the last bits of its numbers."""
    now = {"threads": str(torch.get_num_threads()), "processes": str(ranks().count), **versions()}
    then = {"threads": str(run.threads), "processes": str(run.processes), **run.versions}
    return tuple(
        f"the run began with {name} {value} and goes on with {now.get(name, 'none')}: the last bits may differ"
        for name, value in then.items()
        if now.get(name) != value
    )


def versions() -> dict[str, str]:
    """Versions of what takes part in a run."""
    from importlib.metadata import version

    named = {name: version(name) for name in ("torch", "lightning-fabric")}
    return {"python": platform.python_version(), **named}


def from_scratch(name: str) -> bool:
    """Whether a name is a bare ``SOURCE/ARCH``, with or without options: training begins from random weights."""
    source, _, rest = name.partition("/")
    if not source or not rest or set(rest) & set("/@:") or Path(name).exists():
        return False
    arch, _, tag = parse_arch(rest)
    return bool(arch) and not tag


def _fresh(name: str, train: Dataset, *, recipe: Recipe, seed: int) -> Net:
    net = load_net(f"{name}.random", classes=train.classes, channels=train.channels, size=train.size, seed=seed)
    normal = measure_normalisation(train, recipe.preprocess)
    net = net.adapted(mean=normal.mean, std=normal.std, classes=train.classes, geometry=train.geometry or net.geometry)
    initialise(net, recipe.init, seed=seed, images=probe_images(train, seed) if recipe.init in NEED_IMAGES else None)
    return net


def probe_images(train: Dataset, seed: int, most: int = PROBED) -> Tensor:
    """Training images drawn by the seed, as many as there are and at most ``most``."""
    order = Rng(seed, "train/probe").permutation(len(train))[:most]
    return train.images(order)
