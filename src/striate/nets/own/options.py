"""Options of own networks: what their builders take by name, and parts that any of them can have otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.request import Request
from striate.nets.site import Pair

from . import OWN
from .blueprint import Blueprint
from .parts import PARTS, put_parts

_READ: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "a word"),
    "bool": (lambda text: {"yes": True, "no": False}[text], "yes or no"),
}


def built(request: Request, classes: int, channels: int, size: Pair) -> Blueprint:
    """The architecture that is asked for, with its options and its parts; an option of the builder goes first.

    Raises:
        StriateError: An option is none of the architecture's and no part, or its value cannot be read, or the
            architecture has nothing that a part could replace.
    """
    builder = OWN.load(request.arch)
    known = builder_options(builder)
    own = {key: _read(request, key, value, known[key]) for key, value in request.options.items() if key in known}
    parts = {key: value for key, value in request.options.items() if key not in known}
    unknown = [key for key in parts if key not in PARTS]
    if unknown:
        raise UnknownNameError(f"option of striate/{request.arch}", unknown[0], [*known, *PARTS])
    blueprint = builder(classes, channels, size, **own)
    if not parts:
        return blueprint
    name = f"striate/{request.arch}"
    module = put_parts(blueprint.module, parts, name=name, classes=classes, channels=channels, size=size)
    return replace(blueprint, module=module)


def builder_options(builder: Callable[..., Blueprint]) -> dict[str, inspect.Parameter]:
    """What a builder takes by name alone: its options, with their defaults."""
    fixed = builder.keywords if isinstance(builder, partial) else {}
    return {
        name: parameter
        for name, parameter in inspect.signature(builder).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in fixed
    }


def _read(request: Request, key: str, value: str, parameter: inspect.Parameter) -> Any:
    convert, accepted = _READ[str(parameter.annotation)]
    try:
        return convert(value)
    except (ValueError, KeyError) as error:
        raise StriateError(f"{key}={value} of striate/{request.arch}", accepted=accepted) from error
