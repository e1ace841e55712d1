"""An objective on the canvas's own numbers: how far a mask is from showing a stated share of the image, wholly."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from striate.core.errors import StriateError

from .term import FREE, Objective, Seen, Term


def ranked_area(mask: Callable[[Tensor], Tensor], area: float) -> Objective:
    """Mean squared distance of a mask's sorted values from zeros and then ones, a share ``area`` of them; at least 0.

    It is 0 where exactly that share of the mask is 1 and the rest 0.

    Args:
        mask: From free numbers (n, ...) to masks (n, h, w).
        area: Share of the image, above 0 and below 1.

    Source: Fong, Patrick & Vedaldi 2019, section 3.1, equation 3.
    """
    if not 0 < area < 1:
        raise StriateError(f"area is {area}", accepted="a share of the image above 0 and below 1")

    def score(seen: Seen) -> Tensor:
        values = mask(seen[FREE]).flatten(1).sort(1).values
        ones = torch.arange(values.shape[1], device=values.device) >= (1 - area) * values.shape[1]
        return (values - ones.to(values)).square().mean(1)

    return Term(f"ranked_area({area:g})", score, frozenset({FREE}))
