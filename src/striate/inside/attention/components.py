"""Principal components of the filters that make tokens of patches."""

from __future__ import annotations

import torch
from torch import Tensor

MOST = 28  # as many as the paper shows


def components(weight: Tensor, most: int = MOST) -> tuple[Tensor, Tensor]:
    """The first components of filters (D, C, h, w), (k, C, h, w) of length one, and their shares of the variance, (k,).

    The sign of a component means nothing; here its largest value is positive.

    Source: Dosovitskiy et al. 2021, figure 7 (left).
    """
    flat = weight.detach().double().cpu().flatten(1)
    _, sizes, found = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    shares = sizes**2 / (sizes**2).sum().clamp(min=1e-30)
    found = found[:most]
    ends = found.gather(1, found.abs().argmax(1, keepdim=True)).sign()
    return (found * ends).view(-1, *weight.shape[1:]), shares[:most]
