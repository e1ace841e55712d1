"""What a net gives for copies of one image that differ from it in a rectangle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.nets.passes import count_forward
from striate.nets.site import Pair
from striate.nets.undisturbed import undisturbed

from .geometry import Extent, Ints, Rect
from .groups import grouped
from .locality import Part, parts_of
from .plan import WHOLE_AT, Plan, kept, planned
from .program import NotReplayableError, Program, record
from .recorded import Base

MOST = 64  # positions at once; more gain nothing and leave the caches


def _nothing(count: int) -> None:
    del count


class Replay:
    """A net's operations on images of one size, written down, with what each does to a changed rectangle.

    Attributes:
        net: The net.
        reason: Why its operations cannot be run in part, or empty: then everything is computed in full.
    """

    def __init__(self, net: Net, image: Tensor) -> None:
        """Records ``net`` on ``image`` (C, H, W); five passes, which no counter counts."""
        self.net, self.reason = net, ""
        self.program: Program | None = None
        self.parts: tuple[Part, ...] = ()
        net.check(image[None])
        with undisturbed(net), torch.no_grad():
            pixels = torch.stack([image, image.flip(-1)])
            try:
                self.program = record(net.module, normalised(net, pixels))
                self.parts = parts_of(self.program)
            except NotReplayableError as error:
                self.reason = str(error)
        self._plans: dict[tuple[object, ...], tuple[tuple[Tensor, Plan], ...]] = {}

    def value_of(self, site: str) -> int:
        """The value of the program that a site gives.

        Raises:
            UnknownNameError: No site has this name.
        """
        assert self.program is not None
        height, width = self.program.shapes[0][-2:]
        names = self.net.trace((height, width)).names
        found = {names[node.key]: node.outputs[0] for node in self.program.nodes if node.key in names and node.outputs}
        if site not in found:
            raise UnknownNameError("site", site, list(found))
        return found[site]

    def cost(
        self,
        tops: Sequence[int],
        lefts: Sequence[int],
        size: Pair,
        *,
        memory: int = 1 << 30,
        whole_at: float = WHOLE_AT,
    ) -> float:
        """Multiply-adds for rectangles of ``size`` here over those of full passes; 1.0 where nothing can be saved."""
        if self.program is None or not self.program.macs or not len(tops):
            return 1.0
        plans = self.plans(tops, lefts, size, memory=memory, whole_at=whole_at)
        return sum(plan.macs for _, plan in plans) / (self.program.macs * len(tops))

    def plans(
        self,
        tops: Sequence[int],
        lefts: Sequence[int],
        size: Pair,
        *,
        memory: int,
        whole_at: float,
        wanted: frozenset[int] = frozenset(),
    ) -> tuple[tuple[Tensor, Plan], ...]:
        """Groups of positions, each with its plan; kept for the next image."""
        assert self.program is not None
        rows, columns = np.asarray(tops, np.int64), np.asarray(lefts, np.int64)
        key = (rows.tobytes(), columns.tobytes(), size, memory, whole_at, wanted)
        if key not in self._plans:
            self._plans.clear()
            height, width = self.program.shapes[0][-2:]
            made = []
            for places in grouped(self.program, self.parts, rows, columns, size, memory=memory, most=MOST):
                first = _rect(rows[places], columns[places], size, (height, width))
                plan = planned(self.program, self.parts, first, whole_at=whole_at, wanted=wanted)
                made.append((torch.from_numpy(places), plan))
            self._plans[key] = tuple(made)
        return self._plans[key]


@dataclass(frozen=True)
class Changed:
    """What a group of copies changes at one site: everything that differs from the unchanged image lies in the tiles.

    Attributes:
        data: The tiles, (B, C, h, w) or of another shape with the positions first; or the whole outputs.
        tops: First row of each tile in the site's map; zero where the whole is given.
        lefts: First column of each.
    """

    data: Tensor
    tops: Tensor
    lefts: Tensor


class Partial:
    """A net on copies of one image in which a rectangle holds other pixels; only what they change is computed.

    Operation by operation the changed rectangle of the output is computed and set into the output for the image
    itself; from where it covers most of a map, or an operation mixes all places, whole maps are computed. Equal to the
    full computation but for rounding.

    Args:
        replay: The recorded net.
        image: (C, H, W), pixels.
        memory: Budget in bytes for one group of positions.
        whole_at: Share of a map from which all of it is computed.
    """

    def __init__(self, replay: Replay, image: Tensor, *, memory: int = 1 << 30, whole_at: float = WHOLE_AT) -> None:
        self.replay, self.image, self.memory, self.whole_at = replay, image, memory, whole_at
        self.net = replay.net
        self.spent = 0.0  # multiply-adds of the groups so far, as passes of one image
        self._base: Base | None = None
        if replay.program is not None:
            with undisturbed(self.net), torch.no_grad():
                pixels = normalised(self.net, _last(image[None]))
                self._base = Base(replay.program, replay.parts, pixels)
            count_forward(image[None])

    @property
    def output(self) -> Tensor:
        """What the net gives for the image itself, (K,) or of any shape."""
        if self._base is None:
            with undisturbed(self.net), torch.no_grad():
                given = self.net(_last(self.image[None]))
            assert isinstance(given, Tensor)
            return given[0]
        return self._base.output[0]

    def cost(self, tops: Sequence[int], lefts: Sequence[int], size: Pair) -> float:
        """As `Replay.cost`."""
        return self.replay.cost(tops, lefts, size, memory=self.memory, whole_at=self.whole_at)

    def outputs(
        self, tops: Sequence[int], lefts: Sequence[int], *, pixels: Tensor, done: Callable[[int], None] = _nothing
    ) -> Tensor:
        """The net's output for each copy, (n, ...), in the order of the positions.

        Counted in forward passes by multiply-adds: the sum over the positions, rounded up; the image itself is one.

        Args:
            tops: First row of each rectangle.
            lefts: First column of each.
            pixels: What they hold, (n, C, h, w), or (C, h, w) for all; h and w are their size.
            done: Told how many more positions are done.

        Raises:
            StriateError: A rectangle that is not inside the image.
        """
        count = len(tops)
        filling = pixels.expand(count, *pixels.shape[-3:])
        self._check(tops, lefts, (filling.shape[-2], filling.shape[-1]))
        made: Tensor | None = None
        for which, given in self._groups(tops, lefts, filling):
            made = given.new_empty(count, *given.shape[1:]) if made is None else made
            made[which] = given
            done(len(which))
        return self.output[None][:0] if made is None else made

    def changed(
        self, site: str, tops: Sequence[int], lefts: Sequence[int], *, pixels: Tensor
    ) -> Iterator[tuple[Tensor, Changed]]:
        """What the copies change in the output of one site, group by group: places in ``tops``, and the tiles.

        Args:
            site: A site of the net.
            tops: First row of each rectangle.
            lefts: First column of each.
            pixels: As for `outputs`.

        Raises:
            UnknownNameError: No site has this name.
            StriateError: A rectangle outside the image, or a net that cannot be run in part.
        """
        program = self.replay.program
        if self._base is None or program is None:
            raise StriateError(f"{self.net.name} cannot be run in part: {self.replay.reason}")
        filling = pixels.expand(len(tops), *pixels.shape[-3:])
        self._check(tops, lefts, (filling.shape[-2], filling.shape[-1]))
        value = self.replay.value_of(site)
        for which, plan, env in self._run(tops, lefts, filling, frozenset({value})):
            rect, data = plan.read[value], env[kept(value)]
            zeros = torch.zeros(len(which), dtype=torch.int64)
            first = zeros if rect is None else torch.from_numpy(rect[0].start)
            yield which, Changed(data, first, zeros if rect is None else torch.from_numpy(rect[1].start))

    def _groups(self, tops: Sequence[int], lefts: Sequence[int], filling: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self.replay.program is None:
            yield from self._full(tops, lefts, (filling.shape[-2], filling.shape[-1]), filling)
            return
        for which, _, env in self._run(tops, lefts, filling, frozenset()):
            yield which, env[self.replay.program.output]

    def _run(
        self, tops: Sequence[int], lefts: Sequence[int], filling: Tensor, wanted: frozenset[int]
    ) -> Iterator[tuple[Tensor, Plan, dict[int, Tensor]]]:
        base, program = self._base, self.replay.program
        assert base is not None
        assert program is not None
        with undisturbed(self.net), torch.no_grad():
            for which, plan in self.replay.plans(
                tops,
                lefts,
                (filling.shape[-2], filling.shape[-1]),
                memory=self.memory,
                whole_at=self.whole_at,
                wanted=wanted,
            ):
                patches = normalised(self.net, filling[which], (tops, lefts, which))
                env = plan.run(base, _last(patches))
                before, self.spent = self.spent, self.spent + plan.macs / max(1, program.macs)
                passes = math.ceil(self.spent) - math.ceil(before)
                count_forward(self.image.expand(passes, *self.image.shape))
                yield which, plan, env

    def _full(
        self, tops: Sequence[int], lefts: Sequence[int], size: Pair, filling: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        chunk = self.net.batch_size((self.image.shape[-2], self.image.shape[-1]), memory=min(self.memory, 128 << 20))
        with undisturbed(self.net), torch.no_grad():
            for which in torch.split(torch.arange(len(tops)), chunk):
                copies = _last(self.image.expand(len(which), *self.image.shape)).clone()
                for row, place in enumerate(which.tolist()):
                    top, left = tops[place], lefts[place]
                    copies[row, :, top : top + size[0], left : left + size[1]] = filling[place]
                self.spent += len(which)
                given = self.net(copies)
                assert isinstance(given, Tensor)
                yield which, given

    def _check(self, tops: Sequence[int], lefts: Sequence[int], size: Pair) -> None:
        height, width = self.image.shape[-2:]
        for top, left in zip(tops, lefts, strict=True):
            if not (0 <= top <= height - size[0] and 0 <= left <= width - size[1]) or min(size) < 1:
                raise StriateError(
                    f"a rectangle of {size[0]} x {size[1]} at ({top}, {left})",
                    accepted=f"rectangles inside {height} x {width} pixels",
                )


def normalised(net: Net, pixels: Tensor, where: tuple[Sequence[int], Sequence[int], Tensor] | None = None) -> Tensor:
    """Pixels as the net's module takes them; of patches at ``where`` (tops, lefts, which) if the mean is an image."""
    mean = net.mean
    if mean is not None and mean.shape[-2:] != (1, 1) and where is not None:
        tops, lefts, which = where
        height, width = pixels.shape[-2:]
        mean = torch.cat([mean[..., tops[i] : tops[i] + height, lefts[i] : lefts[i] + width] for i in which.tolist()])
    centred = pixels.clone() if mean is None else pixels - mean.to(pixels.dtype)
    return centred if net.std is None else centred / net.std.to(pixels.dtype)


def _last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _rect(tops: Ints, lefts: Ints, size: Pair, lengths: Pair) -> Rect:
    return Extent(tops, tops + size[0], lengths[0]), Extent(lefts, lefts + size[1], lengths[1])
