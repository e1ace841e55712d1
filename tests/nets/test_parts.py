from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from oracles.nets_parts import grouped, largest_pieces, local_contrast, local_response
from striate.core.errors import StriateError, UnknownNameError
from striate.nets.load import load_net, save_weights
from striate.nets.net import Net
from striate.nets.own.activating import MADE
from striate.nets.own.layers.dropping import DropConnect, StochasticDepth
from striate.nets.own.layers.local import ContrastNorm, ResponseNorm
from striate.nets.own.layers.maxout import Maxout
from striate.nets.own.normalising import NORMS

EVERY = ("mlp", "lenet5", "small", "resnet8", "plain8", "vit_tiny")
PARTED = [
    *(f"{name}+activation=silu" for name in EVERY),
    *(f"{name}+dropout=0.3" for name in EVERY),
    *(f"{name}+dropconnect=0.3" for name in EVERY),
    *(f"{name}+norm=weight" for name in EVERY),
    *(f"{name}+norm=batch" for name in EVERY),
    *(f"lenet5+activation={kind}" for kind in MADE),
    *(f"small+norm={kind}" for kind in NORMS),
    *(f"lenet5+groups=2+norm={kind}" for kind in ("group",)),
    *(f"lenet5+norm={kind}" for kind in ("layer", "instance", "lrn", "lcn")),
    *(f"vit_tiny+norm={kind}" for kind in ("layer", "instance", "group", "lrn", "none")),
    *(f"{name}+stochastic_depth=0.2" for name in ("resnet8", "vit_tiny")),
    "vit_tiny+activation=maxout",
    "mlp+norm=layer",
    "small+activation=maxout+norm=group+groups=4+dropout=0.2+dropconnect=0.1",
]


def made(name: str, *, size: int = 16, channels: int = 1) -> Net:
    torch.manual_seed(0)
    return load_net(f"striate/{name}", weights=False, size=size, channels=channels)


def layer_at(net: Net, path: str) -> Any:
    return net.module.get_submodule(path)


@pytest.mark.parametrize("name", PARTED)
def test_a_net_with_any_part_learns_and_judges_images_one_by_one_and_loads_back(name: str, tmp_path: Path) -> None:
    net = made(name)
    images, labels = torch.rand(6, 1, 16, 16), torch.arange(6)
    whole = net(images)
    torch.testing.assert_close(torch.cat([net(each[None]) for each in images]), whole, atol=2e-5, rtol=1e-4)
    net.train()
    torch.autograd.backward(nn.functional.cross_entropy(net(images), labels))
    assert all(each.grad is not None and bool(each.grad.isfinite().all()) for each in net.parameters())
    net.zero_grad()
    net.eval()
    again = load_net(save_weights(net, tmp_path / "net.safetensors"))
    assert again.origin.arch == f"striate/{name}"
    torch.testing.assert_close(again(images), net(images))


