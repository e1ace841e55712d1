from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from striate.imageopt.objective import log_odds
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.nets.fold import folded
from striate.nets.load import load_net
from striate.nets.net import Net


def stacked(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, groups=2), nn.BatchNorm2d(6, affine=False), nn.Flatten(), nn.Linear(6 * 36, 4),
    )  # fmt: skip
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_(0, 0.3)
            each.running_var.uniform_(0.3, 2.0)
    return module


def test_a_folded_net_gives_the_same_in_fewer_operations_and_the_net_is_untouched() -> None:
    net = Net(stacked().double(), mean=0.4, std=0.2, size=10, classes=4).eval()
    before = copy.deepcopy(net.state_dict())
    quick = folded(net, (10, 10))
    x = torch.rand(5, 3, 10, 10, dtype=torch.float64)
    torch.testing.assert_close(quick(x), net(x), atol=1e-12, rtol=1e-12)
    assert [type(each).__name__ for each in quick.module] == [
        "Conv2d", "Identity", "ReLU", "Conv2d", "Identity", "Flatten", "Linear",
    ]  # fmt: skip
    assert quick.module[6].weight is net.module[6].weight
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    leaf = x.clone().requires_grad_()
    (one,) = torch.autograd.grad(quick(leaf).sum(), leaf)
    (other,) = torch.autograd.grad(net(leaf).sum(), leaf)
    torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


class Reused(nn.Module):
    """A convolution whose output is used beside its normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4 * 64, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.head((y + self.norm(y)).flatten(1))


class Twice(nn.Module):
    """One convolution that runs twice, with two normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.conv(self.one(self.conv(x)))).flatten(1)


@pytest.mark.parametrize("make", [Reused, Twice, lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())])
def test_what_cannot_be_folded_is_left_alone(make: type[nn.Module]) -> None:
    assert folded(Net(make(), size=10, channels=3, classes=3).eval(), (10, 10)) is None


def test_a_hooked_normalisation_is_not_folded_away() -> None:
    net = Net(stacked(), size=10, classes=4).eval()
    net.module[1].register_forward_hook(lambda *_: None)
    assert isinstance(folded(net, (10, 10)).module[1], nn.BatchNorm2d)


def test_residual_nets_fold_every_normalisation() -> None:
    net = load_net("torchvision/resnet18.random").eval()
    quick = folded(net, (64, 64))
    assert not any(isinstance(each, nn.BatchNorm2d) for each in quick.modules())
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert float((quick(x) - net(x)).abs().max()) <= 1e-4 * float(net(x).abs().max())


class Doubled(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * self.module(x)


def test_a_search_by_a_folded_net_is_judged_by_the_net_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.imageopt.solve.folded", lambda net, _: net.with_module(Doubled(net.module)))
    net = Net(stacked(1), mean=0.4, std=0.2, size=10, classes=4)
    x = torch.rand(4, 3, 10, 10)
    y = net.eval()(x).argmax(1)
    found = solve(net, -log_odds(y), start=x, search=Steepest(0.01), steps=20, within=Ball(x, 0.05) & Box())
    with torch.no_grad():
        output = net(found.images)
    others = output.scatter(1, y[:, None], -torch.inf).logsumexp(1)
    judged = others - output.gather(1, y[:, None]).squeeze(1)
    torch.testing.assert_close(found.scores, judged, atol=1e-4, rtol=1e-4)
    assert float((found.history[-1] - found.scores).abs().min()) > 0.1  # the search went by the other one
