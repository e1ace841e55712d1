"""The gradient is the derivative by the pixels, and its check notices one that is not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.inside.attribution.gradient import gradient
from striate.nets.net import Net


def test_of_a_linear_net_is_its_row_of_weights_over_the_spread():
    weight = torch.arange(2 * 12.0).view(2, 12) / 10
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    module[1].weight.data.copy_(weight)
    maps = gradient(
        Net(module, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0), channels=3),
        torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.tensor([1, 0]),
    )
    spread = torch.tensor([0.5, 0.25, 2.0])[:, None, None]
    assert torch.allclose(maps.values[0], weight[1].view(3, 2, 2) / spread, rtol=1e-6)
    assert torch.allclose(maps.values[1], weight[0].view(3, 2, 2) / spread, rtol=1e-6)
    assert all(check.holds for check in maps.checks)


def test_of_a_squared_net_is_twice_the_pixel():
    class Square(nn.Module):
        def forward(self, images):
            return torch.stack([images.square().sum((1, 2, 3)), images.sum((1, 2, 3))], 1)

    images = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    maps = gradient(Net(Square(), channels=1, classes=2), images, torch.tensor([0]))
    assert torch.allclose(maps.values, 2 * images, rtol=1e-6)
    assert maps.checks[0].holds


def test_of_probabilities_is_taken_of_their_logarithm():
    images = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    net = Net(nn.Sequential(plain, nn.Softmax(1)), channels=3, outputs="probabilities")
    leaf = images.clone().requires_grad_()
    (expected,) = torch.autograd.grad(plain(leaf).log_softmax(1)[0, 2], leaf)
    assert torch.allclose(gradient(net, images, torch.tensor([2])).values, expected, atol=1e-6)


def test_a_net_without_slope_gives_zeros_and_passes_its_check():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    nn.init.zeros_(module[1].weight)
    maps = gradient(Net(module, channels=3), torch.full((1, 3, 2, 2), 0.5), torch.tensor([0]))
    assert not maps.values.any()
    assert maps.checks[0].residual.value == 0


class Bent(torch.autograd.Function):
    """A ReLU whose backward also drops negative gradients: guided backprop in disguise."""

    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return values.relu()

    @staticmethod
    def backward(ctx, slopes):
        (values,) = ctx.saved_tensors
        return slopes.relu() * (values > 0)


@pytest.mark.parametrize("bent", [True, False])
def test_the_check_fails_where_the_backward_is_not_that_of_the_net(bent, photos):
    class Rectifier(nn.Module):
        def forward(self, values):
            return Bent.apply(values) if bent else values.relu()

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [nn.Conv2d(3, 8, 3), Rectifier(), nn.Conv2d(8, 8, 3), Rectifier(), nn.Flatten(), nn.Linear(1152, 3)]
    maps = gradient(Net(nn.Sequential(*parts)), photos, torch.tensor([0, 1, 2, 0]))
    assert [check.holds for check in maps.checks] == [not bent] * 4
    assert not any("kink" in check.what for check in maps.checks)


def test_kinks_that_float32_cannot_stay_between_are_no_failure():
    class Rippled(nn.Module):
        """Rises by 1.5 and 0.5 in turn, each over a twenty-thousandth."""

        def forward(self, images):
            level = images.mean((1, 2, 3))
            rippled = level + 1e-4 * ((1e4 * level).remainder(1) - 0.5).abs()
            return torch.stack([rippled, -level], 1)

    maps = gradient(Net(Rippled(), channels=3, classes=2), torch.full((1, 3, 4, 4), 0.50001), torch.tensor([0]))
    assert maps.checks[0].holds
    assert maps.checks[0].residual.value < 1e-3


def test_an_image_on_a_kink_fails_and_is_told_from_a_wrong_backward():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Tanh(), nn.Conv2d(8, 8, 3), nn.MaxPool2d(2), nn.Flatten()]
        net = Net(nn.Sequential(*parts, nn.Linear(32, 3)))
    (check,) = gradient(net, torch.full((1, 3, 16, 16), 0.5), torch.tensor([0])).checks
    assert check.holds is False
    assert "on a kink" in check.what


def test_a_check_that_was_not_asked_for_is_neither_held_nor_failed(net, photos):
    (check,) = gradient(net, photos[:1], torch.tensor([0]), check=False).checks
    assert check.holds is None
    assert check.residual.value is None
    assert check.residual.why
