"""What is computed for one group of positions: operation by operation a tile of one size, or the whole map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.nets.ops import bound
from striate.nets.site import Pair, Window

from .geometry import Cut, Ints, Rect, bounded, cut, same, slid, union
from .locality import Part
from .program import Node, Program, Ref
from .recorded import Base, axes_of, canonical, natural

Env = dict[int, Tensor]
Step = Callable[[Base, Env], None]
WHOLE_AT = 0.7  # share of a map from which a tile of it costs as much as all of it, what is cut and pasted included


@dataclass
class Plan:
    """How a group of positions is computed.

    Attributes:
        count: Positions.
        steps: In order; each reads and writes the values of the group.
        rects: Where the tile of each value lies; values that are not here are whole maps.
        macs: Multiply-adds for the group.
        whole_from: Place of the first operation that depends on the image and is computed on whole maps, or -1.
        read: Where the tile of each value that is handed on lies; None where it is a whole map.
    """

    count: int
    steps: list[Step] = field(default_factory=list)
    rects: dict[int, Rect] = field(default_factory=dict)
    macs: float = 0.0
    whole_from: int = -1
    read: dict[int, Rect | None] = field(default_factory=dict)

    def run(self, base: Base, patches: Tensor) -> Env:
        """The values that are left in the end, for normalised ``patches`` (count, C, h, w)."""
        env: Env = {0: patches}
        for step in self.steps:
            step(base, env)
        return env


def grown(node: Node, part: Part, rects: Mapping[int, Rect], shapes: tuple[tuple[int, ...], ...]) -> Rect | None:
    """Where the output of an operation changes; None where it is computed whole."""
    moving = [rects[value] for value in dict.fromkeys(node.inputs) if value in rects]
    if part.kind == "whole" or not moving:
        return None
    if part.kind in ("point", "cat") and len(moving) > 1:
        rows, columns = zip(*moving, strict=True)
        return union(rows), union(columns)
    if part.kind == "window":
        assert part.window is not None
        height, width = shapes[node.outputs[0]][-2:]
        return slid(moving[0][0], part.window, 0, height), slid(moving[0][1], part.window, 1, width)
    if part.kind == "pad":
        assert part.window is not None
        made = []
        for extent, (before, after) in zip(moving[0], part.window.padding, strict=True):
            made.append(bounded(extent.low + before, extent.high + before, extent.length + before + after))
        return made[0], made[1]
    return moving[0]


def share(rect: Rect) -> float:
    """Part of the map that a tile is."""
    return rect[0].size * rect[1].size / (rect[0].length * rect[1].length)


def planned(
    program: Program, parts: tuple[Part, ...], first: Rect, *, whole_at: float = WHOLE_AT, wanted: frozenset[int]
) -> Plan:
    """The plan for the positions whose patches lie at ``first``; what of them is ``wanted`` besides the output.

    Where something is wanted, the plan ends with it, without the output; copies of it lie in the values at `kept`.
    """
    return _Planner(program, parts, first, whole_at, wanted).plan


def kept(value: int) -> int:
    """Where a copy of a wanted value lies among the values of a group."""
    return -1 - value


class _Planner:
    def __init__(
        self, program: Program, parts: tuple[Part, ...], first: Rect, whole_at: float, wanted: frozenset[int]
    ) -> None:
        self.program, self.shapes, self.axes = program, program.shapes, axes_of(program, parts)
        self.plan = Plan(len(first[0].low), rects={0: first})
        self.keep, self.wanted = {program.output}, wanted
        self.whole: set[int] = set()
        self.note((0,))
        needed = _needed(program, wanted or {program.output})
        for place, (node, part) in enumerate(zip(program.nodes, parts, strict=True)):
            if place not in needed:
                continue
            if not node.image:
                if node.counted:
                    self.whole.update(node.outputs)
                    self.plan.steps.append(self.call_whole(node, place))
                continue
            rect = None
            if not any(value in self.whole for value in node.inputs):
                rect = grown(node, part, self.plan.rects, self.shapes)
            if rect is not None and part.kind in ("window", "pad") and share(rect) >= whole_at:
                rect = None
            if rect is None:
                self.to_whole(node, place)
            else:
                self.plan.macs += node.macs * share(rect) * self.plan.count
                self.plan.rects.update(dict.fromkeys(node.outputs, rect))
                self.plan.steps.append(getattr(self, part.kind)(node, part, place, rect))
            self.note(node.outputs)
            gone = {each for each in node.inputs if program.last[each] <= place and each not in self.keep}
            gone |= {each for each in node.outputs if program.last[each] < 0 and each not in self.keep}
            if gone:
                self.plan.steps.append(_forget(frozenset(gone)))
        if program.output in self.plan.rects and not wanted:
            self.make_whole(program.output)

    def note(self, values: tuple[int, ...]) -> None:
        """Copies what is wanted before anything can overwrite it."""
        for value in self.wanted.intersection(values):
            self.plan.read[value] = self.plan.rects.get(value)
            self.plan.steps.append(_copy(value))

    def to_whole(self, node: Node, place: int) -> None:
        for value in dict.fromkeys(node.inputs):
            if value in self.plan.rects:
                self.make_whole(value)
        self.plan.macs += node.macs * self.plan.count
        if self.plan.whole_from < 0:
            self.plan.whole_from = place
        self.whole.update(node.outputs)
        self.plan.steps.append(self.call_whole(node, place))

    def make_whole(self, value: int) -> None:
        rect, axes, shape = self.plan.rects.pop(value), self.axes[value], self.shapes[value]
        assert axes is not None
        self.whole.add(value)
        pair: Pair = axes
        nowhere = np.zeros_like(rect[0].low)
        lengths = (rect[0].length, rect[1].length)
        where = cut((nowhere, nowhere), lengths, lengths, tile=rect)

        def step(base: Base, env: Env) -> None:
            made = base.copies(value, len(env[value]))
            where.paste(made, canonical(env[value], pair))
            env[value] = natural(made, pair, shape)

        self.plan.steps.append(step)

    def owned(self, node: Node, place: int) -> int:
        """The value that the call may not overwrite though it would, or -1."""
        target = node.inputs[node.target] if node.target >= 0 else -1
        if target < 0:
            return -1
        lasting = self.program.last[target] > place or target in self.keep
        return target if lasting or (target not in self.plan.rects and target not in self.whole) else -1

    def call_whole(self, node: Node, place: int) -> Step:
        copied, count = self.owned(node, place), self.plan.count

        def step(base: Base, env: Env) -> None:
            def value(each: int) -> Tensor:
                found = env[each] if each in env else base.value(each)
                return found.clone() if each == copied else found

            env.update(zip(node.outputs, node.call(value, count), strict=True))

        return step

    def moved(self, value: int, rect: Rect) -> Callable[[Base, Env], Tensor]:
        """The tile of a value at another rectangle that holds its own."""
        here, axes, shape = self.plan.rects[value], self.axes[value], self.shapes[value]
        assert axes is not None
        pair: Pair = axes
        if same(here, rect):
            return lambda _, env: env[value]
        where = self.cut(rect, here)

        def get(base: Base, env: Env) -> Tensor:
            return natural(where(base.rows(value), canonical(env[value], pair)), pair, shape)

        return get

    def cut(self, rect: Rect, tile: Rect | None) -> Cut:
        lengths = (rect[0].length, rect[1].length)
        return cut((rect[0].start, rect[1].start), (rect[0].size, rect[1].size), lengths, tile=tile)

    def point(self, node: Node, part: Part, place: int, rect: Rect) -> Step:
        del part
        gets = {v: self.moved(v, rect) for v in dict.fromkeys(node.inputs) if v in self.plan.rects}
        copied, count = self.owned(node, place), self.plan.count
        only = node.inputs[0] if len(node.inputs) == 1 else -1
        plain = node.op == "relu" and only >= 0 and self.program.last[only] <= place and only != 0

        def step(base: Base, env: Env) -> None:
            if plain:
                env[node.outputs[0]] = torch.relu_(env[only])
                return

            def value(each: int) -> Tensor:
                found = gets[each](base, env) if each in gets else base.value(each)
                return found.clone() if each == copied else found

            env.update(zip(node.outputs, node.call(value, count), strict=True))

        return step

    def local(self, node: Node, part: Part, place: int, rect: Rect) -> Step:
        if part.form is None:
            return self.point(node, part, place, rect)
        form = part.form

        def step(base: Base, env: Env) -> None:
            del base
            env[node.outputs[0]] = form(env[node.inputs[0]])

        return step

    def pad(self, node: Node, part: Part, place: int, rect: Rect) -> Step:
        del place
        assert part.window is not None
        source, shape = node.inputs[0], self.shapes[node.outputs[0]]
        here = self.plan.rects[source]
        begins = tuple(each.start - sides[0] for each, sides in zip(rect, part.window.padding, strict=True))
        lengths = (here[0].length, here[1].length)
        where = cut((begins[0], begins[1]), (rect[0].size, rect[1].size), lengths, tile=here)

        def step(base: Base, env: Env) -> None:
            made = where(base.rows(source), canonical(env[source], (2, 3)))
            env[node.outputs[0]] = natural(made, (2, 3), shape)

        return step

    def cat(self, node: Node, part: Part, place: int, rect: Rect) -> Step:
        del part, place
        output, shape = node.outputs[0], self.shapes[node.outputs[0]]
        where, pieces, at = self.cut(rect, None), [], 0
        for value in node.inputs:
            channels = slice(at, at + self.shapes[value][1])
            pieces.append((value, channels, self.cut(rect, self.plan.rects[value])))
            at = channels.stop

        def step(base: Base, env: Env) -> None:
            made = where(base.rows(output), None)
            for value, channels, piece in pieces:
                piece.paste(made[..., channels], canonical(env[value], (2, 3)))
            env[output] = natural(made, (2, 3), shape)

        return step

    def window(self, node: Node, part: Part, place: int, rect: Rect) -> Step:
        del place
        assert part.window is not None
        window = part.window
        source = next(value for value in node.inputs if value in self.plan.rects)
        here = self.plan.rects[source]
        lengths = (here[0].length, here[1].length)
        inner, call = _inner(node, window, rect, lengths)
        plain = window.kernel == window.stride == (1, 1) and window.padding == ((0, 0), (0, 0))
        if plain and same(here, rect):
            return lambda base, env: env.update({node.outputs[0]: call(base, env[source])})
        begins = tuple(
            each.start * step - sides[0] for each, step, sides in zip(rect, window.stride, window.padding, strict=True)
        )
        sizes, steps = zip(*(_extent(window, rect, axis) for axis in (0, 1)), strict=True)
        where = cut(
            (begins[0], begins[1]),
            (sizes[0], sizes[1]),
            lengths,
            tile=here,
            steps=(steps[0], steps[1]),
            outside=inner,
        )

        def step(base: Base, env: Env) -> None:
            units = where(base.rows(source), canonical(env[source], (2, 3)))
            env[node.outputs[0]] = call(base, units.permute(0, 3, 1, 2))

        return step


def _extent(window: Window, rect: Rect, axis: int) -> tuple[int, int]:
    """Units of a window for a tile, and their step: a kernel of one unit needs only those that it looks at."""
    kernel, stride, size = window.kernel[axis], window.stride[axis], rect[axis].size
    if kernel == 1:
        return size, stride
    return (size - 1) * stride + (kernel - 1) * window.dilation[axis] + 1, 1


def _inner(node: Node, window: Window, rect: Rect, lengths: Pair) -> tuple[int, Callable[[Base, Tensor], Tensor]]:
    """What runs on cut windows, without padding; and which unit lies outside: 0 for zero, 1 for minus infinity."""
    stride = tuple(1 if kernel == 1 else step for kernel, step in zip(window.kernel, window.stride, strict=True))
    if node.op == "conv2d":
        given = bound("conv2d", node.args, node.kwargs)
        groups = int(given.get("groups", 1))

        def weights(base: Base, name: str) -> Tensor | None:
            found = given.get(name)
            return base.value(found.value) if isinstance(found, Ref) else found

        def convolve(base: Base, units: Tensor) -> Tensor:
            weight = weights(base, "weight")
            assert weight is not None
            return F.conv2d(units, weight, weights(base, "bias"), stride, 0, window.dilation, groups)

        return 0, convolve
    if node.op == "max_pool2d":
        return 1, lambda _, units: F.max_pool2d(units, window.kernel, stride, 0, window.dilation)
    divisor = _divisor(node, window, rect, lengths)

    def average(base: Base, units: Tensor) -> Tensor:
        del base
        sums = F.avg_pool2d(units, window.kernel, stride, divisor_override=1)
        return sums / divisor.to(sums)

    return 0, average


def _divisor(node: Node, window: Window, rect: Rect, lengths: Pair) -> Tensor:
    """Units that each mean is taken over, (B, 1, rows, columns).

    With ``count_include_pad`` padding counts, but not what a ceiled size adds behind it.
    """
    names = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if given.get("divisor_override") is not None:
        return torch.tensor(float(given["divisor_override"]), dtype=torch.float64)
    counts = []
    for axis, extent in enumerate(rect):
        length = lengths[axis]
        before, after = window.padding[axis] if given.get("count_include_pad", True) else (0, 0)
        first = extent.start[:, None] + np.arange(extent.size)
        low: Ints = first * window.stride[axis] - window.padding[axis][0]
        high = np.minimum(low + window.kernel[axis], length + after)
        counts.append(torch.from_numpy(high - np.maximum(low, -before)))
    return (counts[0][:, :, None] * counts[1][:, None, :])[:, None]


def _copy(value: int) -> Step:
    def step(base: Base, env: Env) -> None:
        del base
        env[kept(value)] = env[value].clone()

    return step


def _needed(program: Program, wanted: Iterable[int]) -> set[int]:
    """Places of the operations that lead to what is wanted."""
    values, found = set(wanted), set()
    for place in range(len(program.nodes) - 1, -1, -1):
        node = program.nodes[place]
        if values.intersection(node.outputs):
            found.add(place)
            values.update(node.inputs)
    return found


def _forget(values: frozenset[int]) -> Step:
    def step(base: Base, env: Env) -> None:
        del base
        for value in values:
            env.pop(value, None)

    return step
