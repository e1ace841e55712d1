"""LRP-epsilon: relevance in proportion to contributions, weak sums damped."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .relevance_maps import Rules, relevance_maps
from .rules.relevance import Biases, Epsilon, checked


def lrp_epsilon(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    epsilon: float = 0.25,
    biases: Biases = "absorb",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Relevance of every pixel by ``R_i = sum_j a_i w_ij / (z_j + e sign(z_j)) R_j``, signed, (N, H, W).

    One forward and one backward pass an image. Without stabiliser and biases it is the gradient times the normalised
    pixel, for nets of rectifiers (Ancona et al. 2018).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        epsilon: The stabiliser e, as a share of the root mean square of the z of that layer and image; what it damps is
            lost for the pixels, and the check counts it.
        biases: Whether a bias keeps its part of the relevance (``"absorb"``), or the inputs share it (``"share"``).
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net holds an operation for which no rule is defined (SiLU, GELU, attention, gates).

    Source: Bach et al. 2015, equation 58; e as a share: Montavon et al. 2019, section 10.2.2. Batch normalisation is
    folded into the convolution before it; where there is none it is a layer of its own.
    """
    keeping = checked(biases)
    rules = Rules(Epsilon(epsilon, biases=keeping), Epsilon(epsilon, biases=keeping), Epsilon(epsilon, biases=keeping))
    return relevance_maps(
        net, images, targets, rules=rules, method="lrp_epsilon", check=check, memory=memory, progress=progress
    )