def test_without_parts_the_starting_weights_are_the_same() -> None:
    plain, dropped = made("small"), made("small+dropout=0.5+activation=tanh")
    for one, other in zip(plain.parameters(), dropped.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_of_a_published_net_load_as_before(weights_root: Path) -> None:
    kept = load_net("striate/resnet20.cifar10", weights_root=weights_root)
    deep = load_net("striate/resnet20+stochastic_depth=0.5+dropout=0.cifar10", weights_root=weights_root, weights=False)
    assert len(kept.state_dict()) == len(deep.state_dict())
    smooth = load_net("striate/resnet20+activation=silu.cifar10", weights_root=weights_root)
    assert torch.equal(layer_at(smooth, "conv1").weight, layer_at(kept, "conv1").weight)


@pytest.mark.parametrize("kind", MADE)
def test_every_activation_of_a_net_is_replaced(kind: str) -> None:
    wanted = type(MADE[kind]())
    found = [each for each in made(f"lenet5+activation={kind}").module.modules() if type(each) is wanted]
    assert len(found) == 4


def test_maxout_doubles_the_layer_before_it() -> None:
    plain, doubled = made("lenet5", size=32), made("lenet5+activation=maxout", size=32)
    count = sum(each.numel() for each in doubled.parameters())
    assert sum(each.numel() for each in plain.parameters()) == 61_706
    assert count == 2 * 156 + 2 * 2416 + 2 * 48_120 + 2 * 10_164 + 850
    values = torch.randn(5, 12, dtype=torch.float64)
    np.testing.assert_array_equal(Maxout(3)(values).numpy(), largest_pieces(values.numpy(), 3))
    maps = torch.randn(2, 8, 3, 3)
    assert torch.equal(Maxout()(maps), maps.view(2, 4, 2, 3, 3).max(2).values)


def test_local_response_is_that_of_the_paper() -> None:
    maps = torch.randn(2, 7, 3, 2, dtype=torch.float64) * 30
    np.testing.assert_allclose(ResponseNorm()(maps).numpy(), local_response(maps.numpy()), rtol=1e-12)


def test_local_contrast_is_that_of_the_paper() -> None:
    maps = torch.randn(2, 3, 11, 6, dtype=torch.float64)
    torch.testing.assert_close(
        ContrastNorm().double()(maps), torch.from_numpy(local_contrast(maps.numpy())), rtol=1e-6, atol=1e-6
    )
    flat = torch.ones(1, 2, 8, 8, requires_grad=True)
    normal = ContrastNorm()(flat)
    torch.autograd.backward(normal.sum())
    assert float(normal.detach().abs().max()) < 1e-1
    assert flat.grad is not None
    assert bool(flat.grad.isfinite().all())


@pytest.mark.parametrize(
    ("kind", "axes", "groups"),
    [("batch", (0, 2, 3), 0), ("layer", (1, 2, 3), 1), ("instance", (2, 3), 12), ("group", (1, 2, 3), 4)],
)
def test_a_norm_has_mean_0_and_deviation_1_over_its_own_axes(kind: str, axes: tuple[int, ...], groups: int) -> None:
    groups_option = "+groups=4" if kind == "group" else ""
    norm = layer_at(made(f"resnet8+width=12+norm={kind}{groups_option}"), "bn1").train()
    maps = 3 + 5 * torch.randn(8, 12, 6, 4, dtype=torch.float64)
    out = norm.double()(maps).detach()
    parts = out.view(8, 4, 3, 6, 4) if kind == "group" else out
    over = (2, 3, 4) if kind == "group" else axes
    assert float(parts.mean(over).abs().max()) < 1e-6
    assert float((parts.std(over, correction=0) - 1).abs().max()) < 1e-3
    if groups:
        np.testing.assert_allclose(out.numpy(), grouped(maps.numpy(), groups), atol=1e-9)


def test_a_norm_goes_behind_every_layer_but_the_output_where_there_is_none() -> None:
    batch = made("lenet5+norm=batch").module
    assert [type(each).__name__ for each in batch.modules() if "Norm" in type(each).__name__] == (
        ["BatchNorm2d"] * 2 + ["BatchNorm1d"] * 2
    )
    layer = made("lenet5+norm=layer").module
    assert sum(isinstance(each, (nn.GroupNorm, nn.LayerNorm)) for each in layer.modules()) == 4
    assert sum(isinstance(each, ResponseNorm) for each in made("lenet5+norm=lrn").module.modules()) == 2
    assert isinstance(batch.get_submodule("linear3"), nn.Linear)
    names = [site.op for site in made("lenet5+norm=batch").sites((16, 16))]
    assert names[names.index("batch_norm") + 1] == "relu"


def test_a_norm_that_is_taken_out_leaves_its_shift() -> None:
    plain, bare = made("resnet8"), made("resnet8+norm=none")
    norms = sum(each.num_features for each in plain.module.modules() if isinstance(each, nn.BatchNorm2d))
    counts = [sum(each.numel() for each in net.parameters()) for net in (plain, bare)]
    assert counts[0] - counts[1] == norms
    images = torch.rand(3, 16, 4, 4)
    with torch.no_grad():
        layer_at(bare, "bn1").bias.fill_(0.5)
    torch.testing.assert_close(layer_at(bare, "bn1")(images), images + 0.5)


def test_weight_norm_keeps_the_function_and_parts_length_from_direction() -> None:
    plain, parted = made("mlp"), made("mlp+norm=weight")
    images = torch.rand(4, 1, 16, 16)
    torch.testing.assert_close(plain(images), parted(images))
    first = layer_at(parted, "hidden1")
    with torch.no_grad():
        first.parametrizations.weight.original1 *= 3.0
    torch.testing.assert_close(plain(images), parted(images))
    torch.testing.assert_close(first.weight.norm(dim=1), first.parametrizations.weight.original0[:, 0])


def test_dropout_keeps_the_mean_within_3_standard_errors() -> None:
    dropout = layer_at(made("small+dropout=0.3"), "linear.dropout").train()
    torch.manual_seed(1)
    values = dropout(torch.ones(200_000))
    error = math.sqrt(0.3 / 0.7 / 200_000)
    assert abs(float(values.mean()) - 1) < 3 * error
    assert set(values.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.7)}
    assert torch.equal(dropout.eval()(torch.ones(9)), torch.ones(9))


