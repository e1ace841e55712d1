"""A small transformer of these tests, in three ways to compute the same attention."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from striate.nets.net import Net


class Tokens(nn.Module):
    """Class token and patches, blocks of attention alone, a head on the class token; dropout in between."""

    def __init__(self, way="multi", *, channels=3, patch=4, width=8, heads=2, depth=2, classes=5, side=16):
        super().__init__()
        self.way, self.heads = way, heads
        self.conv1 = nn.Conv2d(channels, width, patch, patch)
        self.norm = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + (side // patch) ** 2, width))
        self.blocks = nn.ModuleList(nn.MultiheadAttention(width, heads, batch_first=True) for _ in range(depth))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width, classes)

    def embed(self, images):
        patches = self.conv2(self.norm(self.conv1(images))).flatten(2).transpose(1, 2)
        return torch.cat([self.cls.expand(len(images), -1, -1), patches], 1) + self.pos_embed

    def forward(self, images):
        tokens = self.embed(images)
        for block in self.blocks:
            tokens = tokens + self.attend(block, tokens)
        return self.head(self.drop(tokens[:, 0]))

    def attend(self, block, tokens):
        if self.way == "multi":
            return block(tokens, tokens, tokens, need_weights=False)[0]
        joint = F.linear(tokens, block.in_proj_weight, block.in_proj_bias)
        query, key, value = joint.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.way == "fused":
            found = F.scaled_dot_product_attention(query, key, value)
        else:
            found = ((query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)).softmax(dim=-1) @ value
        return block.out_proj(found.transpose(1, 2).flatten(2))


def tokens_net(way="multi", **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = Tokens(way, **options)
        for block in module.blocks:
            block.in_proj_weight.data *= 3
            block.in_proj_bias.data.normal_()
        module.head.weight.data *= 5
    return Net(
        module.eval(), mean=0.5, std=0.25, classes=("ant", "bee", "cat", "dog", "eel"), name="tokens", channels=3
    )


def weights_of(module):
    """Its weights as the oracle takes them."""
    blocks = [
        {
            "heads": module.heads,
            "in": block.in_proj_weight,
            "bias": block.in_proj_bias,
            "out": block.out_proj.weight,
            "out_bias": block.out_proj.bias,
        }
        for block in module.blocks
    ]
    plain = [
        {name: each if isinstance(each, int) else each.detach().double().numpy() for name, each in block.items()}
        for block in blocks
    ]
    head, bias = (each.detach().double().numpy() for each in (module.head.weight, module.head.bias))
    return {"blocks": plain, "head": head, "head_bias": bias}
