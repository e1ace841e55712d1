"""A verb's signature as the command line, the JSON and the form see it, read without torch or numpy."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from . import FOLDERS, VERBS
from .options import Option


@dataclass(frozen=True)
class Parameter:
    """One argument of a verb: its name, the kind of its values, its help, its default, its choices.

    ``place`` is where the command line writes when it is told nothing.
    """

    name: str
    kind: type
    option: Option
    default: Any
    choices: tuple[str, ...] = ()
    variadic: bool = False
    place: str = ""

    @property
    def switch(self) -> bool:
        """Whether it is given without a value."""
        return self.kind is bool


def shared_options(kind: type) -> dict[str, tuple[Any, Option]]:
    """Annotation and `Option` of each key of a TypedDict of shared options."""
    return {name: _annotated(hint, name) for name, hint in get_type_hints(kind, include_extras=True).items()}


@cache
def read_signature(verb: str) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Positional arguments and options of a verb, in the order in which it takes them."""
    function: Callable[..., Any] = VERBS.load(verb)
    hints = get_type_hints(function, include_extras=True)
    positional: dict[str, Parameter] = {}
    options: dict[str, Parameter] = {}
    for name, given in inspect.signature(function).parameters.items():
        if given.kind is given.VAR_KEYWORD:
            (shared,) = get_args(hints[name])
            for key, (annotation, option) in shared_options(shared).items():
                options.setdefault(key, _parameter(key, annotation, option, option.default))
            continue
        annotation, option = _annotated(hints[name], name)
        parameter = replace(
            _parameter(name, annotation, option, given.default), variadic=given.kind is given.VAR_POSITIONAL
        )
        (options if given.kind is given.KEYWORD_ONLY else positional)[name] = parameter
    if verb in FOLDERS:
        options["out"] = replace(options["out"], place=FOLDERS[verb])
    return positional, options


def _parameter(name: str, annotation: Any, option: Option, default: Any) -> Parameter:
    inner = [each for each in _alternatives(annotation) if each is not type(None)]
    choices = tuple(str(each) for each in get_args(inner[0])) if get_origin(inner[0]) is Literal else ()
    plain = inner[0] if inner[0] in (bool, int, float) else str
    return Parameter(name, plain, option, default, choices)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _annotated(hint: Any, name: str) -> tuple[Any, Option]:
    if get_origin(hint) is not Annotated:
        raise TypeError(f"argument {name!r} of a verb needs Annotated[..., Option(...)]")
    annotation, *extras = get_args(hint)
    (option,) = [extra for extra in extras if isinstance(extra, Option)]
    return annotation, option
