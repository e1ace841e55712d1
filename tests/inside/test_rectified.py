"""Guided backpropagation, deconvnet and unit maps, against another implementation of the same papers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracles.inside_rules import rectified_signal
from striate.core.errors import StriateError
from striate.inside.attribution import METHODS
from striate.inside.attribution.unit_map import unit_map
from striate.nets.net import Net

from .families import FAMILIES, family_images, family_net


class Forms(nn.Module):
    """The same net with its rectifiers in one of several forms."""

    def __init__(self, form, top=float("inf")):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            self.one, self.two = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3, stride=2)
            self.head = nn.Linear(8, 5)
        self.form, self.module = form, nn.ReLU(inplace=True)
        self.top = top

    def rectify(self, x):
        return {
            "module in place, used again": lambda: self.module(x),
            "F.relu": lambda: F.relu(x),
            "torch.relu": lambda: torch.relu(x),
            "method in place": x.relu_,
            "F.relu in place": lambda: F.relu(x, inplace=True),
            "clamp": lambda: x.clamp(min=0),
            "clamp_min_": lambda: x.clamp_min_(0),
            "threshold": lambda: F.threshold(x, 0.0, 0.0),
            "maximum": lambda: torch.maximum(x, torch.zeros_like(x)),
            "F.relu6": lambda: F.relu6(x),
            "hardtanh": lambda: F.hardtanh(x, 0.0, 6.0),
            "clamp to 6": lambda: x.clamp(0, 6),
        }[self.form]()

    def forward(self, x):
        return self.head(self.rectify(self.two(self.rectify(8 * self.one(x)))).mean((2, 3)))


@pytest.fixture(autouse=True)
def same_weights():
    """Nets drawn in these tests are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_convolutional_nets_has_the_map_of_another_implementation(family):
    net, images = family_net(family), family_images(family)
    with torch.no_grad():
        target = net(images).argmax(1)
    for method in ("guided_backprop", "deconvnet"):
        mine = METHODS.load(method)(net, images, target)
        right = rectified_signal(
            net, images, lambda logits: logits.gather(1, target[:, None]), gated=method == "guided_backprop"
        )
        assert right.abs().max() > 0
        assert (mine.values - right).abs().max() <= 1e-5 * right.abs().max()
        assert mine.checks[0].holds


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_functional_in_place_and_reused_rectifiers_give_one_map(method, photos):
    def made(form):
        return METHODS.load(method)(Net(Forms(form).eval()), photos, torch.tensor([0, 1, 2, 3])).values

    first = made("F.relu")
    for form in ("module in place, used again", "torch.relu", "method in place", "F.relu in place", "clamp"):
        assert made(form).equal(first)
    for form in ("clamp_min_", "threshold", "maximum"):
        assert made(form).equal(first)
    six = made("F.relu6")
    assert made("hardtanh").equal(six)
    assert made("clamp to 6").equal(six)
    if method == "guided_backprop":
        assert not torch.allclose(six, first)


def test_a_unit_of_a_lower_layer_is_projected_from_its_maximum_alone(photos):
    net = Net(Forms("F.relu").eval()).double()
    for method, gated in (("guided_backprop", True), ("deconvnet", False)):
        found = unit_map(net, photos.double(), site="two", unit=3, method=method)
        for i in range(4):
            leaf, lower = photos[i : i + 1].double(), Lower(net.module)
            right = rectified_signal(lower, leaf, lambda maps: maps[:, 3].flatten(1).amax(1), gated=gated)
            assert (found.values[i] - right[0]).abs().max() <= 1e-5 * right.abs().max()
            maps = lower(leaf)[0, 3].detach()
            assert found.scores[i] == pytest.approx(float(maps.max()), rel=1e-5)
            assert maps[tuple(found.places[i])] == maps.max()


def test_a_unit_that_is_not_there_is_an_error(photos):
    net = Net(Forms("F.relu").eval())
    with pytest.raises(StriateError, match="0 to 7"):
        unit_map(net, photos, site="two", unit=8)
    with pytest.raises(StriateError, match="method is 'lime'"):
        unit_map(net, photos, site="two", unit=1, method="lime")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (F.silu, "a SiLU"),
        (F.gelu, "a GELU"),
        (lambda x: x * torch.sigmoid(x), "a sigmoid"),
        (lambda x: x * x.mean((2, 3), keepdim=True), "multiplies two activations"),
        (lambda x: x * x, "a product of two activations"),
        (lambda x: x.clamp(min=0.1), "is no rectifier"),
        (F.leaky_relu, "leaky_relu"),
        (lambda x: Hidden.apply(x) + x, "HiddenBackward"),
    ],
)
def test_what_the_rule_does_not_cover_is_refused_by_name(wrong, says, photos):
    module = Forms("F.relu")
    module.rectify = wrong
    with pytest.raises(StriateError, match=says) as error:
        METHODS.load("guided_backprop")(Net(module.eval()), photos, torch.tensor([0, 1, 2, 3]))
    assert "gradient, occlusion" in str(error.value)


class Lower(nn.Module):
    def __init__(self, whole):
        super().__init__()
        self.whole = whole

    def forward(self, x):
        return self.whole.two(F.relu(8 * self.whole.one(x)))


class Hidden(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0] > 0)


def test_guided_grad_cam_is_the_product_of_the_two(net, photos):
    targets = torch.tensor([0, 3, 1, 4])
    one, other, both = (
        METHODS.load(name)(net, photos, targets) for name in ("guided_backprop", "grad_cam", "guided_grad_cam")
    )
    assert both.values.equal(one.values * other.values[:, None])
    assert both.layer == other.layer
