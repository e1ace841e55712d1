"""Attention that is read equals softmax in slow float64, however the net computes it; what follows from it, too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from inside.tokens import tokens_net, weights_of
from oracles import inside_attention as slow
from striate.core.errors import StriateError
from striate.inside.attention.reading import attention_of, read_attention
from striate.inside.attention.tokens import token_grid
from striate.inside.attribution.attention_rollout import attention_rollout
from striate.inside.attribution.gradient_attention import gradient_attention
from striate.nets.net import Net

WAYS = ["multi", "fused", "written"]
SITES = {"multi": "blocks.0.multi_head_attention", "fused": "scaled_dot_product_attention", "written": "softmax"}


@pytest.fixture(params=WAYS)
def net(request):
    return tokens_net(request.param)


@pytest.fixture
def slowly(net, photos):
    """Logits and attention of the oracle for two photos."""
    with torch.no_grad():
        tokens = net.module.embed((photos[:2] - 0.5) / 0.25).double().numpy()
    weights = weights_of(net.module)
    return tokens, weights, [slow.transformer(each, weights) for each in tokens]


def test_probabilities_equal_the_softmax_of_the_oracle_and_rows_sum_to_one(net, photos, slowly):
    seen = attention_of(net, photos[:2])
    assert seen.sites[0] == SITES[net.module.way]
    assert [each.shape for each in seen.weights] == [(2, 2, 17, 17)] * 2
    for i, (logits, layers) in enumerate(slowly[2]):
        assert np.abs(seen.output[i].numpy() - logits).max() < 1e-4
        for found, expected in zip(seen.weights, layers, strict=True):
            assert np.abs(found[i].double().numpy() - expected).max() < 1e-5
    assert all(torch.allclose(each.sum(3), torch.ones(2, 2, 17), atol=1e-6) for each in seen.weights)
    assert seen.residuals.shape == (2, 2)
    assert seen.residuals.max() < 1e-5


def test_the_net_goes_on_as_it_would_have(net, photos):
    assert torch.allclose(attention_of(net, photos).output, net(photos), atol=1e-5)


def test_the_net_goes_on_with_what_the_attention_is_changed_to(net, photos, slowly):
    tokens, weights, _ = slowly

    def change(layer, each):
        moved = torch.zeros_like(each)
        moved[:, 1, 0, 3] = 0.25 * (layer == 0)
        return each + moved

    expected = slow.transformer(tokens[0], weights, {(0, 1, 0, 3): 0.25})[0]
    with torch.no_grad():
        found = read_attention(net, photos[:1], change=change).output[0]
    assert np.abs(found.double().numpy() - expected).max() < 1e-4


def test_rollout_is_the_papers_product_of_matrices(net, photos, slowly):
    maps = attention_rollout(net, photos[:2], torch.tensor([0, 1]))
    for i, (_, layers) in enumerate(slowly[2]):
        shares = torch.from_numpy(slow.rollout(layers)[0, 1:].reshape(1, 1, 4, 4)).float()
        expected = F.interpolate(shares, size=(16, 16), mode="bilinear", align_corners=False)[0, 0]
        assert torch.allclose(maps.values[i], expected, atol=1e-6)
    assert all(check.holds for check in maps.checks)


def test_gradient_attention_is_the_papers_recursion_with_slopes_by_differences(photos):
    net = tokens_net("multi", patch=8)
    with torch.no_grad():
        tokens = net.module.embed((photos[:1] - 0.5) / 0.25).double().numpy()[0]
    layers, slopes = slow.attention_slopes(tokens, weights_of(net.module), 3)
    rows = torch.from_numpy(slow.relevance(layers, slopes)[0, 1:].reshape(1, 1, 2, 2)).float()
    expected = F.interpolate(rows, size=(16, 16), mode="bilinear", align_corners=False)[0, 0]
    maps = gradient_attention(net, photos[:1], torch.tensor([3]))
    assert expected.max() > 1e-3
    assert torch.allclose(maps.values[0], expected, atol=1e-4 * float(expected.max()))
    assert maps.checks[0].holds


def test_all_ways_to_compute_attention_give_the_same_maps(photos):
    targets = torch.tensor([0, 1, 2, 3])
    maps = [gradient_attention(tokens_net(way), photos, targets).values for way in WAYS]
    assert all(torch.allclose(each, maps[0], atol=1e-5 * float(maps[0].max())) for each in maps[1:])


@pytest.mark.parametrize("mask", ["bool", "float", "causal"])
def test_masks_are_those_of_the_operation(mask, photos):
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 12, 4, 4), nn.Linear(4, 5)

        def forward(self, images):
            query, key, value = (
                self.conv(images).flatten(2).transpose(1, 2).unflatten(2, (3, 1, 4)).permute(2, 0, 3, 1, 4)
            )
            shown = torch.ones(16, 16).tril(2) > 0
            extra = {"bool": shown, "float": shown.float() - 1, "causal": None}[mask]
            found = F.scaled_dot_product_attention(query, key, value, attn_mask=extra, is_causal=mask == "causal")
            return self.linear(found.mean((1, 2)))

    assert attention_of(Net(Masked()), photos).residuals.max() < 1e-5


def test_timm_and_torchvision_transformers_are_read_alike_with_class_and_distillation_tokens():
    import timm

    options = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 5}
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    nets = [
        Net(timm.create_model("vit_tiny_patch16_224", **options)),
        Net(timm.create_model("deit_tiny_distilled_patch16_224", **options)),
        Net(
            torchvision.models.VisionTransformer(
                image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
            )
        ),
    ]
    for net, start, read in zip(nets, (1, 2, 1), ((0,), (0, 1), (0,)), strict=True):
        grid = token_grid(net, (32, 32))
        assert (grid.rows, grid.columns, grid.start, grid.read) == (4, 4, start, read)
        seen = attention_of(net, images)
        assert [each.shape for each in seen.weights] == [(2, 2, 16 + start, 16 + start)] * 2
        assert seen.residuals.max() < 1e-5
        maps = attention_rollout(net, images, torch.tensor([0, 1]))
        assert maps.values.shape == (2, 32, 32)
        assert all(check.holds for check in maps.checks)


@pytest.mark.parametrize("method", [attention_rollout, gradient_attention])
def test_a_net_without_attention_is_refused_with_what_to_try(method, photos):
    net = Net(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), name="plain")
    with pytest.raises(StriateError, match=r"plain has no attention.*vision transformer.*grad_cam"):
        method(net, photos, torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize("method", [attention_rollout, gradient_attention])
def test_attention_within_windows_is_refused_with_its_site(method):
    import timm

    options = {"img_size": 32, "window_size": 4, "depths": (2, 2), "embed_dim": 24, "num_heads": (2, 4)}
    net = Net(timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **options), name="swin")
    with pytest.raises(StriateError, match=r"swin has attention within windows \(layers"):
        method(net, torch.rand(1, 3, 32, 32), torch.tensor([0]))


def test_attention_over_channels_is_refused(photos):
    class Across(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)

        def forward(self, images):
            tokens = self.conv(images).flatten(2).transpose(1, 2)
            shares = (tokens.transpose(1, 2) @ tokens)[:, None].softmax(-1)[:, 0]
            return self.linear((tokens + tokens @ shares).mean(1))

    with pytest.raises(StriateError, match="over 8 things where there are 16 tokens"):
        attention_rollout(Net(Across()), photos, torch.zeros(4, dtype=torch.int64))


def test_checks_fail_where_the_backward_of_the_net_is_wrong(photos):
    class Bent(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            return 2 * values

        @staticmethod
        def backward(ctx, slopes):
            return slopes

    net = tokens_net("fused")
    net.module.drop = type("Bending", (nn.Module,), {"forward": lambda self, values: Bent.apply(values)})()
    assert not any(each.holds for each in gradient_attention(net, photos, torch.tensor([0, 1, 2, 3])).checks)
