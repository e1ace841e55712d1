"""LRP-alpha-beta: positive and negative contributions shared apart."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .relevance_maps import Rules, relevance_maps
from .rules.relevance import AlphaBeta, Biases, Epsilon, checked


def lrp_alpha_beta(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 1.0,
    biases: Biases = "absorb",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Relevance of every pixel by ``R_i = sum_j (alpha (a_i w_ij)+ / z_j+ - beta (a_i w_ij)- / z_j-) R_j``, (N, H, W).

    One forward and one backward pass an image, and every layer with weights twice more each way. Each layer multiplies
    the sizes of relevance by up to alpha + beta, so deep nets end in large values of both signs.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        alpha: Weight of the positive contributions.
        beta: Weight of the negative ones.
        biases: Whether a bias keeps its part of the relevance (``"absorb"``), or the inputs share it (``"share"``).
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net holds an operation for which no rule is defined (SiLU, GELU, attention, gates).

    Source: Bach et al. 2015, equation 60, whose alpha - beta = 1.
    """
    keeping = checked(biases)
    rules = Rules(
        AlphaBeta(alpha, beta, biases=keeping), AlphaBeta(alpha, beta, biases=keeping), Epsilon(biases=keeping)
    )
    return relevance_maps(
        net, images, targets, rules=rules, method="lrp_alpha_beta", check=check, memory=memory, progress=progress
    )
