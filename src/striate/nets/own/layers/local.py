"""Normalisation by neighbours: across channels (local response), and across channels and places (local contrast)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResponseNorm(nn.Module):
    """Every value over a power of the squares of its neighbours in other channels: (N, C, ...) stays that shape.

    ``b_c = a_c / (k + alpha sum_j a_j^2)^beta``, j from ``c - n/2`` to ``c + n/2`` within the channels, n of them.

    Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3, with its k 2, n 5, alpha 1e-4, beta .75. (torch's layer
    divides alpha by n: to it the paper's is 5e-4.)
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """The values, less where neighbours are large."""
        return F.local_response_norm(x, self.size, alpha=self.alpha * self.size, beta=self.beta, k=self.k)


class ContrastNorm(nn.Module):
    """Maps (N, C, H, W) less their local mean, over their local deviation where that is above its own mean.

    ``v = x - sum_cpq w_pq x``, ``s = sqrt(sum_cpq w_pq v^2)``, ``y = v / max(mean(s), s)``: the sums run over all
    channels and a Gaussian window whose weights w, with those of all channels, sum to 1; the mean is that of an
    image's places.

    Source: Jarrett, Kavukcuoglu, Ranzato & LeCun 2009, section 2.1.3, with its 9 x 9 window. The window's deviation,
    which the paper leaves open, is a quarter of its side; at the edges the weights that are left sum to 1.
    """

    window: Tensor

    def __init__(self, side: int = 9) -> None:
        super().__init__()
        places = torch.arange(side, dtype=torch.get_default_dtype()) - (side - 1) / 2
        bell = torch.exp(-places.square() / (2 * (side / 4) ** 2))
        self.register_buffer("window", (bell / bell.sum()).view(1, 1, 1, side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised maps, same shape."""
        weight = self._blurred(torch.ones_like(x[:1, :1]))
        centred = x - self._blurred(x.mean(1, keepdim=True)) / weight
        square = self._blurred(centred.square().mean(1, keepdim=True)) / weight
        # a root has no slope at 0
        deviation = torch.where(square > 0, square, 1.0).sqrt() * (square > 0)
        least = deviation.mean((2, 3), keepdim=True)
        return centred / torch.maximum(deviation, least).clamp_min(1e-5)

    def _blurred(self, x: Tensor) -> Tensor:
        half = self.window.shape[-1] // 2
        return F.conv2d(F.conv2d(x, self.window, padding=(0, half)), self.window.mT, padding=(half, 0))
