"""What a builder of an own network gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from striate.core.errors import StriateError
from striate.nets.site import Pair


@dataclass(frozen=True)
class Blueprint:
    """A fresh module, and what sizes it takes.

    Attributes:
        module: Takes normalised images (N, C, H, W), gives logits (N, K).
        any_size: It takes other sizes than the one it was built for.
        least_size: The smallest height and width.
        greatest_size: The greatest that it is meant for, or None.
    """

    module: nn.Module
    any_size: bool = False
    least_size: int = 1
    greatest_size: int | None = None


def within(name: str, size: Pair, least: int, greatest: int | None = None) -> None:
    """Raises where images of ``size`` are none that the network ``name`` is meant for."""
    if min(size) < least or (greatest is not None and max(size) > greatest):
        accepted = f"{least} to {greatest} px" if greatest else f"at least {least} px"
        hint = f"--size {min(greatest, 64)}" if greatest and max(size) > greatest else ""
        raise StriateError(f"striate/{name} for images of {size[0]} x {size[1]}", accepted=accepted, hint=hint)


def check_width(name: str, width: float) -> None:
    """Raises where a number of channels is no number of channels."""
    if width < 1:
        raise StriateError(f"width of striate/{name} is {width}", accepted="at least 1 channel")
