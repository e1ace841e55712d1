"""Principal components of the filters that make tokens of patches."""

from __future__ import annotations

from torch import Tensor

from striate.core.principal import principal

MOST = 28  # as many as the paper shows


def components(weight: Tensor, most: int = MOST) -> tuple[Tensor, Tensor]:
    """The first components of filters (D, C, h, w), (k, C, h, w) of length one, and their shares of the variance, (k,).

    The sign of a component means nothing; here its largest value is positive.

    Source: Dosovitskiy et al. 2021, figure 7 (left).
    """
    _, axes, shares = principal(weight.cpu().flatten(1))
    return axes[:most].view(-1, *weight.shape[1:]), shares[:most]
