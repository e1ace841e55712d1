"""The gradient noise scale against the closed form of a quadratic loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.doctor.case import Case
from striate.doctor.checks.noise import gradient_noise, noise_of
from striate.doctor.end import look_at_end
from striate.doctor.samples import Samples
from striate.doctor.setup import Setup
from striate.doctor.start import look_at_start


class Point(nn.Module):
    """A point that is drawn to the samples: the loss |w - x|^2 / 2 has the gradient w - x for each."""

    def __init__(self, width: int, at: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.full((width,), at))

    def forward(self, x: Tensor) -> Tensor:
        return self.w - x


def half_square(output: Tensor, _: Tensor) -> Tensor:
    return output.square().sum(1).mean() / 2


def made(at: float, spread: float, n: int = 4_096, width: int = 20) -> Samples:
    x = spread * torch.randn(n, width, generator=torch.Generator().manual_seed(0))
    return Samples(x, torch.zeros(n), total=n, batch=64)


def test_trace_and_signal_are_those_of_a_quadratic_loss() -> None:
    samples = made(0.5, 2.0)
    setup = Setup(Point(20, 0.5), None, half_square, (samples.x, samples.y))
    noise = noise_of(look_at_start(setup, Samples(samples.x, samples.y), batch=4_096))
    assert noise is not None
    assert noise.trace == pytest.approx(20 * 4.0, rel=0.05)  # d times the variance
    assert noise.signal == pytest.approx(20 * 0.25, rel=0.15)  # |w - mean|^2
    assert noise.scale == pytest.approx(16, rel=0.2)


@pytest.mark.parametrize(("at", "spread", "said"), [(5.0, 0.5, True), (0.5, 2.0, False)])
def test_a_batch_far_above_the_noise_scale_is_noted(at: float, spread: float, said: bool) -> None:
    samples = made(at, spread)
    setup = Setup(Point(20, at), None, half_square, (samples.x, samples.y))
    case = Case(setup, finished=True)
    case.__dict__["train"] = samples
    case.__dict__["end"] = look_at_end(setup, samples, None)
    found = list(gradient_noise.look(case, gradient_noise.limits))
    assert bool(found) is said
    assert all(each.severity == "note" for each in found)
