"""The activations of the unchanged image, as units that tiles are cut from."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from striate.nets.site import Pair

from .locality import Part
from .program import Program


def canonical(tensor: Tensor, axes: Pair) -> Tensor:
    """(B, rows, columns, all else); no copy where channels lie last in memory."""
    moved = tensor.movedim(axes, (1, 2))
    return moved.reshape(*moved.shape[:3], -1)


def natural(units: Tensor, axes: Pair, shape: tuple[int, ...]) -> Tensor:
    """Back from `canonical`, for a value whose whole map of one image has ``shape``."""
    rest = [size for axis, size in enumerate(shape) if axis not in (0, *axes)]
    return units.view(*units.shape[:3], *rest).movedim((1, 2), axes)


class Base:
    """What every value is on the unchanged image.

    Attributes:
        output: What the net gives for it.
    """

    def __init__(self, program: Program, parts: tuple[Part, ...], image: Tensor) -> None:
        self.axes = axes_of(program, parts)
        self.shapes, self._output = program.shapes, program.output
        self._values: dict[int, Tensor] = {0: image}
        self._rows: dict[int, Tensor] = {}
        kept = _gathered(program, parts)
        for place, node in enumerate(program.nodes):
            target = node.inputs[node.target] if node.target >= 0 else -1

            def value(each: int, target: int = target) -> Tensor:
                return self._values[each].clone() if each == target else self._values[each]

            self._values.update(zip(node.outputs, node.call(value, 1), strict=True))
            for each in {*node.inputs, *node.outputs}:
                if each not in kept and program.last[each] <= place and each != program.output:
                    self._values.pop(each, None)
        self.output = self._values[program.output]

    def value(self, value: int) -> Tensor:
        """A value as the operations gave it, for one image."""
        return self._values[value]

    def rows(self, value: int) -> Tensor:
        """Its units row by row, (H W + 2, C); the last two are what lies outside: zeros, and the least number."""
        if value not in self._rows:
            axes = self.axes[value]
            assert axes is not None
            units = canonical(self._values[value], axes)[0].flatten(0, 1)
            outside = units.new_zeros(2, units.shape[1])
            if units.is_floating_point():
                outside[1] = -torch.inf
            self._rows[value] = torch.cat([units, outside])
            if value != self._output:
                del self._values[value]  # from here on nobody asks for it in any other form
        return self._rows[value]

    def copies(self, value: int, count: int) -> Tensor:
        """The units of the whole map ``count`` times, (count, H, W, C), to be written into."""
        axes = self.axes[value]
        assert axes is not None
        height, width = (self.shapes[value][axis] for axis in axes)
        rows = self.rows(value)
        made = rows.new_empty(count, height, width, rows.shape[1])
        return made.copy_(rows[:-2].view(1, height, width, -1).expand_as(made))


def axes_of(program: Program, parts: tuple[Part, ...]) -> Mapping[int, Pair | None]:
    """For each value its axes of rows and columns, None where it has none."""
    found: dict[int, Pair | None] = {0: (2, 3)}
    for node, part in zip(program.nodes, parts, strict=True):
        found.update(zip(node.outputs, part.axes, strict=True))
    return found


def _gathered(program: Program, parts: tuple[Part, ...]) -> frozenset[int]:
    """Values that tiles may be cut from, and all that do not depend on the image."""
    axes, found = axes_of(program, parts), {program.output}
    for node, part in zip(program.nodes, parts, strict=True):
        found.update(() if node.image else node.outputs)
        moving = [value for value in node.inputs if axes.get(value) is not None]
        if part.kind in ("window", "pad", "whole") or len(set(moving)) > 1:
            found.update(moving)
        if part.kind == "cat":
            found.update(node.outputs)
    return frozenset(found)