def test_dropconnect_draws_a_mask_an_image_and_keeps_the_mean() -> None:
    torch.manual_seed(2)
    layer = DropConnect.of(nn.Linear(50, 4), 0.4)
    image = torch.rand(1, 50)
    plain = layer.eval()(image).detach()
    torch.testing.assert_close(plain, nn.functional.linear(image, layer.weight, layer.bias).detach())
    outs = layer.train()(image.expand(4000, -1)).detach()
    assert len(outs.unique(dim=0)) == 4000
    variance = (layer.weight.detach() * image).square().sum(1) * 0.4 / 0.6
    assert float(((outs.mean(0) - plain[0]) / (variance / 4000).sqrt()).abs().max()) < 3
    assert float((outs.var(0) / variance - 1).abs().max()) < 0.12
    tokens = layer(torch.rand(3, 7, 50))
    assert tokens.shape == (3, 7, 4)


def test_dropconnect_shares_masks_where_they_would_hold_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.nets.own.layers import dropping

    monkeypatch.setattr(dropping, "_MASKED", 3 * 50 * 4)
    layer = DropConnect.of(nn.Linear(50, 4), 0.5).train()
    outs = layer(torch.ones(1, 50).expand(8, -1)).detach()
    assert len(outs.mul(1e4).round().unique(dim=0)) == 3
    assert outs.shape == (8, 4)
    layer.rate = 1e-9
    images = torch.rand(8, 50)
    torch.testing.assert_close(layer(images), nn.functional.linear(images, layer.weight, layer.bias))


def test_only_hidden_linear_layers_leave_out_weights_where_there_are_some() -> None:
    lenet = made("lenet5+dropconnect=0.5").module
    kinds = {path: type(each) for path, each in lenet.named_modules()}
    assert kinds["linear1"] is kinds["linear2"] is DropConnect
    assert kinds["linear3"] is nn.Linear
    assert isinstance(layer_at(made("small+dropconnect=0.5"), "linear"), DropConnect)


def test_blocks_survive_less_the_deeper_they_are() -> None:
    blocks = [
        each for each in made("resnet20+stochastic_depth=0.5").module.modules() if isinstance(each, StochasticDepth)
    ]
    assert [each.rate for each in blocks] == pytest.approx([0.5 * (index + 1) / 9 for index in range(9)])
    torch.manual_seed(3)
    for block in blocks[2::3]:
        out = block.train()(torch.ones(4000, 2, 1, 1))
        kept = out[:, 0, 0, 0] > 0
        assert torch.equal(kept, out[:, 1, 0, 0] > 0)
        survival = 1 - block.rate
        assert abs(float(kept.float().mean()) - survival) < 3 * math.sqrt(survival * block.rate / 4000)
        assert float(out.max()) == pytest.approx(1 / survival)
        assert torch.equal(block.eval()(out), out)


def test_a_block_whose_branch_is_left_out_passes_its_input() -> None:
    net = made("resnet8+stochastic_depth=0.9999999")
    block = layer_at(net, "layer1.0").train()
    block.survive.rate = 1 - 1e-9
    x = torch.rand(3, 16, 8, 8)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small+activation=swash", "activation of striate/small"),
        ("small+norm=bach", "norm of striate/small"),
        ("small+colour=red", "option of striate/small"),
        ("small+dropout=1", "dropout=1 of striate/small"),
        ("small+dropout=much", "dropout=much of striate/small"),
        ("small+norm=group+groups=7", "7 groups for 24 channels"),
        ("small+groups=4", "without norm=group"),
        ("small+norm=group+groups=few", "groups=few"),
        ("small+stochastic_depth=0.5", "no residual blocks"),
        ("resnet8+activation=maxout", "no layer stands right before relu|no layer stands right before layer"),
        ("lenet5+norm=none", "no normalisation"),
        ("mlp+norm=lrn", "no normalisation and no place"),
        ("mlp+norm=group", "no normalisation and no place"),
        ("linear+norm=batch", "no normalisation and no place"),
        ("linear+norm=weight", "norm=weight of striate/linear"),
        ("linear+activation=relu", "no activations"),
    ],
)
def test_a_part_that_cannot_be_had_is_refused(name: str, message: str) -> None:
    with pytest.raises((StriateError, UnknownNameError), match=message):
        made(name)
