"""What `solve` gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.core.norms import norm_of


@dataclass(frozen=True, eq=False)
class Found:
    """One image for each row, and everything that was learnt on the way.

    Attributes:
        images: (N, C, H, W), within the region as they are stored.
        scores: Objective on the returned images, (N,); under a view, its mean over fresh views.
        success: Whether a forward pass on the returned image reaches the goal, (N,) bool.
        step: First step at which the goal was reached, (N,) int64; 0 is the start, -1 never.
        output: The net's class scores of the returned images, (N, K); for other outputs None.
        distances: Norm of the difference from the start, by name ``"0" "1" "2" "inf"``, each (N,) float64.
        history: Score at the start and after each step, (steps + 1, N); NaN where a row had left.
        flat: Whether the first gradient was zero or not finite, (N,) bool.
        passes: ``forward`` and ``backward`` passes of single images.
        origin: The parts in words, steps, seed, chunk, memory format.
        broken_by: Which of several attacks reached the goal, a name an image, "" where none did; empty for one alone.
        notes: What went wrong on the way, in words: scores that were not numbers, gradients that were zero.
        free: Numbers that the images are painted from, (N, ...), where the objective reads them; else None.
    """

    images: Tensor
    scores: Tensor
    success: Tensor
    step: Tensor
    output: Tensor | None
    distances: Mapping[str, Tensor]
    history: Tensor
    flat: Tensor
    passes: Mapping[str, int]
    origin: Mapping[str, str | int | float]
    notes: tuple[str, ...] = ()
    broken_by: tuple[str, ...] = ()
    free: Tensor | None = None

    def updated(self, later: Found, rows: Tensor) -> Found:
        """The result with that of another run on some of its rows, where the other is better.

        Success beats failure, then the higher score wins. Passes add up; ``history`` and ``flat`` stay those of the
        first run, and a success of the later run counts its steps on from the end of the earlier ones.
        """
        gained = later.success & ~self.success[rows]
        better = gained | ((later.success == self.success[rows]) & (later.scores > self.scores[rows]))
        return self._with(self._counted_on(later), rows, better)

    def gained(self, later: Found, rows: Tensor) -> Found:
        """The result with what another run on some of its rows reached and it had not; scores may be of two kinds."""
        return self._with(self._counted_on(later), rows, later.success & ~self.success[rows])

    def after(self, earlier: Found) -> Found:
        """The result of a run of all rows that went on where an earlier one ended: passes add up, steps count on."""
        passes = {name: self.passes[name] + earlier.passes[name] for name in self.passes}
        return replace(earlier._counted_on(self), passes=passes)

    def _counted_on(self, later: Found) -> Found:
        """A later run whose steps are counted on from the end of this one."""
        return replace(later, step=torch.where(later.step >= 0, later.step + len(self.history) - 1, later.step))

    def nearest(self, later: Found, rows: Tensor, norm: str) -> Found:
        """The result with that of another run on some of its rows, where that reaches the goal at a shorter distance.

        As `updated`, but a row that had reached the goal before keeps its step.
        """
        held = self.success[rows]
        better = later.success & (~held | (later.distances[norm] < self.distances[norm][rows]))
        step = torch.where(held, self.step[rows], later.step + len(self.history) - 1)
        return self._with(replace(later, step=step), rows, better)

    def replaced(self, later: Found, rows: Tensor) -> Found:
        """The result with some of its rows from another run, whatever it found; passes add up."""
        result = self._with(later, rows, torch.ones_like(later.success))
        steps = max(len(self.history), len(later.history))
        history = self.history.new_full((steps, len(self.images)), torch.nan)
        history[: len(self.history)] = self.history
        history[:, rows] = torch.nan
        history[: len(later.history), rows] = later.history
        flat, origin = self.flat.index_copy(0, rows, later.flat), later.origin
        return replace(result, history=history, flat=flat, origin=origin)

    def _with(self, later: Found, rows: Tensor, better: Tensor) -> Found:
        chosen = rows[better]

        def merged(old: Tensor, new: Tensor) -> Tensor:
            return old.index_copy(0, chosen, new[better])

        output = None if self.output is None or later.output is None else merged(self.output, later.output)
        broken_by = list(self.broken_by)
        if later.broken_by:
            broken_by = broken_by or [""] * len(self.images)
            for place, row in zip(better.nonzero().squeeze(1).tolist(), chosen.tolist(), strict=True):
                broken_by[row] = later.broken_by[place]
        return replace(
            self,
            images=merged(self.images, later.images),
            scores=merged(self.scores, later.scores),
            success=merged(self.success, later.success),
            step=merged(self.step, later.step),
            output=output,
            distances={name: merged(self.distances[name], later.distances[name]) for name in self.distances},
            passes={name: self.passes[name] + later.passes[name] for name in self.passes},
            broken_by=tuple(broken_by),
        )


def distances_between(images: Tensor, start: Tensor) -> dict[str, Tensor]:
    """The L0, L1, L2 and Linf norms of the differences, each (N,) float64."""
    difference = images.to(torch.float64) - start.to(torch.float64)
    return {name: norm_of(difference, float(name)) for name in ("0", "1", "2", "inf")}
