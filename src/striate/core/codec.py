"""Frozen dataclasses to JSON and back, by their annotations."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def to_json(value: object) -> Json:
    """Plain JSON of a value made of dataclasses, mappings, sequences and scalars.

    Raises:
        TypeError: Something else is inside (a tensor, a set, an object), named by its type.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = (each for each in dataclasses.fields(value) if each.metadata.get("json", True))
        return {each.metadata.get("name", each.name): to_json(getattr(value, each.name)) for each in shown}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [to_json(item) for item in value]
    raise TypeError(
        f"{type(value).__name__} has no form in JSON; give numbers, texts, dataclasses, mappings, sequences"
    )


def from_json(data: Json, kind: type[T]) -> T:
    """The value of annotation ``kind`` that `to_json` wrote; unknown keys are passed over, missing ones take defaults.

    Raises:
        ValueError: The data do not have the form of ``kind``; the message says where.
    """
    return cast("T", _decode(data, kind, kind.__name__ if isinstance(kind, type) else str(kind)))


def dumps(value: object, *, indent: int | None = 1) -> str:
    """JSON text; NaN and infinities are refused (`Number` says how to write a number that is missing)."""
    return json.dumps(to_json(value), indent=indent, allow_nan=False, ensure_ascii=False)


def _decode(data: Any, kind: Any, place: str) -> Any:  # noqa: PLR0911
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or kind is object or isinstance(kind, TypeVar):
        return data
    if origin in (Union, types.UnionType):
        return _first_that_fits(data, inner, place)
    if origin is Literal:
        return _checked(data in inner, data, f"one of {inner}", place)
    if origin in (tuple, list, Sequence):
        _checked(isinstance(data, list), data, "a list", place)
        if origin is tuple and not (len(inner) == 2 and inner[1] is Ellipsis):
            _checked(len(data) == len(inner), data, f"{len(inner)} entries", place)
            return tuple(
                _decode(item, each, f"{place}[{i}]") for i, (item, each) in enumerate(zip(data, inner, strict=True))
            )
        items = [_decode(item, inner[0], f"{place}[{i}]") for i, item in enumerate(data)]
        return items if origin is list else tuple(items)
    if origin in (dict, Mapping):
        _checked(isinstance(data, dict), data, "an object", place)
        return {_key(key, inner[0], place): _decode(item, inner[1], f"{place}.{key}") for key, item in data.items()}
    if dataclasses.is_dataclass(kind):
        return _dataclass(data, kind, place)
    if kind is float:
        return float(_checked(isinstance(data, (int, float)) and not isinstance(data, bool), data, "a number", place))
    if kind is None or kind is type(None):
        return _checked(data is None, data, "null", place)
    fits = isinstance(data, kind) and (kind is bool or not isinstance(data, bool))
    return _checked(fits, data, f"a {kind.__name__}", place)


def _key(key: str, kind: Any, place: str) -> Any:
    """JSON has texts for keys; whole numbers come back as what they were."""
    if kind is not int:
        return key
    try:
        return int(key)
    except ValueError as error:
        raise ValueError(f"{place} has the key {key!r}, not a whole number") from error


def _dataclass(data: Any, kind: Any, place: str) -> Any:
    _checked(isinstance(data, dict), data, "an object", place)
    hints = get_type_hints(kind)
    given = {}
    for each in dataclasses.fields(kind):
        name = each.metadata.get("name", each.name)
        if name in data and each.metadata.get("json", True):
            given[each.name] = _decode(data[name], hints[each.name], f"{place}.{name}")
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise ValueError(f"{place} lacks {name!r}; it has {sorted(data)}")
    return kind(**given)


def _first_that_fits(data: Any, kinds: Sequence[Any], place: str) -> Any:
    reasons = []
    for kind in kinds:
        try:
            return _decode(data, kind, place)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError("; ".join(reasons))


def _checked(fits: bool, data: Any, wanted: str, place: str) -> Any:
    if not fits:
        raise ValueError(f"{place} is {str(data)[:60]!r}, not {wanted}")
    return data
