"""Where peers are right, ours are equal: values that captum and foolbox gave on a small fixed net (`make bench`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from oracles.peers_net import TARGETS, FixedNet, fixed_images
from striate.attacks.run import attack
from striate.inside.attribution.integrated_gradients import Rule, integrated_gradients
from striate.inside.explain import explain
from striate.nets.net import Net

EXPECTED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "expected" / "peers.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def net() -> Net:
    return Net(FixedNet().eval(), size=(16, 16), channels=3, name="fixed")


def ours(net: Net, method: str, **options: Any) -> Tensor:
    names = [f"image {number}" for number in range(4)]
    _, _, values = explain(net, fixed_images(), names, methods=[method], targets=TARGETS, **options)
    return torch.stack(list(values.values())).double()


def theirs(peer: str, name: str) -> Tensor:
    return torch.tensor(EXPECTED[peer][name], dtype=torch.float64)


def close(mine: Tensor, expected: Tensor) -> bool:
    return bool((mine.flatten() - expected.flatten()).abs().max() <= 2e-5 * expected.abs().max())


def test_the_net_is_the_one_that_the_values_are_of(net: Net) -> None:
    assert close(net(fixed_images()).double(), theirs("captum", "logits"))


def test_the_gradient_is_captums(net: Net) -> None:
    assert close(ours(net, "gradient"), theirs("captum", "gradient"))


def test_grad_cam_is_captums(net: Net) -> None:
    assert close(ours(net, "grad_cam", layer="act"), theirs("captum", "grad_cam"))


def test_occlusion_is_captums(net: Net) -> None:
    mine = ours(net, "occlusion", patch=4, stride=4, baseline=0.5)
    assert close(mine, theirs("captum", "occlusion patch 4 stride 4, one channel"))


def test_gradient_x_input_is_captums(net: Net) -> None:
    assert close(ours(net, "gradient_x_input")[0], theirs("captum", "gradient x input of the first image"))


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint"])
def test_integrated_gradients_are_captums_by_the_same_rule_and_points(net: Net, rule: Rule) -> None:
    found = integrated_gradients(
        net, fixed_images()[:1], torch.tensor(TARGETS[:1]), steps=12, baseline=0.25, rule=rule
    ).values.double()
    assert close(found, theirs("captum", f"integrated gradients of the first image from 0.25, {rule}, 12"))


def test_fgsm_gives_foolboxs_images(net: Net) -> None:
    images, labels = fixed_images(), torch.tensor(EXPECTED["foolbox"]["labels"])
    found = attack(net, images, labels, method="fgsm", radius=0.02)
    peer = theirs("foolbox", "fgsm 0.02").view_as(images)
    assert found.success.tolist() == EXPECTED["foolbox"]["fgsm 0.02 fools"]
    assert bool(((found.images.double() - peer).abs() < 1e-6).all())


def test_pgd_fools_what_foolbox_fools(net: Net) -> None:
    images, labels = fixed_images(), torch.tensor(EXPECTED["foolbox"]["labels"])
    found = attack(net, images, labels, method="pgd", radius=0.02, steps=40)
    assert all(
        mine or not peer
        for mine, peer in zip(found.success.tolist(), EXPECTED["foolbox"]["pgd 0.02 fools"], strict=True)
    )
