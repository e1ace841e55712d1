"""A small vision transformer of timm as a file that any verb takes, and what its class token has drawn on.

As a net: `striate train shapes --net vit_small.py:vit_small --out run`. Run as it stands it writes nothing.
"""

from __future__ import annotations

import timm
import torch

import striate as st


def vit_small() -> st.Net:
    """64 patches of 4 x 4 pixels, four blocks with four heads; random weights."""
    torch.manual_seed(0)
    module = timm.create_model(
        "vit_tiny_patch16_224",
        pretrained=False,
        img_size=32,
        patch_size=4,
        embed_dim=64,
        depth=4,
        num_heads=4,
        mlp_ratio=2,
        num_classes=10,
    )
    return st.Net(module, mean=(0.5,) * 3, std=(0.25,) * 3, size=32, name="vit_small")


if __name__ == "__main__":
    maps = st.explain(vit_small(), torch.rand(2, 3, 32, 32), method="attention_rollout").result.maps
    print(maps[0].units, maps[0].check.holds)
