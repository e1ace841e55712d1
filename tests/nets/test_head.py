"""Heads: found in nets of every source, replaced, written back, and loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.nets.head import find_head, reading_head, replace_head, write_head
from striate.nets.load import load_net, save_weights
from striate.nets.net import Net

NAMES = ("cat", "dog", "owl")
NETS = ("striate/small", "striate/vit_tiny.random", "torchvision/squeezenet1_0.random", "timm/resnet10t.random")


@pytest.mark.parametrize("name", NETS)
def test_a_new_head_leaves_the_rest_and_loads_again(name: str, tmp_path: Path) -> None:
    net = load_net(name)
    made = replace_head(net, NAMES)
    head = find_head(made)
    before, after = net.module.state_dict(), made.module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if not key.startswith(head.path))
    assert len(net.classes) != 3  # the net that was given is left as it was
    back = load_net(save_weights(made, tmp_path / "net.safetensors"))
    images = torch.rand(2, 3, *net.a_size())
    assert torch.equal(back.logits(images), made.logits(images))
    assert (back.classes, back.geometry, back.name) == (NAMES, net.geometry, net.name)
    if net.mean is not None:
        assert back.mean is not None
        assert torch.equal(back.mean, net.mean)


@pytest.mark.parametrize("name", ["striate/small", "torchvision/squeezenet1_0.random"])
def test_scores_of_codes_become_the_logits(name: str) -> None:
    made = replace_head(load_net(name), NAMES)
    head = find_head(made)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images, weight = torch.rand(4, 3, *made.a_size()), 0.01 * torch.randn(3, head.width)
    with reading_head(made, head) as met:
        made(images)
    write_head(made, weight, torch.full((3,), 50.0))  # above 0, where a ReLU cuts nothing
    assert torch.allclose(made.logits(images), met[0] @ weight.T + 50.0, atol=1e-3)


def test_a_net_from_a_python_file_loads_with_its_new_head(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import striate\nfrom torch import nn\ndef f():\n"
        "    return striate.Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), size=8, channels=1, name='f')\n"
    )
    made = replace_head(load_net(f"{script}:f"), NAMES)
    back = load_net(save_weights(made, tmp_path / "net.safetensors"))
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(back.logits(images), made.logits(images))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten()), "kernel"),
        (nn.Sequential(nn.Flatten(), nn.Softmax(1)), "no last linear layer"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh()), "tanh"),
    ],
)
def test_a_net_without_a_head_is_refused_by_name(module: nn.Module, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        find_head(Net(module, size=8, channels=1))


def test_one_class_is_refused() -> None:
    with pytest.raises(StriateError, match="1 class"):
        replace_head(load_net("striate/lenet5.random"), ("cat",))
