from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from laws.subjects import labels_of, small_net
from striate.attacks.run import attack
from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.norms import norm_of
from striate.imageopt.canvas import Levels, Pixels
from striate.imageopt.region import Ball, Box


def bytes_of(count: int) -> Tensor:
    draw = torch.Generator().manual_seed(6)
    return torch.randint(0, 256, (count, 3, 10, 10), generator=draw).float() / 255


@pytest.mark.parametrize(("norm", "radius"), [(math.inf, 8 / 255), (math.inf, 0.03), (2.0, 0.4), (1.0, 4.0), (0.0, 5)])
def test_what_is_painted_is_of_8_bits_and_in_the_region_however_float32_rounds(norm: float, radius: float) -> None:
    x = bytes_of(20)
    region, rows = Ball(x, radius, norm) & Box(), torch.arange(20)
    z = region.project(x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), rows)
    painted = Levels(Pixels(), x, region).paint(z, rows)
    assert torch.equal(painted, from_bytes(to_bytes(painted)))
    assert bool(region.contains(painted, rows).all())
    assert bool(((painted - x).abs() <= (z - x).abs() + 1e-5).all())  # towards the image
    if math.isinf(norm):
        assert float((painted - x).abs().max() * 255) > math.floor(radius * 255 + 1e-3) - 1.5


def test_gradients_pass_as_if_nothing_were_rounded() -> None:
    x = bytes_of(2)
    z = (x + 0.01).requires_grad_()
    painted = Levels(Pixels(), x, Box()).paint(z, torch.arange(2))
    (grad,) = torch.autograd.grad((painted * 3).sum(), z)
    assert torch.equal(grad, torch.full_like(x, 3.0))


@pytest.mark.parametrize(("method", "norm", "radius"), [("pgd", "inf", 0.05), ("apgd_t", "2", 0.8), ("ddn", "2", 2.0)])
def test_every_success_of_a_search_among_levels_survives_8_bits(method: str, norm: str, radius: float) -> None:
    net, x = small_net(), bytes_of(8)
    y = labels_of(net, x)
    found = attack(net, x, y, method=method, norm=norm, radius=radius, steps=20, levels=True)
    assert int(found.success.sum()) > 0
    assert torch.equal(found.images, from_bytes(to_bytes(found.images)))
    assert torch.equal(labels_of(net, from_bytes(to_bytes(found.images))) != y, found.success)
    assert bool((norm_of(found.images.double() - x.double(), float(norm)) <= radius).all())


def test_images_between_levels_are_refused() -> None:
    net, x = small_net(), bytes_of(2) + 0.3 / 255
    with pytest.raises(StriateError, match=r"off the 256 there are; accepted: images of 8 bits"):
        attack(net, x.clamp(0, 1), labels_of(net, x.clamp(0, 1)), radius=0.1, levels=True)
