"""Faults that were seen in other libraries of attribution, one test each: what is here does not have them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.inside.attribution import METHODS
from striate.inside.attribution.integrated_gradients import integrated_gradients
from striate.inside.attribution.lrp_epsilon import lrp_epsilon
from striate.inside.attribution.occlusion import occlusion
from striate.inside.explain import explain
from striate.inside.findings import explanation_findings
from striate.nets.net import Net

from .families import family_images, family_net

TARGETS = torch.tensor([0, 3, 1, 4])


class Bent(nn.Module):
    """A convolution, a rectifier written as a function, a sum; ``rectify`` may be exchanged."""

    def __init__(self, rectify):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3)
        self.rectify = rectify

    def forward(self, images):
        return self.second(self.rectify(self.first(images))).mean((2, 3))


@pytest.mark.parametrize("rectify", [F.relu, F.relu6], ids=["functional", "cut at 6"])
def test_guided_backprop_is_not_silently_the_gradient_where_rectifiers_are_functions(rectify, photos):
    net = Net(Bent(rectify), channels=3)
    guided, plain = (METHODS.load(each)(net, photos, TARGETS).values for each in ("guided_backprop", "gradient"))
    as_module = METHODS.load("guided_backprop")(Net(Bent(nn.ReLU()), channels=3), photos, TARGETS).values
    assert (guided - plain).abs().max() > 0.1 * plain.abs().max()
    assert torch.allclose(guided, as_module, atol=1e-6)
    with pytest.raises(StriateError, match="silu"):
        METHODS.load("guided_backprop")(Net(Bent(F.silu), channels=3), photos, TARGETS)


def test_relevance_of_a_residual_net_does_not_explode_and_a_map_that_does_not_add_up_is_told_of(net, photos):
    deep = family_net("resnet18")
    images = family_images("resnet18")
    maps = lrp_epsilon(deep, images, deep.logits(images).argmax(1))
    assert maps.checks[0].holds
    assert maps.values.sum().abs() < 100 * deep.logits(images).abs().max()
    result, _, _ = explain(net, photos, list("abcd"), methods=["integrated_gradients"], steps=1)
    failed = [row for row in result.maps if not row.check.holds]
    assert failed
    assert [each.id for each in explanation_findings(result, net="net")] == ["map-check/integrated_gradients"]


def test_one_target_for_several_images_gives_no_empty_maps_and_no_target_is_the_predicted_class(net, photos):
    with pytest.raises(StriateError, match="1 target for 4 images"):
        explain(net, photos, list("abcd"), methods=["grad_cam"], targets=[2])
    result, _, values = explain(net, photos, list("abcd"), methods=["grad_cam"])
    assert [row.target for row in result.maps] == net.logits(photos).argmax(1).tolist()
    assert len(values) == 4
    assert all(each.any() for each in values.values())


def test_four_explanations_leave_no_hooks_no_gradients_and_no_moved_statistics(net, photos):
    net.train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    for _ in range(4):
        explain(net, photos[:1], ["a"], methods=["gradient", "grad_cam", "guided_backprop", "lrp", "occlusion"])
    assert not sum(len(each._forward_hooks) + len(each._backward_hooks) for each in net.modules())
    assert all(each.grad is None for each in net.parameters())
    assert all(each.training for each in net.modules())
    assert all(net.state_dict()[name].equal(each) for name, each in before.items())


def test_a_baseline_is_a_pixel_value_whatever_the_net_normalises_by(photos):
    class Mean(nn.Module):
        def forward(self, images):
            return images.mean((2, 3))

    plain, normalised = Net(Mean(), channels=3), Net(Mean(), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.5), channels=3)
    one, zero = photos[:1], torch.tensor([0])
    bare, scaled = (occlusion(each, one, zero, patch=4, stride=4, baseline=0.25) for each in (plain, normalised))
    assert torch.allclose(scaled.values, bare.values / 0.2, atol=1e-6)
    cover = one.clone()
    cover[:, :, :4, :4] = 0.25
    drop = float(plain.logits(one)[0, 0] - plain.logits(cover)[0, 0])
    assert float(bare.values[0, 0, 0]) == pytest.approx(drop, abs=1e-6)
    assert "0.25" in bare.units


def test_an_error_of_the_module_stays_its_own_and_says_what_was_going_on(photos):
    class Stubborn(nn.Module):
        def forward(self, images):
            raise RuntimeError("no more today")

    with pytest.raises(RuntimeError, match="no more today") as error:
        explain(Net(Stubborn(), channels=3, name="stubborn"), photos, list("abcd"), methods=["gradient"])
    assert any("stubborn" in each for each in error.value.__notes__)


def test_integrated_gradients_pass_no_more_images_at_once_than_the_memory_allows(net, photos):
    seen = []
    handle = net.module.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    budget = 1 << 20
    most = net.batch_size((16, 16), memory=budget, backward=True)
    seen.clear()
    integrated_gradients(net, photos, TARGETS, memory=budget, check=False)
    handle.remove()
    assert 1 < most < 200
    assert max(seen) <= most
    assert sum(seen) == 4 * 50


def test_the_default_batch_holds_many_points_but_not_all(net, photos):
    seen = []
    handle = net.module.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    net.batch_size((16, 16), memory=1 << 30, backward=True)
    seen.clear()
    integrated_gradients(net, photos.repeat(4, 1, 1, 1), TARGETS.repeat(4), steps=400, check=False)
    handle.remove()
    assert 16 < max(seen) < 16 * 400


def test_targets_and_layers_are_helped_with_by_name(net, photos):
    with pytest.raises(UnknownNameError, match="conv2"):
        explain(net, photos[:1], ["a"], methods=["grad_cam"], layer="convv2")
    with pytest.raises(StriateError, match="bee"):
        explain(net, photos[:1], ["a"], methods=["grad_cam"], targets=["beee"])
    result, _, _ = explain(net, photos[:1], ["a"], methods=["grad_cam"])
    assert result.maps[0].layer == "relu#1"
