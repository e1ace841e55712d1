"""LRP-gamma: relevance in proportion to contributions, the positive ones favoured."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .relevance_maps import Rules, relevance_maps
from .rules.relevance import Biases, Epsilon, Gamma, checked


def lrp_gamma(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    gamma: float = 0.25,
    biases: Biases = "absorb",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Relevance by ``R_i = sum_j a_i (w_ij + g w_ij+) / sum_i a_i (w_ij + g w_ij+) R_j``, signed, (N, H, W).

    One forward and one backward pass an image, and every layer with weights once more each way; twice where relevance
    lies at negative outputs (the last convolution of a residual block).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        gamma: How much positive contributions are favoured; 0 is LRP-epsilon without stabiliser.
        biases: Whether a bias keeps its part of the relevance (``"absorb"``), or the inputs share it (``"share"``).
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net holds an operation for which no rule is defined (SiLU, GELU, attention, gates).

    Source: Montavon et al. 2019, section 10.2.3. Negative inputs and outputs: see `rules.relevance.Gamma`.
    """
    keeping = checked(biases)
    rules = Rules(Gamma(gamma, biases=keeping), Gamma(gamma, biases=keeping), Epsilon(biases=keeping))
    return relevance_maps(
        net, images, targets, rules=rules, method="lrp_gamma", check=check, memory=memory, progress=progress
    )
