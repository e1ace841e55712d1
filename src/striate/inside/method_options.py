"""Options of attribution methods: which each has, and words of a command line turned into their values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net

from .attribution import METHODS
from .attribution.cams import place_of

COMMON = ("net", "images", "targets", "memory", "progress", "seed")  # not the methods' own: everybody's
SOME = 8  # methods that are named one by one
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


def options_of(method: str) -> dict[str, inspect.Parameter]:
    """Options that a method has of its own, by name.

    >>> list(options_of("rise"))
    ['samples', 'cells', 'shown', 'baseline', 'score']
    """
    found = inspect.signature(METHODS.load(method)).parameters
    return {name: each for name, each in found.items() if name not in COMMON}


def offered(methods: Sequence[str]) -> str:
    """What the methods take, in words: ``occlusion: patch, stride; gradient: check``."""
    known = {method: ", ".join(options_of(method)) or "none" for method in methods}
    return "; ".join(f"{method}: {names}" for method, names in known.items())


def sorted_out(methods: Sequence[str], *, seed: int, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each method those of the options that it has; None is as good as not given.

    The seed is no option of a method's own: it goes to those that draw.

    Raises:
        StriateError: No method, or an option that none of them has, or a word that is no value of it.
    """
    if not methods:
        raise StriateError("no method was named", accepted=", ".join(METHODS))
    own = {method: options_of(method) for method in methods}
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        if not any(name in each for each in own.values()):
            takers = [method for method in METHODS if name in options_of(method)]
            said = "images" if isinstance(value, Tensor) else repr(value)
            some = ", ".join(methods) if len(methods) <= SOME else f"any of the {len(methods)} methods"
            raise StriateError(
                f"{name} is {said}, which {some} has no use for",
                accepted=f"with {', '.join(takers)}" if takers else offered(methods),
            )
    return {
        method: {name: _fit(value, own[method][name]) for name, value in values.items() if name in own[method]}
        | ({"seed": seed} if "seed" in inspect.signature(METHODS.load(method)).parameters else {})
        for method in methods
    }


def _fit(value: Any, parameter: inspect.Parameter) -> Any:
    """A text as what the option is; everything else as it is."""
    kind = str(parameter.annotation)
    if not isinstance(value, str) or kind.startswith(("str", "Baseline")):
        return value
    text, name = value.strip().lower(), parameter.name
    if kind == "bool":
        if text not in YES + NO:
            raise StriateError(f"{name} is {value!r}", accepted="yes or no")
        return text in YES
    if kind.startswith(("int", "float")):
        try:
            return int(text) if kind.startswith("int") else float(text)
        except ValueError as error:
            accepted = "a whole number" if kind.startswith("int") else "a number"
            raise StriateError(f"{name} is {value!r}", accepted=accepted) from error
    return value


def passes_by_request(method: str, net: Net, images: Tensor, options: Mapping[str, Any]) -> int:
    """Passes that a map takes of those methods whose passes have no bound of their own; 0 for all others."""
    if method == "rise":
        return int(options.get("samples", options_of(method)["samples"].default))
    if method not in {"score_cam", "ablation_cam"}:
        return 0
    try:
        place = place_of(net, (images.shape[-2], images.shape[-1]), options.get("layer"))
    except StriateError:
        return 0  # the method says it itself, in its own words
    return place.site.shape[-1 if place.grid else 0]
