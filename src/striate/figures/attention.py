"""Attention: tokens, positions, scaling, and what it does not know."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .claims import SAME, Computed, claim, holds
from .draw import curves
from .layers import count, on_meta, parameters


def vit_tokens() -> Computed:
    """An image of 224 pixels is 196 words of 16x16 pixels, and one more that collects the answer."""
    width, depth, patch = 768, 12, 16
    cut = on_meta(lambda: nn.Conv2d(3, width, patch, stride=patch))
    _, rows, columns = count(cut, (3, 224, 224))[0].shape
    tokens = rows * columns + 1
    one = on_meta(lambda: nn.TransformerEncoderLayer(width, 12, 4 * width, batch_first=True))
    ends = on_meta(lambda: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1000)))
    learnt = width + tokens * width  # the class token, and a place for every token
    total = parameters(cut) + learnt + depth * parameters(one) + parameters(ends)
    return Computed(
        (
            claim("patches", [rows, columns], [14, 14], says=SAME),
            claim("tokens", tokens, 197),
            claim("parameters of the patch layer", parameters(cut), 590_592),
            claim("parameters of B/16", total, 86_567_656),
        )
    )


def positions(places: Tensor, width: int) -> Tensor:
    """Sines and cosines of each place, (N, width), wavelengths from 2 pi to 20000 pi (Vaswani et al. 2017, 3.5)."""
    rates = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = places.to(torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)


def pos_encoding() -> Computed:
    """How alike two encoded places are depends on their distance only."""
    table = positions(torch.arange(200), 512)
    at_five = (table[5:] * table[:-5]).sum(1)
    products = (table[:60] @ table[0]).tolist()
    return Computed(
        (
            claim("first four of place 1", table[1, :4], [0.841471, 0.540302, 0.821856, 0.569695]),
            claim("product at distance 5", at_five[0], 189.5967, tolerance=5e-5),
            claim("its spread over all places", at_five.max() - at_five.min(), 0.0, tolerance=1e-9),
        ),
        curves(
            "Encoded places resemble their neighbours",
            {"product": (range(60), products)},
            x_label="distance",
            y_label="scalar product of two encodings",
        ),
    )


def attention_scale() -> Computed:
    """Products of longer vectors are larger, and softmax picks one key; dividing by the root of d keeps it soft."""
    raw, scaled = [], []
    for d in (4, 64, 512):
        queries, keys = torch.randn(4000, 1, d), torch.randn(4000, 16, d)
        products = (queries * keys).sum(2)
        raw.append(products.softmax(1).amax(1).mean())
        scaled.append((products / math.sqrt(d)).softmax(1).amax(1).mean())
    note = "the lecture takes d for the size of the embedding; it is a head's key size, 64 (Vaswani et al. 2017, 3.2)"
    return Computed(
        (
            claim("mean largest weight of 16 for d = 4, 64, 512", torch.stack(raw), [0.43, 0.84, 0.95], tolerance=0.03),
            claim("with scaling", torch.stack(scaled), [0.24, 0.25, 0.25], tolerance=0.03, note=note),
        )
    )


def self_attention() -> Computed:
    """Each token becomes a mean of all values, weighed by how its query meets their keys; order plays no part."""
    x = torch.tensor([[1, 0, 2], [0, 1, -1], [2, 1, 0], [-1, 1, 1]], dtype=torch.float64)
    wq, wk, wv = (torch.randn(3, 3, dtype=torch.float64) for _ in range(3))

    def attend(tokens: Tensor) -> Tensor:
        q, k, v = tokens @ wq, tokens @ wk, tokens @ wv
        weights = (q @ k.T / math.sqrt(k.shape[1])).softmax(1)
        return weights @ v

    ours = attend(x)
    theirs = F.scaled_dot_product_attention((x @ wq)[None], (x @ wk)[None], (x @ wv)[None])[0]
    order = torch.tensor([2, 0, 3, 1])
    placed = x + positions(torch.arange(4), 4)[:, :3]
    moved = attend(x[order] + positions(torch.arange(4), 4)[:, :3])
    return Computed(
        (
            claim("largest difference from torch's", (ours - theirs).abs().max(), 0.0, tolerance=1e-12),
            claim(
                "permuted tokens, permuted outputs", (attend(x[order]) - ours[order]).abs().max(), 0.0, tolerance=1e-12
            ),
            holds("with positions added the order counts", not torch.allclose(moved, attend(placed)[order])),
        )
    )
