"""A setup as it is asked for: ``FILE.py:function``, a `Setup`, or its parts in a tuple, a mapping, an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.script import call_script

from .setup import Setup

ORDER = ("model", "optimizer", "loss_fn", "train", "test")  # of a tuple of parts
OTHERWISE = {  # how else loops call a part
    "net": "model", "network": "model", "module": "model", "opt": "optimizer", "optim": "optimizer",
    "optimizers": "optimizer", "criterion": "loss_fn", "loss": "loss_fn", "loss_function": "loss_fn",
    "loader": "train", "train_loader": "train", "train_data": "train", "train_dataset": "train",
    "test_loader": "test", "val_loader": "test", "valid_loader": "test", "val": "test", "dev": "test",
    "test_data": "test", "test_dataset": "test", "val_dataset": "test", "lr_scheduler": "scheduler", "ema": "average",
    "train_step": "step",
}  # fmt: skip
PARTS = tuple(each.name for each in fields(Setup))
ACCEPTED = "a striate.Setup(model, optimizer, loss_fn, train=..., test=..., loop=...), a tuple or a dict of its parts"


def is_script(text: str) -> bool:
    """Whether a text has the form of ``FILE.py:function``."""
    file, colon, function = text.rpartition(":")
    return bool(colon) and file.endswith(".py") and function.isidentifier()


def made_by(text: str) -> object:
    """What the function of ``FILE.py:function`` gives, called without arguments: the file's code is run.

    Raises:
        StriateError: There is no such file or function, its code raises, or it ends the interpreter.
    """
    try:
        return call_script(text)
    except SystemExit as error:
        raise StriateError(f"{text} ends the interpreter (sys.exit)", accepted="a function that returns") from error


def as_setup(given: object, *, said: str = "the setup") -> Setup:
    """The setup that ``given`` is, or that its parts make; ``said`` is what errors call it.

    A tuple or list holds model, optimizer, loss function, train, test in this order, later ones left out, None for what
    lacks. Mappings and objects hold parts by name, also by the names that loops usually give them (``criterion``,
    ``train_loader``, ``val_loader``...).

    Raises:
        StriateError: It is something else, or a part is nothing of its kind.
    """
    if isinstance(given, Setup):
        return given
    if isinstance(given, nn.Module):
        return Setup(given)
    if isinstance(given, Mapping):
        return _of_names(given, said)
    if isinstance(given, (tuple, list)):
        return _of_order(tuple(given), said)
    held = {name: getattr(given, name) for name in (*PARTS, *OTHERWISE) if _there(given, name)}
    if {OTHERWISE.get(name, name) for name in held} & {"model"}:
        return _of_names(held, said)
    raise StriateError(f"{said} is a {type(given).__name__}", accepted=ACCEPTED)


def _there(given: object, name: str) -> bool:
    return not isinstance(given, (str, bytes, int, float, type(None), torch.Tensor)) and hasattr(given, name)


def _of_order(parts: tuple[Any, ...], said: str) -> Setup:
    if not parts or not isinstance(parts[0], nn.Module) or len(parts) > len(ORDER):
        kinds = ", ".join(type(each).__name__ for each in parts[:6]) or "nothing"
        raise StriateError(f"{said} is a tuple of {kinds}", accepted=f"({', '.join(ORDER)}), or {ACCEPTED}")
    return _built(dict(zip(ORDER, parts, strict=False)), said)


def _of_names(parts: Mapping[Any, Any], said: str) -> Setup:
    named: dict[str, Any] = {}
    for key, value in parts.items():
        name = OTHERWISE.get(str(key), str(key))
        if name not in PARTS:
            raise UnknownNameError(f"part of {said}", str(key), PARTS)
        if value is not None and named.get(name) is None:
            named[name] = value
    if "model" not in named:
        raise StriateError(f"{said} has no model, only {', '.join(named) or 'nothing'}", accepted=ACCEPTED)
    return _built(named, said)


def _built(parts: Mapping[str, Any], said: str) -> Setup:
    try:
        return Setup(**parts)
    except StriateError as error:
        raise StriateError(f"{said}: {error.given}", accepted=error.accepted, hint=error.hint) from error
