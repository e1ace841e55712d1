"""The recipe that a verb trains by: one by name or from a file, with what its options want otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from striate.core.errors import StriateError

from .options import Learning, Option, count, number, words

if TYPE_CHECKING:
    from striate.training.recipe import Recipe


def _number(name: str) -> Any:
    return lambda text: number(text, name)


class Teaching(Learning, total=False):
    """What verbs take that train a net by a recipe whose parts can be had otherwise."""

    optimizer: Annotated[str | None, Option("optimizer, with its usual rate: NAME or NAME+KEY=VALUE", "NAME")]
    schedule: Annotated[str | None, Option("course of the learning rate: cosine, step+every=0.3...", "NAME")]
    loss: Annotated[str | None, Option("loss of a classifier: hinge, focal+gamma=1...", "NAME")]
    init: Annotated[str | None, Option("starting weights of a net from scratch", "NAME")]
    momentum: Annotated[float | None, Option("momentum of the optimizer", "X", _number("momentum"))]
    weight_decay: Annotated[float | None, Option("weight decay of the optimizer", "X", _number("weight-decay"))]
    label_smoothing: Annotated[
        float | None, Option("share of the target spread over all classes", "X", _number("label-smoothing"))
    ]
    class_weights: Annotated[
        Literal["none", "balanced"] | None, Option("balanced: images weighed by the rarity of their class")
    ]
    l1: Annotated[float | None, Option("weight of the sum of |w|, by proximal steps", "X", _number("l1"))]
    l2: Annotated[float | None, Option("weight of half the sum of w^2 in the loss", "X", _number("l2"))]
    ema: Annotated[
        float | None, Option("keep a moving mean of the weights (0.999)", "DECAY", _number("ema"), bare=0.999)
    ]
    swa: Annotated[
        float | None,
        Option(
            "keep the mean of the weights of the epochs after this share (0.75)", "SHARE", _number("swa"), bare=0.75
        ),
    ]
    patience: Annotated[
        int | None,
        Option("epochs without a new best on dev that end the run", "N", lambda text: count(text, "patience")),
    ]
    clip: Annotated[float | None, Option("largest norm of the gradient", "X", _number("clip"))]
    clip_value: Annotated[float | None, Option("largest size of a number of the gradient", "X", _number("clip-value"))]
    accumulate: Annotated[
        int | None,
        Option("parts that a batch is passed in, to save memory", "N", lambda text: count(text, "accumulate")),
    ]


PARTS = (  # options that change the recipe
    "optimizer", "schedule", "loss", "init", "momentum", "weight_decay", "label_smoothing", "class_weights", "l1", "l2",
    "ema", "swa", "patience", "clip", "clip_value", "accumulate",
)  # fmt: skip
_PLAIN = {  # options that are a field of the recipe as they are
    "init": "init", "label_smoothing": "label_smoothing", "class_weights": "class_weights", "l1": "l1", "l2": "l2",
    "patience": "patience", "clip": "clip_norm", "clip_value": "clip_value", "accumulate": "accumulate",
    "epochs": "epochs", "batch": "batch",
}  # fmt: skip


def varied(name: str | Recipe, *, epochs: int | None, rate: float | None, batch: int | None, **parts: Any) -> Recipe:
    """The recipe (or that of a name or file) with what the caller wants otherwise; a variation says so in its name.

    Raises:
        StriateError: A part has no such number, or two parts do not go together.
    """
    from striate.training.averages import Ema, Swa
    from striate.training.losses import SHARED
    from striate.training.request import changed, load_loss, load_optimizer, load_recipe, load_schedule
    from striate.training.schedules import Schedule

    recipe = load_recipe(name) if isinstance(name, str) else name
    wanted = {"epochs": epochs, "rate": rate, "batch": batch, **{key: parts.get(key) for key in PARTS}}
    given: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    if not given:
        return recipe
    if "ema" in given and "swa" in given:
        raise StriateError(f"--ema {given['ema']} and --swa {given['swa']}", accepted="one of the two")
    changes = {_PLAIN[key]: value for key, value in given.items() if key in _PLAIN}
    if "optimizer" in given:
        changes["optimizer"] = load_optimizer(given["optimizer"])
        if changes["optimizer"].name == "lbfgs":  # its rate is a share of its own step
            changes["schedule"] = Schedule("constant")
    for key in ("rate", "momentum", "weight_decay"):
        if key in given:
            changes["optimizer"] = changed(changes.get("optimizer", recipe.optimizer), key, given[key])
    if "schedule" in given:
        changes["schedule"] = load_schedule(given["schedule"])
    if "loss" in given:
        changes["loss"] = load_loss(given["loss"])
        if changes["loss"].name not in SHARED and recipe.label_smoothing and "label_smoothing" not in given:
            changes["label_smoothing"] = given["label_smoothing"] = 0.0  # it knows one label an image; the name says so
    if "ema" in given or "swa" in given:
        changes["average"] = Ema(given["ema"]) if "ema" in given else Swa(given["swa"])
    return renamed(recipe, given, **changes)


def prepared(recipe: Recipe, *, augment: str | None, preprocess: str | None) -> Recipe:
    """The recipe with other transforms and another preprocessing where they are given; its name says so."""
    from striate.data.preprocess import CHOICES, Preprocess

    wanted = {"augment": augment, "preprocess": preprocess}
    given = {key: value for key, value in wanted.items() if value is not None}
    if not given:
        return recipe
    chosen: dict[str, Preprocess] = {name: name for name in CHOICES}
    if preprocess is not None and preprocess not in chosen:
        raise StriateError(f"preprocess is {preprocess!r}", accepted=", ".join(CHOICES))
    return renamed(
        recipe,
        given,
        augment=recipe.augment if augment is None else recipe.augment.named(words(augment)),
        preprocess=recipe.preprocess if preprocess is None else chosen[preprocess],
    )


def renamed(recipe: Recipe, given: Mapping[str, Any], **changes: Any) -> Recipe:
    """The recipe with these changes, and a name that tells what was given."""
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in given.items())
    joined = ", " if " with " in recipe.name else " with "
    return replace(recipe, name=f"{recipe.name}{joined}{told}", states="", **changes)


def cites_of(name: str, recipe: Recipe) -> tuple[str, ...]:
    """Keys of the papers behind the recipe of this name, its parts, and the transforms that it makes."""
    from striate.data.transforms import TRANSFORMS
    from striate.training.catalog import AVERAGES, LOSSES, OPTIMIZERS, SCHEDULES
    from striate.training.request import recipe_cites

    named = [*recipe.augment.transforms, *([recipe.augment.mixer] if recipe.augment.mixer else [])]
    parts = [
        OPTIMIZERS[recipe.optimizer.name].cites if recipe.optimizer.name != "sgd" else (),
        SCHEDULES[recipe.schedule.name].cites,
        LOSSES[recipe.loss.name].cites if recipe.loss.name != "cross_entropy" else (),
        AVERAGES[recipe.average.name].cites if recipe.average else (),
        ("prechelt1998early",) if recipe.patience else (),
        ("pascanu2013difficulty",) if recipe.clip_norm else (),
        ("duchi2009efficient",) if recipe.l1 else (),
        ("king2001logistic",) if recipe.class_weights == "balanced" else (),
        *(TRANSFORMS[each].cites for each in named),
    ]
    return tuple(dict.fromkeys((*recipe_cites(name), *(key for each in parts for key in each))))
