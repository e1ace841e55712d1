"""What the terminal renderers of all payloads share; each payload registers its own with `result_lines`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from .format import readable, wrap

COLOURS: Mapping[str, str] = {"error": "31", "warning": "33", "note": "36", "pass": "32", "quiet": "2", "strong": "1"}
MOST_LINES = 20  # of a list in a terminal; the JSON holds all


@singledispatch
def result_lines(result: Any, width: int, color: bool) -> list[str]:
    """Lines of a payload, at most ``width`` columns wide; with ``color`` they may carry ANSI colours."""
    del color
    return wrap(readable(str(result)), width)


def painted(words: str, kind: str, color: bool) -> str:
    """The words in the colour of a kind, where colour is wanted."""
    return f"\x1b[{COLOURS[kind]}m{words}\x1b[0m" if color else words
