"""What normalisations leave behind, and how those that are made for maps reach tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Shift(nn.Module):
    """A number added to every channel of (N, C, ...); with ``last``, to every number of tokens (N, T, C).

    It is what is left of a normalisation that is taken out, as layers around it have no biases of their own.
    """

    def __init__(self, channels: int, *, last: bool = False) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """Shifted."""
        return x + (self.bias if self.last else self.bias.view(-1, *(1,) * (x.dim() - 2)))


class Tokens(nn.Module):
    """A layer that is made for (N, C, places), on tokens (N, places, C)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """The tokens, same shape."""
        tokens: Tensor = self.layer(x.transpose(1, 2)).transpose(1, 2)
        return tokens
