"""Laws of every own network: it builds, learns, is loaded as it was saved, leaves no weight without a gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from nets.own_small import ALL, small
from striate.core.rng import Rng
from striate.nets.auxiliary import take_auxiliary
from striate.nets.load import load_net, save_weights
from striate.nets.net import Net

FIXED = {"neocognitron"}  # learns without gradients
AUXILIARY = "striate/googlenet+width=0.125+auxiliary=yes"


def _net(name: str) -> Net:
    full, side = small(name)
    return load_net(f"{full}.random", classes=5, size=side)


def _images(net: Net, count: int) -> torch.Tensor:
    height, width = net.a_size()
    return torch.rand(count, net.channels, height, width, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", [name for name in ALL if name not in FIXED])
def test_every_weight_of_an_own_net_gets_a_gradient_and_a_small_step_lowers_the_loss(name: str) -> None:
    net, labels = _net(name).double(), torch.arange(10) % 5
    images = _images(net, 10).double()

    def loss() -> torch.Tensor:
        return F.cross_entropy(net(images), labels)

    before = loss()
    weights = [each for each in net.parameters() if each.requires_grad]
    grads = torch.autograd.grad(before, weights)
    assert all(bool(each.isfinite().all()) for each in grads)
    assert all(bool(each.any()) for each in grads)
    scale = sum(float(each.square().sum()) for each in grads)
    with torch.no_grad():
        for weight, grad in zip(weights, grads, strict=True):
            weight.sub_(grad, alpha=1e-6 * float(before.detach()) / scale)
        assert float(loss()) < float(before)


@pytest.mark.parametrize("name", [name for name in ALL if name not in FIXED])
def test_an_own_net_is_loaded_as_it_was_saved(name: str, tmp_path: Path) -> None:
    net = _net(name)
    path = save_weights(net, tmp_path / "weights.safetensors")
    again = load_net(path)
    images = _images(net, 2)
    with torch.no_grad():
        assert torch.equal(again(images), net(images))
    assert again.name == net.name
    assert again.classes == net.classes


def test_auxiliary_heads_speak_in_training_alone_and_are_heard_once() -> None:
    net = load_net(f"{AUXILIARY}.random", classes=5, size=32)
    images = torch.rand(2, 3, 32, 32)
    net(images)
    assert take_auxiliary(net) == []
    net.train()
    net(images)
    taken = take_auxiliary(net)
    assert [(tuple(logits.shape), weight) for logits, weight in taken] == [((2, 5), 0.3)] * 2
    assert take_auxiliary(net) == []
    net(images)
    net.eval()
    assert take_auxiliary(net) == []


def test_a_step_of_classification_adds_the_losses_of_auxiliary_heads() -> None:
    from striate.training.task import Batch, Classification

    net = load_net(f"{AUXILIARY}.random", classes=5, size=32).train()
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    images, labels = Rng(0, "auxiliary").uniform(torch.arange(4), (3, 32, 32)), torch.arange(4)
    logits = net(images)
    heads = [F.cross_entropy(each, labels, reduction="none") for each, _ in take_auxiliary(net)]
    wanted = F.cross_entropy(logits, labels, reduction="none") + 0.3 * heads[0] + 0.3 * heads[1]
    figures = Classification(net).step(Batch(images, labels, torch.arange(4), torch.arange(4)), lambda *_: None)
    torch.testing.assert_close(figures["loss"], wanted.detach())
