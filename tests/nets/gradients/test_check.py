"""Right gradients pass, kinks are no faults, and a planted wrong backward is found where it was planted."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import striate as st
from striate.nets.gradients.check import check_gradients, check_slopes, compare
from striate.nets.load import load_net
from striate.nets.net import Net


def images(channels: int = 3, side: int = 16) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))


class HalfSquare(torch.autograd.Function):
    """The square, whose backward forgets the factor two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * x


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return HalfSquare.apply(x)


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach() * 2 + x


class WrongWeight(nn.Module):
    """A scale by one weight, whose gradient is that of twice the weight."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        return x * (2 * self.scale - self.scale.detach())


def around(middle: nn.Module) -> Net:
    torch.manual_seed(1)
    layers = [
        nn.Conv2d(3, 4, 3), nn.Tanh(), middle, nn.Conv2d(4, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(4 * 36, 3),
    ]  # fmt: skip
    return Net(nn.Sequential(*layers), size=16)


@pytest.mark.parametrize("middle", [nn.Tanh(), nn.ReLU(), nn.MaxPool2d(3, 1, 1), nn.BatchNorm2d(4)])
@pytest.mark.parametrize("training", [False, True])
def test_right_gradients_pass_in_both_modes(middle: nn.Module, training: bool) -> None:
    found = check_gradients(around(middle), images(), training=training)
    assert [each.name for each in found.checks if not each.right] == []
    assert found.culprits == ()
    assert max(each.worst for each in found.checks) < 1e-6


@pytest.mark.parametrize("name", ["striate/small", "striate/resnet8", "striate/mlp"])
def test_own_nets_have_right_gradients_at_every_operation(name: str) -> None:
    net = load_net(f"{name}.random", channels=3, size=16)
    found = check_gradients(net, images(), directions=3)
    assert all(each.right and each.reached for each in found.checks)
    assert [each.name for each in found.sites] == [site.name for site in net.sites(16)]


@pytest.mark.parametrize(("middle", "names"), [(Squared(), {"2"}), (Detached(), {"2.mul", "2"})])
def test_a_wrong_backward_is_found_where_it_was_planted(middle: nn.Module, names: set[str]) -> None:
    found = check_gradients(around(middle), images())
    assert set(found.culprits) == names
    right = {each.name: each.right for each in found.checks}
    assert not right["input"]
    assert not right["0.weight"]
    assert right["3.weight"]
    assert right["7.weight"]


def test_a_wrong_gradient_of_a_weight_alone_is_found() -> None:
    found = check_gradients(around(WrongWeight()), images())
    wrong = [each for each in found.checks if not each.right]
    assert [each.name for each in wrong] == ["2.scale"]
    assert wrong[0].backward == pytest.approx(2 * wrong[0].difference, rel=1e-6)


def test_a_slope_is_that_of_the_closed_form() -> None:
    x = torch.tensor([0.3, -0.7], dtype=torch.float64)
    (found,) = check_slopes(lambda: torch.dot(x.sin(), x.exp()), {"x": x})
    slopes = [math.exp(value) * (math.sin(value) + math.cos(value)) for value in (0.3, -0.7)]
    assert found.right
    assert any(found.difference == pytest.approx(slope, rel=1e-8) for slope in slopes) or found.worst > 0


@pytest.mark.parametrize(("at", "slope", "kink"), [(1.0, 1.0, False), (3e-6, 1.0, True), (0.0, 0.0, True)])
def test_a_kink_is_told_from_a_wrong_slope(at: float, slope: float, kink: bool) -> None:
    gap, _, met = compare(lambda t: max(at + t, 0.0), max(at, 0.0), slope, 1e-5)
    assert gap <= 1e-5
    assert met == kink


def test_a_wrong_slope_is_no_kink() -> None:
    gap, slope, met = compare(lambda t: (1 + t) ** 2, 1.0, 1.0, 1e-5)
    assert (gap, slope) == (pytest.approx(0.5), pytest.approx(2.0))
    assert not met


def test_the_net_is_left_as_it_was_found() -> None:
    net = around(nn.BatchNorm2d(4)).train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    check_gradients(net, images(), training=True)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())
    assert net.training
    assert all(each.grad is None and each.dtype == torch.float32 for each in net.parameters())


def test_the_verb_names_the_operation_and_what_to_look_at() -> None:
    report = st.gradcheck(around(Squared()), quiet=True)
    assert [finding.severity for finding in report.findings] == ["error"]
    assert "2" in report.findings[0].seen
    assert "autograd.Function" in report.findings[0].mend
    assert st.gradcheck("striate/resnet8", quiet=True, size=12).findings == ()


def test_no_image_is_a_clear_error() -> None:
    with pytest.raises(st.StriateError, match="images is 0"):
        st.gradcheck("striate/lenet5", images=0, quiet=True)
