"""A vision transformer for small images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.core.errors import StriateError
from striate.nets.site import Pair

from .blueprint import Blueprint, within
from .layers.dropping import StochasticDepth

_WIDTH, _DEPTH, _HEADS, _HIDDEN = 64, 4, 4, 128
_ACROSS = 8  # patches along a side, about


class Attention(nn.Module):
    """Every token looks at all tokens, in several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """What each token takes in, (N, T, width)."""
        count, tokens, width = x.shape
        joint = self.qkv(x).view(count, tokens, 3, self.heads, width // self.heads)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value)
        taken: Tensor = self.proj(found.transpose(1, 2).reshape(count, tokens, width))
        return taken


class Block(nn.Module):
    """Attention, then a small network for each token; each behind a normalisation, the tokens carried around it."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.survive = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """The tokens of the next block, (N, T, width)."""
        x = x + self.survive(self.attention(self.norm1(x)))
        carried: Tensor = x + self.survive(self.mlp(self.norm2(x)))
        return carried


class VisionTransformer(nn.Module):
    """Patches become tokens, a class token and learnt positions join them, blocks mix them, the class token is read.

    Source: Dosovitskiy et al. 2021, section 3.1, equations 1 to 4; weights start as there, normal with deviation .02.
    """

    def __init__(self, classes: int, channels: int, size: Pair, patch: int) -> None:
        super().__init__()
        patches = (size[0] // patch) * (size[1] // patch)
        self.patch = nn.Conv2d(channels, _WIDTH, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.positions = nn.Parameter(torch.empty(1, patches + 1, _WIDTH))
        self.blocks = nn.Sequential(*(Block(_WIDTH, _HEADS, _HIDDEN) for _ in range(_DEPTH)))
        self.norm, self.linear = nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, classes)
        nn.init.trunc_normal_(self.positions, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], dim=1) + self.positions
        tokens = self.norm(self.blocks(tokens))
        logits: Tensor = self.linear(tokens[:, 0])
        return logits


def vit_tiny(classes: int, channels: int, size: Pair) -> Blueprint:
    """Four blocks of 64 numbers and four heads over about 8 x 8 patches, 142,026 weights for ten classes at 32 px.

    The patch is the divisor of both sides that comes nearest to an eighth of the shorter one.
    """
    within("vit_tiny", size, 8, 96)
    common = math.gcd(*size)
    patch = min((each for each in range(1, common + 1) if not common % each), key=lambda each: _off(size, each))
    if not 4 <= min(size) // patch <= 16:
        raise StriateError(
            f"striate/vit_tiny for images of {size[0]} x {size[1]}",
            accepted="sides that a patch of about an eighth divides, such as 28, 32, 48 or 64 px",
            hint="--size 32",
        )
    return Blueprint(VisionTransformer(classes, channels, size, patch), least_size=8, greatest_size=96)


def _off(size: Pair, patch: int) -> float:
    return abs(math.log(min(size) / patch / _ACROSS))
