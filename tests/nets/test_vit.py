"""The small transformer of our own: its weights counted by hand, its parts as the paper's equations, its sizes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from striate.core.errors import StriateError
from striate.nets.load import load_net
from striate.nets.own.vit import vit_tiny


def test_it_has_as_many_weights_as_the_paper_s_layers_have():
    block = 2 * 2 * 64 + (64 * 192 + 192) + (64 * 64 + 64) + (64 * 128 + 128) + (128 * 64 + 64)
    embedding = 3 * 4 * 4 * 64 + 64 + 64 + 65 * 64
    module = vit_tiny(10, 3, (32, 32)).module
    assert sum(each.numel() for each in module.parameters()) == embedding + 4 * block + 2 * 64 + 64 * 10 + 10 == 142_026


def test_logits_are_the_equations_of_the_paper_step_by_step():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, images = vit_tiny(5, 1, (28, 28)).module.double().eval(), torch.rand(2, 1, 28, 28).double()
    patches = F.unfold(images, 4, stride=4).transpose(1, 2)
    z = patches @ module.patch.weight.flatten(1).T + module.patch.bias
    z = torch.cat([module.class_token.expand(2, 1, 64), z], 1) + module.positions
    for block in module.blocks:
        joint = block.norm1(z) @ block.attention.qkv.weight.T + block.attention.qkv.bias
        heads = []
        for head in range(4):
            query, key, value = (joint[..., k * 64 + head * 16 : k * 64 + head * 16 + 16] for k in range(3))
            heads.append((query @ key.transpose(1, 2) / 4).softmax(2) @ value)
        z = z + torch.cat(heads, 2) @ block.attention.proj.weight.T + block.attention.proj.bias
        z = z + block.mlp(block.norm2(z))
    assert torch.allclose(module(images), module.linear(module.norm(z)[:, 0]), atol=1e-12)


@pytest.mark.parametrize(("size", "patches"), [(16, 8), (28, 7), (32, 8), (48, 8), (64, 8), (96, 8)])
def test_patches_are_about_an_eighth_of_the_image(size, patches):
    module = vit_tiny(10, 3, (size, size)).module
    assert module.positions.shape == (1, patches**2 + 1, 64)
    assert module(torch.zeros(1, 3, size, size)).shape == (1, 10)


def test_sides_without_such_a_patch_are_refused_with_some_that_have_one():
    with pytest.raises(StriateError, match=r"31 x 31.*28, 32, 48 or 64"):
        vit_tiny(10, 3, (31, 31))


def test_it_is_loaded_by_name():
    assert load_net("striate/vit_tiny.random")(torch.rand(2, 3, 32, 32)).shape == (2, 10)
