"""LRP as its authors combine it: a rule for the pixels, one for convolutions, one for linear layers."""

from __future__ import annotations

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .maps import Maps
from .relevance_maps import Rules, relevance_maps
from .rules.first_layer import First
from .rules.relevance import Biases, Epsilon, Gamma, checked


def lrp(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    gamma: float = 1.0,
    epsilon: float = 0.25,
    first: First = "box",
    biases: Biases = "share",
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Relevance of every pixel: the box rule at the pixels, gamma in convolutions, epsilon in linear layers, (N, H, W).

    One forward and one backward pass an image, and every convolution once or twice more each way.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        gamma: How much convolutions favour positive contributions; 0.25 in the paper, for nets without normalisation.
            Where batch normalisation leaves large biases, maps by 0.25 whose inputs share them are speckled.
        epsilon: Stabiliser of linear layers, as a share of the root mean square of their z.
        first: Rule of the layers that see pixels: ``"box"`` knows that pixels lie in [0, 1], ``"flat"`` spreads alike
            over the window, ``"same"`` is the rule of the other convolutions.
        biases: Whether a bias keeps its part of the relevance (``"absorb"``), or the inputs share it (``"share"``).
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net holds an operation for which no rule is defined (SiLU, GELU, attention, gates).

    Source: Montavon et al. 2019, section 10.3 (composite; they take LRP-0 above and epsilon between, and biases keep
    their part); the box rule Montavon et al. 2017, section 4.3. Of biases: see `rules.relevance`.
    """
    keeping = checked(biases)
    rules = Rules(Gamma(gamma, biases=keeping), Epsilon(epsilon, biases=keeping), Epsilon(biases=keeping), first=first)
    return relevance_maps(
        net, images, targets, rules=rules, method="lrp", check=check, memory=memory, progress=progress
    )
