"""Attacks on the two FashionMNIST nets, against what the field's libraries report for them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from oracles.attack_fashion import MEAN, STD, fashion_net, fashion_test
from striate.attacks.payload import Robustness
from striate.attacks.run import attack_data
from striate.data.dataset import Dataset
from striate.measure.table import Table
from striate.nets.net import Net


def measured(name: str, data_root: Path, weights_root: Path, *, scale: float = 1.0, **options: object) -> Robustness:
    images, labels = fashion_test(200, data_root)
    module = fashion_net(name, weights_root)
    module.head.weight.data *= scale
    module.head.bias.data *= scale
    net = Net(module, mean=MEAN, std=STD, size=28, classes=10)
    split = Dataset.of(images, labels, classes=tuple("0123456789"))
    with torch.no_grad():
        table = Table(net(images), labels, split.ids, torch.arange(200), split.classes, "key")
    return attack_data(net, split, table, norm=math.inf, **({"radius": 0.1} | options))[0]


@pytest.mark.parametrize(
    ("name", "method", "span"),
    [
        # torchattacks, foolbox and ART: .060. They attack the clean mistakes too and count one that becomes right on
        # the robust net (.835); an image that is wrong without any change is not robust here.
        ("fmnist_plain", "fgsm", (0.060, 0.060)),
        ("fmnist_robust", "fgsm", (0.830, 0.835)),
        ("fmnist_plain", "pgd", (0.0, 0.0)),
        ("fmnist_robust", "pgd", (0.785, 0.795)),  # by library and seed
    ],
)
def test_robust_accuracy_is_that_of_the_fields_libraries(
    name: str, method: str, span: tuple[float, float], data_root: Path, weights_root: Path
) -> None:
    result = measured(name, data_root, weights_root, method=method)
    assert span[0] - 1e-9 <= result.robust_accuracy.value <= span[1] + 1e-9
    assert result.masking.signs == ()


def test_a_thousand_queries_of_squares_leave_no_more_right_than_the_official_code(
    data_root: Path, weights_root: Path
) -> None:
    """AutoAttack's code leaves .025. Each image draws its own squares here, and leaves once it is fooled."""
    result = measured("fmnist_plain", data_root, weights_root, method="square", steps=1000)
    assert result.robust_accuracy.value <= 0.025
    assert result.passes["backward"] == 0


def test_pgd_spends_its_passes_on_survivors(data_root: Path, weights_root: Path) -> None:
    """40 steps on 200 images are 8,000 passes; a loop that drops what is fooled needs 466."""
    result = measured("fmnist_plain", data_root, weights_root, method="pgd")
    assert result.passes["backward"] <= 466 + 4  # four to see whether gradients come through
    # beside those: the verdict, the rounded and the JPEG image of each of the 184 that were right, the control, the
    # look over for random outputs and lost gradients
    assert result.passes["forward"] - result.passes["backward"] <= 3 * 184 + 64 + 12


def test_large_logits_hide_nothing(data_root: Path, weights_root: Path) -> None:
    """Cross-entropy in float32 reports .60 to .76 robust here; the truth is 0."""
    result = measured("fmnist_plain", data_root, weights_root, method="pgd", scale=30.0)
    assert result.robust_accuracy.value == 0
    assert any("rounds to 1" in sign for sign in result.masking.signs)


def test_the_robust_net_falls_at_a_large_radius(data_root: Path, weights_root: Path) -> None:
    result = measured("fmnist_robust", data_root, weights_root, method="pgd", radii=(0.025, 0.05, 0.2, 0.4), steps=10)
    shares = [point.accuracy.value for point in result.curve]
    assert shares == sorted(shares, reverse=True)
    assert shares[1] > 0.85
    assert shares[-1] <= 0.01
