"""Where annotation files and their images lie in a tree: which file is meant by a name, which split by a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from striate.core.errors import StriateError

from ..dataset import BrokenFile
from ..tree import Listing, Tree
from .images import is_image
from .vocabulary import SPLITS

KEPT = "striate.json"  # written by converters: classes in their order, and what a format has no place for
_SHOWN = 5  # files that a message names


def stem(path: str) -> str:
    """The name of a file without folders and ending."""
    return path.rpartition("/")[2].rpartition(".")[0] or path.rpartition("/")[2]


def split_in(words: Iterable[str]) -> str:
    """The split that one of these words names, "" where none does; years behind a word do not count (``train2017``)."""
    for word in words:
        found = SPLITS.get(word.lower().rstrip("0123456789"))
        if found:
            return found
    return ""


class Images:
    """The images of a tree, found by what annotation files call them; nothing outside the tree is ever found."""

    def __init__(self, listing: Listing, *, leave_out: frozenset[str] = frozenset()) -> None:
        self.names = tuple(
            name for name in listing.names if is_image(name) and leave_out.isdisjoint(name.lower().split("/")[:-1])
        )
        self._all = frozenset(self.names)
        self._bare: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in self.names:
            self._bare.setdefault(name.rpartition("/")[2], []).append(name)
            self._stems.setdefault(stem(name), []).append(name)

    def find(self, called: str, *, near: str = "", split: str = "") -> str | None:
        """The path of the image that is called so, a path or a bare name, with or without ending.

        Where several have the name, the one in the folder ``near`` is taken, or the only one in a folder of this split.
        """
        asked = called.replace("\\", "/").removeprefix("./")
        for path in (f"{near}{asked}" if near else asked, asked):
            if path in self._all:
                return path
        bare = asked.rpartition("/")[2]
        found = self._bare.get(bare, []) or self._stems.get(bare, [])
        longer = [path for path in found if path.endswith(f"/{asked}")]
        for some in (longer, found, [path for path in found if split and split_in(path.split("/")[:-1]) == split]):
            if len(some) == 1:
                return some[0]
        beside = [path for path in found if path.rpartition("/")[0] == near.rstrip("/")]
        return beside[0] if len(beside) == 1 else None


def leave_or_refuse(
    tree: Tree, gone: Sequence[BrokenFile], total: int, what: str, *, skip_broken: bool, other: str = ""
) -> None:
    """Nothing where all is well or broken files may be left out; else an error that counts them and names the first.

    ``other`` is what else may be tried.

    Raises:
        StriateError: Some are broken and ``skip_broken`` was not said.
    """
    if not gone or skip_broken:
        return
    shown = "; ".join(f"{one.name} ({one.why})" for one in gone[:_SHOWN])
    more = f"; and {len(gone) - _SHOWN:,} more" if len(gone) > _SHOWN else ""
    raise StriateError(
        f"{len(gone):,} of {total:,} {what} of {tree.name} cannot be used: {shown}{more}",
        hint="skip_broken=True (--skip-broken) leaves them out and counts them in a finding" + other,
    )


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``"1 class"``, ``"1,200 images"``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def kept_of(tree: Tree, listing: Listing, *, start: str = "") -> dict[str, Any]:
    """What a converter kept beside the files; empty where none wrote them.

    Raises:
        StriateError: It is not the JSON that converters write.
    """
    if KEPT not in listing.top_files:
        return {}
    try:
        found = json.loads(tree.read(start + KEPT))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StriateError(f"{tree.name}/{start}{KEPT} is not JSON that can be read: {error}") from error
    if not isinstance(found, dict):
        raise StriateError(f"{tree.name}/{start}{KEPT} holds a {type(found).__name__}", accepted="a JSON object")
    return found
