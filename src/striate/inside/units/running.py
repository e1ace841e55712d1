"""The best of a stream, unit by unit, in memory that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NOTHING = torch.iinfo(torch.int64).max


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
    def empty(cls, units: int, k: int, *, dtype: torch.dtype, device: torch.device) -> Best:
        """Nothing yet."""
        numbers = torch.zeros(units, k, dtype=torch.int64, device=device)
        score = torch.full((units, k), -torch.inf, dtype=dtype, device=device)
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
        self, image: Tensor, unit: Tensor, *, score: Tensor, value: Tensor, place: Tensor, ids: Tensor, rows: Tensor
    ) -> None:
        """Takes in entries (P,), each pair of image and unit at most once; ``ids`` and ``rows`` are the images' (n,).

        Of one image's entries with equal scores those of earlier calls stand first.
        """
        if not len(unit):
            return
        k, n = self.score.shape[1], len(ids)
        touched, at = torch.unique(unit, return_inverse=True)
        fresh = self.score.new_full((len(touched), n), -torch.inf)
        fresh[at, image] = score
        values, places = torch.zeros_like(fresh), torch.zeros_like(fresh, dtype=torch.int64)
        values[at, image], places[at, image] = value, place
        shape = fresh.shape
        scores = torch.cat([self.score[touched], fresh], 1)
        taken = torch.where(fresh > -torch.inf, ids.expand(shape), NOTHING)
        all_ids = torch.cat([self.ids[touched], taken], 1)
        by_id = all_ids.argsort(dim=1, stable=True)
        order = by_id.gather(1, scores.gather(1, by_id).argsort(dim=1, descending=True, stable=True)[:, :k])
        parts = (
            ("score", fresh), ("value", values), ("ids", taken), ("rows", rows.expand(shape)), ("places", places),
        )  # fmt: skip
        for name, new in parts:
            old: Tensor = getattr(self, name)
            old[touched] = torch.cat([old[touched], new], 1).gather(1, order)

    @property
    def filled(self) -> Tensor:
        """Which entries there are, (units, k)."""
        return self.score > -torch.inf
