"""No search: what the start itself says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from striate.imageopt.problem import Problem


@dataclass(frozen=True)
class Stay:
    """Takes no step, so that `solve` gives scores, success and outputs of the start, for one forward pass an image."""

    words: str = "no step"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:  # noqa: ARG002
        """Yields nothing."""
        yield from ()
