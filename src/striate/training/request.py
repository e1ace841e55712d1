"""Recipes and their parts as they are asked for in texts: ``adamw+rate=0.001``, ``FILE.py:function``, ``FILE.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from striate.core.codec import from_json
from striate.core.errors import StriateError, UnknownNameError
from striate.core.script import call_script

from .catalog import OPTIMIZERS, RECIPES
from .losses import Loss
from .optimizers.specs import Optimizer
from .recipe import Recipe
from .schedules import Schedule


def load_recipe(text: str) -> Recipe:
    """The recipe of this name, of ``FILE.py:function`` (called without arguments), a JSON file, or a run folder.

    The file holds a recipe as `striate train` saves it, or a whole ``run.json``.

    Raises:
        UnknownNameError: There is no such recipe; the message holds the nearest.
        StriateError: The file does not exist, or holds or gives no recipe.
    """
    if re.search(r"\.py:\w+$", text):
        made = call_script(text)
        if not isinstance(made, Recipe):
            raise StriateError(f"{text} gave a {type(made).__name__}", accepted="a striate.training.recipe.Recipe")
        return made
    if text.endswith(".json"):
        return _from_file(Path(text))
    if text not in RECIPES and Path(text).is_dir():
        return _from_file(Path(text) / "run.json")
    if text.endswith(".py"):
        raise StriateError(f"the recipe {text} names no function", accepted="FILE.py:function", hint=f"{text}:recipe")
    return RECIPES.load(text)


def _from_file(path: Path) -> Recipe:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and isinstance(data.get("recipe"), dict):
            data = data["recipe"]
        return from_json(data, Recipe)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, StriateError):
            raise
        said = error.strerror if isinstance(error, OSError) else error
        raise StriateError(
            f"{path} holds no recipe ({said})", accepted="a recipe in JSON, or the run.json of a run"
        ) from error


def recipe_cites(text: str) -> tuple[str, ...]:
    """Keys of the papers behind a recipe of a name; none for one of a file."""
    return RECIPES[text].cites if text in RECIPES else ()


def load_optimizer(text: str) -> Optimizer:
    """The optimizer of ``NAME`` or ``NAME+KEY=VALUE+...``, with its usual numbers otherwise.

    >>> load_optimizer("nesterov+momentum=0.95").momentum
    0.95

    Raises:
        UnknownNameError: There is no such optimizer, or it has no such number.
        StriateError: A value cannot be read, or is out of its range.
    """
    name, given = parsed(text)
    spec = OPTIMIZERS.load(name)
    return replace(spec, **{key: _read(spec, name, key, value) for key, value in given.items()})


def changed(spec: Optimizer, key: str, value: float) -> Optimizer:
    """The optimizer with another ``rate``, ``momentum``, ``weight_decay``.

    Raises:
        StriateError: It has no such number.
    """
    if key not in {each.name for each in fields(spec)}:
        raise StriateError(f"{key} {value} with the optimizer {spec.name}, which has none", accepted=_known(spec))
    given: dict[str, Any] = {key: value}
    return replace(spec, **given)


def load_schedule(text: str) -> Schedule:
    """The schedule of ``NAME`` or ``NAME+KEY=VALUE+...``: ``cosine+warm=0.1``."""
    name, given = parsed(text)
    return Schedule(name, _numbers("schedule", name, given))


def load_loss(text: str) -> Loss:
    """The loss of ``NAME`` or ``NAME+KEY=VALUE+...``: ``focal+gamma=1``."""
    name, given = parsed(text)
    return Loss(name, _numbers("loss", name, given))


def parsed(text: str) -> tuple[str, dict[str, str]]:
    """Name and options of ``NAME+KEY=VALUE+KEY=VALUE``.

    Raises:
        StriateError: An option has no value, or is given twice.
    """
    # a sign in an exponent is no separator: 1e+3
    name, *rest = re.split(r"\+(?=[A-Za-z_])", text)
    options: dict[str, str] = {}
    for each in rest:
        key, _, value = each.partition("=")
        if not value:
            raise StriateError(f"option {each!r} of {name}", accepted="KEY=VALUE", hint=f"{name}+{key}=0.1")
        if key in options:
            raise StriateError(f"option {key} of {name} is given twice", accepted="once")
        options[key] = value
    return name, options


def _numbers(kind: str, name: str, given: Mapping[str, str]) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in given.items()}
    except ValueError as error:
        raise StriateError(f"{given} of {kind} {name}", accepted="numbers") from error


def _read(spec: Optimizer, name: str, key: str, value: str) -> Any:
    hints = get_type_hints(type(spec))
    if key not in hints or key == "name":
        raise UnknownNameError(f"option of optimizer {name}", key, [each for each in hints if each != "name"])
    kind = hints[key]
    if get_origin(kind) is not None:  # one of several words
        if value not in get_args(kind):
            raise StriateError(f"{key} of optimizer {name} is {value!r}", accepted=", ".join(get_args(kind)))
        return value
    if kind is bool:
        if value not in ("yes", "no"):
            raise StriateError(f"{key} of optimizer {name} is {value!r}", accepted="yes or no")
        return value == "yes"
    try:
        return kind(value)
    except ValueError as error:
        accepted = "a whole number" if kind is int else "a number"
        raise StriateError(f"{key} of optimizer {name} is {value!r}", accepted=accepted) from error


def _known(spec: Optimizer) -> str:
    return ", ".join(each.name for each in fields(spec) if each.name != "name")
