"""Layers that leave out at random while a network learns: weights of linear layers, branches of residual blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MASKED = 2**22  # weights of all masks of a batch


class DropConnect(nn.Linear):
    """A linear layer that leaves out each weight with probability ``rate`` in training.

    Weights that stay are divided by ``1 - rate``, so that outputs keep their mean and nothing changes in eval, which
    takes that mean. Every image has a mask of its own; where all masks of a batch would hold more than 4 million
    numbers, neighbouring images share them. Random by torch's generator.

    Source: Wan, Zeiler, Zhang, LeCun & Fergus 2013, section 3. There biases are masked too, the scale is applied in
    eval, and eval draws normal inputs of the activation in place of taking their mean (section 3.1.2).
    """

    rate: float

    @classmethod
    def of(cls, layer: nn.Linear, rate: float) -> DropConnect:
        """The layer with the weights (the very tensors) of ``layer``."""
        made = cls(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        made.weight, made.bias = layer.weight, layer.bias
        made.rate = rate
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (N, ..., out_features)."""
        if not self.training or not self.rate:
            return F.linear(x, self.weight, self.bias)
        count = max(1, min(len(x), _MASKED // self.weight.numel()))
        share = -(-len(x) // count)
        count = -(-len(x) // share)
        kept = torch.rand(count, *self.weight.shape, device=x.device) >= self.rate
        weights = self.weight * kept / (1 - self.rate)
        rows = x.flatten(1, -2) if x.dim() > 2 else x.unsqueeze(1)  # (N, rows, in_features)
        spare = count * share - len(rows)
        packed = F.pad(rows, (0, 0, 0, 0, 0, spare)).reshape(count, -1, rows.shape[-1])
        made = torch.bmm(packed, weights.to(packed.dtype).mT).view(count * share, rows.shape[1], -1)[: len(rows)]
        made = made if self.bias is None else made + self.bias
        return made.reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Sizes and rate."""
        return f"{super().extra_repr()}, rate={self.rate}"


class StochasticDepth(nn.Module):
    """The branch of a residual block, left out for an image with probability ``rate`` in training.

    What stays is divided by ``1 - rate``, so that its mean is kept and eval changes nothing. With rate 0, as networks
    are built, the branch passes as it is. Random by torch's generator, for every image apart.

    Source: Huang, Sun, Liu, Sedra & Weinberger 2016, section 3. There all images of a batch lose the same branches,
    and branches are scaled by their chance in eval instead.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """The branch (N, ...)."""
        if not self.training or not self.rate:
            return x
        kept = torch.rand(len(x), *(1,) * (x.dim() - 1), device=x.device) >= self.rate
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        """Rate."""
        return f"rate={self.rate}"
