"""Gates: factors between 0 and 1 by which a block weighs its channels and places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError

ORDERS = ("channel_first", "spatial_first", "parallel")


class Gate(nn.Sigmoid):
    """A sigmoid that weighs: no activation that could be another."""


class Narrow(nn.Sequential):
    """Channels to a ``ratio``-th of them and back by 1 x 1 convolutions with biases, an activation in between."""

    def __init__(self, channels: int, inner: int, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__(nn.Conv2d(channels, inner, 1), activation(), nn.Conv2d(inner, channels, 1))


def narrow(channels: int) -> int:
    """Channels in the middle of a gate: a sixteenth, but at least 4, as a single rectified one is often never on."""
    return max(4, channels // 16)


class SqueezeExcite(nn.Module):
    """Maps (N, C, H, W) with every channel weighed by a small network of all channels' means.

    Source: Hu, Shen & Sun 2018, equations 2 to 4; linear layers are written as 1 x 1 convolutions here.
    """

    def __init__(self, channels: int, inner: int = 0, *, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.excite = Narrow(channels, inner or narrow(channels), activation)
        self.gate = Gate()

    def forward(self, x: Tensor) -> Tensor:
        """The weighed maps."""
        factors: Tensor = self.gate(self.excite(self.pool(x)))
        return x * factors


class ChannelGate(nn.Module):
    """Factors (N, C, 1, 1) of channels from their means and their maxima, through one small network.

    Source: Woo, Park, Lee & Kweon 2018, section 3, equation 2.
    """

    def __init__(self, channels: int, inner: int = 0) -> None:
        super().__init__()
        self.mean, self.largest = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.excite = Narrow(channels, inner or narrow(channels))
        self.gate = Gate()

    def forward(self, x: Tensor) -> Tensor:
        """The factors."""
        factors: Tensor = self.gate(self.excite(self.mean(x)) + self.excite(self.largest(x)))
        return factors


class SpatialGate(nn.Module):
    """Factors (N, 1, H, W) of places from mean and maximum over channels, through a 7 x 7 window.

    Source: Woo et al. 2018, section 3, equation 3; a batch normalisation follows the window as in their code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1)
        self.gate = Gate()

    def forward(self, x: Tensor) -> Tensor:
        """The factors."""
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        factors: Tensor = self.gate(self.norm(self.conv(seen)))
        return factors


class ConvolutionalAttention(nn.Module):
    """CBAM: maps weighed by channel and by place.

    ``channel_first``: y = x C(x), then y S(y), as the paper advises; ``spatial_first``: the other way round;
    ``parallel``: x C(x) S(x), both from the maps as they come.

    Source: Woo et al. 2018, equation 1 and table 3.
    """

    def __init__(self, channels: int, *, order: str = "channel_first") -> None:
        super().__init__()
        if order not in ORDERS:
            raise StriateError(f"order of the gates is {order!r}", accepted=", ".join(ORDERS))
        self.order = order
        self.channel, self.spatial = ChannelGate(channels), SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """The weighed maps."""
        if self.order == "parallel":
            weighed: Tensor = x * self.channel(x) * self.spatial(x)
            return weighed
        first, second = (self.channel, self.spatial) if self.order == "channel_first" else (self.spatial, self.channel)
        once: Tensor = x * first(x)
        twice: Tensor = once * second(once)
        return twice


GATES: Mapping[str, Callable[..., nn.Module]] = {"se": SqueezeExcite, "cbam": ConvolutionalAttention}


def gate_maker(kind: str, order: str) -> Callable[[int], nn.Module] | None:
    """What makes the gate at the end of a block's branch from its channels; None where there is none."""
    if not kind:
        return None
    return partial(GATES[kind], order=order) if kind == "cbam" else GATES[kind]
