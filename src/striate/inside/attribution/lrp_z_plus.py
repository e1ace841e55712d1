"""LRP-z+: relevance in proportion to the positive contributions alone."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .relevance_maps import Rules, relevance_maps
from .rules.relevance import AlphaBeta, Biases, Epsilon, checked


def lrp_z_plus(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    biases: Biases = "share",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Relevance of every pixel by ``R_i = sum_j (a_i w_ij)+ / sum_i (a_i w_ij)+ R_j``, signed, (N, H, W).

    One forward and one backward pass an image, and every layer with weights once more each way. Where all outputs with
    relevance are positive, so is every pixel's relevance.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        biases: Whether a bias keeps its part of the relevance (``"absorb"``), or the inputs share it (``"share"``).
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net holds an operation for which no rule is defined (SiLU, GELU, attention, gates).

    Source: Montavon et al. 2017, section 4.2 (the z+ rule); alpha 1 and beta 0 of Bach et al. 2015, equation 60.
    """
    keeping = checked(biases)
    rules = Rules(AlphaBeta(1, 0, biases=keeping), AlphaBeta(1, 0, biases=keeping), Epsilon(biases=keeping))
    return relevance_maps(
        net, images, targets, rules=rules, method="lrp_z_plus", check=check, memory=memory, progress=progress
    )
