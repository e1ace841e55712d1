"""The net, the images and the checks that the laws of searches and of attacks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.imageopt.found import Found
from striate.nets.net import Net


def small_net(dtype: torch.dtype = torch.float32) -> Net:
    torch.manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )
    module[1].running_mean.normal_(0, 0.1)
    module[1].running_var.uniform_(0.5, 1.5)
    return Net(module, mean=0.5, std=0.25, size=10, classes=4).to(dtype)


def images(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    made = torch.rand(count, 3, 10, 10, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    made[made < 0.1], made[made > 0.9] = 0.0, 1.0
    return made.float().to(dtype)


def labels_of(net: Net, x: Tensor) -> Tensor:
    mode = net.training
    with torch.no_grad():
        answer = net.eval()(x).argmax(1)
    net.train(mode)
    return answer


@dataclass(frozen=True)
class Looked:
    images: Tensor
    output: Tensor

    @property
    def rows(self) -> Tensor:
        return torch.arange(len(self.images))


def check_same_verdicts(whole: Found, part: Found, rows: list[int], y: Tensor, *, tolerance: float) -> None:
    scale = float(whole.scores.abs().max())
    assert float((whole.scores[rows] - part.scores).abs().max()) <= tolerance * max(scale, 1.0)
    for place, row in enumerate(rows):
        if bool(whole.success[row]) != bool(part.success[place]):
            logits = whole.output[row].double()
            others = torch.cat([logits[: y[row]], logits[y[row] + 1 :]])
            assert abs(float(logits[y[row]] - others.max())) < 1e-5


def check_untouched(make: Callable[[Net, Tensor, Tensor], object]) -> None:
    """Whatever ran: parameters, buffers, gradients, modes, hooks and the global generator are bit for bit as before."""
    net, x = small_net(), images(4)
    y = labels_of(net, x)
    net.train()
    net.module[0].eval()
    net.module[3].weight.requires_grad_(False)
    net.module[7].bias.grad = torch.full_like(net.module[7].bias, 0.25)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    make(net, x, y)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    grads = {name: each.grad for name, each in net.named_parameters() if each.grad is not None}
    assert list(grads) == ["module.7.bias"]
    assert bool((grads["module.7.bias"] == 0.25).all())
    assert [name for name, each in net.named_parameters() if not each.requires_grad] == ["module.3.weight"]
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())
    assert not y.requires_grad
    assert not x.requires_grad
