"""Frozen tables of named things that are loaded only when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar, cast

from .errors import UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One named thing, described without loading it.

    Attributes:
        target: ``"package.module:attribute"``, imported on first use.
        summary: One line that says what it is.
        cites: Keys of `striate.core.cite`, the paper first.
        licence: Licence of what it brings (data, weights), where it brings any.
    """

    target: str
    summary: str
    cites: tuple[str, ...] = ()
    licence: str = ""


class Registry(Generic[T]):
    """An unchangeable mapping from names to lazily loaded things.

    >>> shapes = Registry[type]("shape", {"square": Entry("builtins:int", "four equal sides")})
    >>> shapes.load("square")
    <class 'int'>
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry], *, hint: str = "") -> None:
        self.kind, self._hint = kind, hint
        self._entries = MappingProxyType(dict(entries))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Entry:
        """The entry; an unknown name raises `UnknownNameError` with the nearest known ones."""
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries, hint=self._hint)
        return self._entries[name]

    def items(self) -> list[tuple[str, Entry]]:
        """Names with their entries, in the order in which they were registered."""
        return list(self._entries.items())

    def load(self, name: str) -> T:
        """The thing itself, imported now."""
        module, _, attribute = self[name].target.partition(":")
        return cast("T", getattr(importlib.import_module(module), attribute))
