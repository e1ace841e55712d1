"""Histograms of oriented gradients as a net."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from oracles.nets_hog import hog as slow
from striate.attacks.run import attack
from striate.core.errors import StriateError
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.own.hog import HOG, hog
from striate.nets.own.svm import with_svm


def images(count: int = 2, channels: int = 3, size: tuple[int, int] = (26, 33), seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, channels, *size), generator=torch.Generator().manual_seed(seed)) / 255


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize("block", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_features_are_those_of_loops_over_pixels(norm: str, block: int, channels: int) -> None:
    x = images(2, channels)
    ours = HOG(8, block, 9, norm)(x)  # type: ignore[arg-type]
    for row, image in enumerate(x.double().numpy()):
        right = slow(image, cell=8, block=block, bins=9, norm=norm)
        np.testing.assert_allclose(ours[row].numpy(), right, atol=2e-6)


@pytest.mark.parametrize("norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
@pytest.mark.parametrize("block", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_features_are_scikit_images(norm: str, block: int, channels: int) -> None:
    known = json.loads((Path(__file__).parents[1] / "expected" / "nets_hog.json").read_text())
    y, x, c = torch.meshgrid(torch.arange(26), torch.arange(24), torch.arange(channels), indexing="ij")
    image = ((7 * y * y + 3 * x * x * (c + 1) + 11 * x * y) // 5 % 251 / 255).permute(2, 0, 1)[None]
    ours = HOG(8, block, 9, norm)(image)[0]  # type: ignore[arg-type]
    np.testing.assert_allclose(ours.numpy(), known[f"{channels} channels, blocks {block} x {block}, {norm}"], atol=1e-5)


def test_the_gradient_is_that_of_finite_differences() -> None:
    x = images(1, 1, (16, 16)).double().requires_grad_()
    weight = torch.linspace(-1, 1, 36, dtype=torch.float64)
    net = HOG()
    (grad,) = torch.autograd.grad((net(x) @ weight).sum(), x)
    assert float(grad.abs().max()) > 0
    step = 1e-6
    for y, column in ((3, 4), (8, 8), (14, 1)):
        change = torch.zeros_like(x)
        change[0, 0, y, column] = step
        with torch.no_grad():
            right = float((net(x + change) - net(x - change)) @ weight) / (2 * step)
        assert float(grad[0, 0, y, column]) == pytest.approx(right, rel=1e-4, abs=1e-7)


def test_a_level_image_has_no_features_and_no_gradient_that_is_not_a_number() -> None:
    for norm in ("L1", "L1-sqrt", "L2", "L2-Hys"):
        x = torch.full((1, 3, 16, 16), 0.4, requires_grad=True)
        found = HOG(norm=norm)(x)  # type: ignore[arg-type]
        assert float(found.detach().abs().max()) == 0
        (grad,) = torch.autograd.grad(found.sum(), x)
        assert bool(grad.isfinite().all())


def lines(count: int = 40) -> tuple[Tensor, Tensor]:
    """Upright and level stripes, faint, in noise."""
    labels = torch.arange(count) % 2
    noise = torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    wave = 0.1 * torch.sin(torch.arange(16) * 1.2)
    stripes = torch.where(labels.view(-1, 1, 1, 1) == 0, wave.view(1, 1, 1, 16), wave.view(1, 1, 16, 1))
    return 0.4 + 0.1 * noise + stripes, labels


def test_with_a_support_vector_machine_as_head_the_net_says_what_that_says() -> None:
    x, y = lines()
    net = Net(hog(2, 1, (16, 16)).module, channels=1, size=16, classes=("upright", "level"))
    made = with_svm(net, x[:30], y[:30])
    codes = HOG()(x).double().numpy()
    machine = LinearSVC(C=1.0, random_state=0).fit(codes[:30], y[:30].numpy())
    with torch.no_grad():
        logits = made(x)
    np.testing.assert_allclose(logits[:, 1].numpy(), machine.decision_function(codes), atol=1e-4)
    np.testing.assert_allclose(logits[:, 0].numpy(), -machine.decision_function(codes), atol=1e-4)
    assert float((logits.argmax(1) == y)[30:].double().mean()) > 0.9
    assert not torch.equal(made.module[1].weight, net.module[1].weight)


def test_an_attack_flips_its_scores() -> None:
    x, y = lines()
    made = with_svm(Net(hog(2, 1, (16, 16)).module, channels=1, size=16, classes=("upright", "level")), x, y)
    found = attack(made, x, y, radius=0.1, steps=20)
    assert float(found.success.double().mean()) > 0.9
    assert float(found.distances["inf"].max()) <= 0.1


def test_it_is_a_net_by_name() -> None:
    net = load_net("striate/hog.random")
    assert sum(each.numel() for each in net.parameters()) == 3250
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(StriateError, match="images of 15 x 30; accepted: at least 16 x 16"):
        HOG()(torch.rand(1, 1, 15, 30))
    with pytest.raises(StriateError, match="norm of blocks is 'L3'"):
        HOG(norm="L3")  # type: ignore[arg-type]
    with pytest.raises(StriateError, match="hog for images of 12 x 12"):
        hog(2, 1, (12, 12))
    bent = Net(nn.Sequential(nn.Flatten(), nn.Linear(256, 2), nn.ReLU()), channels=1, size=16)
    with pytest.raises(StriateError, match="does not end in a linear layer"):
        with_svm(bent, *lines())
    net = Net(hog(3, 1, (16, 16)).module, channels=1, size=16, classes=3)
    with pytest.raises(StriateError, match=r"images of the classes \[0, 1\]; accepted: all of 0 to 2"):
        with_svm(net, *lines())
