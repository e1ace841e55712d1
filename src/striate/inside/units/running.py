"""The best of a stream, unit by unit, in memory that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NOTHING = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Images:
    """The images of a chunk: their ids and their rows in the split, each (n,)."""

    ids: Tensor
    rows: Tensor


@dataclass
class Best:
    """For each unit the ``k`` best entries met so far, best first; of equal scores the lower image id, then the place.

    All tensors are (units, k); a place that nothing has taken yet has score -inf and row -1.

    Attributes:
        score: What they are ordered by, higher is better.
        value: The activation there.
        ids: Id of the image.
        rows: Row of the image in its split.
        places: Place on the layer's map.
    """

    score: Tensor
    value: Tensor
    ids: Tensor
    rows: Tensor
    places: Tensor

    @classmethod
    def empty(cls, units: int, k: int, *, like: Tensor) -> Best:
        """Nothing yet; scores have the type and the device of ``like``."""
        numbers = torch.zeros(units, k, dtype=torch.int64, device=like.device)
        score = like.new_full((units, k), -torch.inf)
        return cls(score, torch.zeros_like(score), numbers + NOTHING, numbers - 1, numbers - 1)

    def beats(self, score: Tensor, ids: Tensor) -> Tensor:
        """Which of these scores (n, units) of images with these ids (n,) would enter."""
        worst, latest = self.score[:, -1], self.ids[:, -1]
        enters = score > worst
        ties = score == worst
        if bool(ties.any()):
            enters |= ties & (ids[:, None] < latest)
        return enters & (score > -torch.inf)

    def merge(
        self, image: Tensor, unit: Tensor, *, score: Tensor, place: Tensor, images: Images, value: Tensor | None = None
    ) -> None:
        """Takes in entries (P,), each pair of image and unit at most once; ``image`` counts within ``images``.

        Of one image's entries with equal scores those of earlier calls come first. ``value`` is the score unless given.
        """
        if not len(unit):
            return
        k, n = self.score.shape[1], len(images.ids)
        touched, at = torch.unique(unit, return_inverse=True)
        column = k + image
        parts = {}
        for name, new in (
            ("score", score), ("value", score if value is None else value), ("ids", images.ids[image]),
            ("rows", images.rows[image]), ("places", place),
        ):  # fmt: skip
            old: Tensor = getattr(self, name)
            blank = {"score": -torch.inf, "ids": NOTHING}.get(name, 0)
            both = old.new_full((len(touched), k + n), blank)
            both[:, :k] = old[touched]
            both[at, column] = new
            parts[name] = both
        by_id = parts["ids"].argsort(dim=1, stable=True)
        order = by_id.gather(1, parts["score"].gather(1, by_id).argsort(dim=1, descending=True, stable=True)[:, :k])
        for name, both in parts.items():
            getattr(self, name)[touched] = both.gather(1, order)

    def part(self, units: slice) -> Best:
        """The same of some units alone, on the CPU."""
        parts = (self.score, self.value, self.ids, self.rows, self.places)
        return Best(*(each[units].cpu() for each in parts))

    @property
    def filled(self) -> Tensor:
        """Which entries there are, (units, k)."""
        return self.score > -torch.inf
