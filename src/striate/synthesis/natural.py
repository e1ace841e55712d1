"""What is asked of an image so that it looks natural: values in range, neighbours alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

from striate.imageopt.objective import Objective, alpha_norm, total_variation

MID = 0.5


@dataclass(frozen=True)
class Natural:
    """The regulariser of an inversion, in the units of Mahendran & Vedaldi: ``l_a R_a(x) + l_V R_V(x)``.

    There an image is ``sigma x``, less its mean, so that x has a norm of about 1. With y our image in [0, 1] less mid
    grey, x is ``y / sigma``, and sigma, the norm of a natural image, is ``value * sqrt(C H W)``.

    Attributes:
        alpha: Power of the norm that keeps values in range.
        beta: Power of the total variation; 2 smooths most, 1 lets edges be and leaves spikes.
        bound: B, how far from mid grey values naturally go: half of 256 steps.
        value: Root mean square of a natural image's values about their mean: the mean standard deviation of ImageNet.

    Source: Mahendran & Vedaldi 2015, section 3, "Balancing the different terms": ``l_a = sigma^a / (H W B^a)``. Theirs
    is B = 128 of pixels in [0, 255]; alpha 6 and beta 2 are those of section 5.
    """

    alpha: float = 6.0
    beta: float = 2.0
    bound: float = 128 / 255
    value: float = 0.226

    def sigma(self, shape: tuple[int, int, int]) -> float:
        """Norm of a natural image (C, H, W)."""
        return self.value * math.sqrt(math.prod(shape))

    def range_weight(self, shape: tuple[int, int, int]) -> float:
        """``l_a``, the paper's weight of the alpha-norm of x."""
        return float(self.sigma(shape) ** self.alpha / (shape[1] * shape[2] * self.bound**self.alpha))

    def smoothness(self, slope: float, shape: tuple[int, int, int]) -> float:
        """The paper's rule for ``l_V``, ``sigma^b / (H W (a B)^b)``; ``slope`` is a, a small share of the range."""
        return float(self.sigma(shape) ** self.beta / (shape[1] * shape[2] * (slope * self.bound) ** self.beta))

    def penalty(self, smoothness: float, shape: tuple[int, int, int]) -> Objective:
        """The regulariser of images (C, H, W) in [0, 1], ``smoothness`` being ``l_V``."""
        sigma = self.sigma(shape)
        in_range = alpha_norm(self.alpha, MID) * float(self.range_weight(shape) / sigma**self.alpha)
        if not smoothness:
            return in_range
        return in_range + total_variation(self.beta) * float(smoothness / sigma**self.beta)
