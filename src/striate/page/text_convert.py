"""Converted data in a terminal."""

from __future__ import annotations

from striate.data.payload import Converted

from .format import named, readable, wrap
from .lines import painted, result_lines


@result_lines.register
def _converted(result: Converted, width: int, color: bool) -> list[str]:
    head = painted(readable(result.said), "strong", color)
    return [head, *wrap(f"from {named(result.data)}: {readable(result.layout)}", width)]
