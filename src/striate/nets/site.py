"""Executed operations of a net, their windows and their theoretical receptive fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .payload import Field

Pair = tuple[int, int]
Fields = tuple[Field, Field]
WHOLE = Field(1, 1.0, 0.0)  # what a pixel of the input sees: itself


@dataclass(frozen=True)
class Window:
    """The window that an operation slides over its input, as (height, width).

    Attributes:
        kernel: Extent in input units, dilation not counted.
        stride: Step from one output unit to the next.
        dilation: Step between the units that one output takes in.
        padding: Units added ((above, below), (left, right)).
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Site:
    """One executed operation.

    Attributes:
        name: ``layer1.0.relu#1``: path of the module that ran it, ``#k`` for its k-th extra run; an operation in the
            forward of a module with children, or before the last one of a childless module, adds its own name.
        op: What it computes: ``conv2d``, ``relu``, ``add``...
        inputs: Names of the sites whose outputs it takes in; ``"input"`` is the image.
        shape: Shape of its output for one image, without the first axis.
        window: What it slides over its input, or None where nothing slides.
        parameters: Elements of the parameters that first appear here; a shared one counts once in a net.
        macs: Multiply-adds for one image, of convolutions, linear layers, matrix products and attention.
        field: Theoretical receptive field (height, width), or None where no single window holds what counts.
        module: Path of the module that ran it.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    window: Window | None = None
    parameters: int = 0
    macs: int = 0
    field: Fields | None = None
    module: str = ""


def through(fields: Fields, window: Window) -> Fields:
    """Receptive fields behind a window that slides over units with ``fields``.

    Sizes and strides are in input pixels; the offset is the centre of unit 0, where the centre of pixel 0 is 0.

    Source: Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", equations 1 to 4
    (their offsets count from 1, ours are centres counted from 0).
    """
    height, width = (_through(field, window, axis) for axis, field in enumerate(fields))
    return height, width


def _through(field: Field, window: Window, axis: int) -> Field:
    reach = (window.kernel[axis] - 1) * window.dilation[axis]
    return Field(
        size=field.size + round(reach * field.stride),
        stride=field.stride * window.stride[axis],
        offset=field.offset + (reach / 2 - window.padding[axis][0]) * field.stride,
    )


def union(several: Iterable[Fields]) -> Fields | None:
    """The smallest fields that hold all the given ones, or None where their strides differ (no single window does)."""
    fields = list(several)
    height = _union([pair[0] for pair in fields])
    width = _union([pair[1] for pair in fields])
    return None if height is None or width is None else (height, width)


def _union(fields: list[Field]) -> Field | None:
    if len({field.stride for field in fields}) != 1:
        return None
    low = min(field.offset - (field.size - 1) / 2 for field in fields)
    high = max(field.offset + (field.size - 1) / 2 for field in fields)
    return Field(size=round(high - low) + 1, stride=fields[0].stride, offset=(low + high) / 2)
