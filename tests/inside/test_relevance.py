"""Relevance propagation: against full matrices written from the papers, and its sum on every family of nets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracles.inside_relevance import (
    MEAN,
    STD,
    Skipping,
    alpha_beta_rule,
    box_rule,
    epsilon_rule,
    flat_rule,
    gamma_rule,
    relevance,
)
from striate.core.errors import StriateError
from striate.inside.attribution import METHODS
from striate.nets.net import Net

from .families import FEW, family_images, family_net

TARGETS = torch.tensor([0, 2, 3])
KEPT, SHARED = {"biases": "absorb"}, {"biases": "share"}
LITERAL = {
    "lrp_epsilon": ({"epsilon": 0.1}, (epsilon_rule(0.1),) * 3),
    "lrp_epsilon share": ({"epsilon": 0.1, **SHARED}, (epsilon_rule(0.1, shared=True),) * 3),
    "lrp_gamma": ({"gamma": 0.4}, (gamma_rule(0.4),) * 3),
    "lrp_gamma share": ({"gamma": 0.4, **SHARED}, (gamma_rule(0.4, shared=True),) * 3),
    "lrp_z_plus": ({}, (alpha_beta_rule(1, 0, shared=True),) * 3),
    "lrp_z_plus absorb": (KEPT, (alpha_beta_rule(1, 0),) * 3),
    "lrp_alpha_beta": ({}, (alpha_beta_rule(2, 1),) * 3),
    "lrp_alpha_beta share": (SHARED, (alpha_beta_rule(2, 1, shared=True),) * 3),
    "lrp": ({"gamma": 0.3, "epsilon": 0.2}, (gamma_rule(0.3, shared=True), epsilon_rule(0.2, shared=True), box_rule)),
    "lrp absorb": ({"gamma": 0.3, "epsilon": 0.2, **KEPT}, (gamma_rule(0.3), epsilon_rule(0.2), box_rule)),
    "lrp flat": ({"first": "flat", "gamma": 0.25, **KEPT}, (gamma_rule(0.25), epsilon_rule(0.25), flat_rule)),
    "lrp same": ({"first": "same", "gamma": 0.25, **KEPT}, (gamma_rule(0.25), epsilon_rule(0.25), gamma_rule(0.25))),
}


@pytest.fixture(autouse=True)
def same_weights():
    """Nets drawn in these tests are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


@pytest.fixture
def images():
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture
def skipping():
    return Net(Skipping().eval(), mean=MEAN, std=STD, name="skipping").double()


@pytest.mark.parametrize("case", LITERAL)
def test_relevance_is_that_of_full_matrices(case, skipping, images):
    options, (conv, dense, first) = LITERAL[case]
    maps = METHODS.load(case.split()[0])(skipping, images, TARGETS, **options)
    for i in range(3):
        right = relevance(skipping.module, images[i], int(TARGETS[i]), conv=conv, dense=dense, first=first).sum(0)
        assert (maps.values[i] - right).abs().max() <= 1e-5 * right.abs().max()
        assert maps.checks[i].holds


@pytest.mark.parametrize("family", FEW)
def test_on_every_family_relevance_and_what_was_kept_add_up_to_the_score(family):
    net, images = family_net(family).float(), family_images(family).float()
    with torch.no_grad():
        target = net(images).argmax(1)
    biases = "absorb" if family == "mobilenet_v2" else "share"
    maps = METHODS.load("lrp")(net, images, target, biases=biases)
    assert maps.checks[0].holds
    assert maps.checks[0].residual.value < 1e-5
    assert maps.values.any()


def test_without_stabiliser_epsilon_is_the_gradient_times_the_normalised_pixel(net, photos):
    targets = torch.tensor([0, 3, 1, 4])
    gradient = METHODS.load("gradient")(net, photos, targets).values
    mean = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)
    right = (gradient * (photos - mean)).sum(1)
    found = METHODS.load("lrp_epsilon")(net, photos, targets, epsilon=0.0).values
    assert (found - right).abs().max() <= 1e-5 * right.abs().max()


def test_inputs_that_share_the_part_of_biases_have_the_whole_score(skipping, images):
    """But for outputs to which no input contributes in the wanted direction, of which this net has hardly any."""
    with torch.no_grad():
        scores = skipping(images).gather(1, TARGETS[:, None]).squeeze(1)
    for method, options in (("lrp_gamma", {"gamma": 1.0}), ("lrp_z_plus", {}), ("lrp_epsilon", {"epsilon": 0.0})):
        sums = METHODS.load(method)(skipping, images, TARGETS, biases="share", **options).values.sum((1, 2))
        assert (sums - scores).abs().max() <= 0.02 * scores.abs().max()
        kept = METHODS.load(method)(skipping, images, TARGETS, biases="absorb", **options).values.sum((1, 2))
        assert (kept - scores).abs().max() > 0.1 * scores.abs().max()


@pytest.mark.parametrize("method", ["lrp", "lrp_epsilon", "lrp_gamma", "lrp_z_plus", "lrp_alpha_beta"])
def test_without_its_check_a_map_is_the_same(method, skipping, images):
    bare = METHODS.load(method)(skipping, images, TARGETS, check=False)
    assert bare.values.equal(METHODS.load(method)(skipping, images, TARGETS).values)
    assert [check.holds for check in bare.checks] == [None] * 3


def test_z_plus_gives_no_negative_relevance_to_a_positive_score(skipping, images):
    with torch.no_grad():
        targets = skipping(images).argmax(1)
    plain = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten())
    net = Net(nn.Sequential(*plain, nn.Linear(64, 5)))
    values = METHODS.load("lrp_z_plus")(net, images.float(), targets).values
    with torch.no_grad():
        scores = net(images.float()).gather(1, targets[:, None]).squeeze(1)
    assert (values * scores.sign().view(-1, 1, 1) >= 0).all()


def test_a_sum_that_is_lost_fails_the_check(skipping, images, monkeypatch):
    from striate.inside.attribution.rules.layer import Layer

    back = Layer.back
    monkeypatch.setattr(Layer, "back", lambda self, signal, weight: 1.01 * back(self, signal, weight))
    assert not any(check.holds for check in METHODS.load("lrp_gamma")(skipping, images, TARGETS).checks)


@pytest.mark.parametrize(
    "last", [nn.ReLU6(), nn.Hardtanh(0.0, 6.0), nn.LeakyReLU(0.1), nn.Tanh(), nn.ELU(), nn.PReLU()]
)
def test_relevance_passes_functions_that_never_fall(last, images):
    net = Net(nn.Sequential(nn.Conv2d(3, 6, 3), last, nn.Flatten(), nn.Linear(6 * 36, 5)), mean=0.5, std=0.1)
    for method in ("lrp_epsilon", "lrp_gamma"):
        assert all(check.holds for check in METHODS.load(method)(net, 20 * images.float() % 1, TARGETS).checks)


def test_a_normalisation_before_its_convolution_is_a_layer_of_its_own(images):
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(0.3)
    nn.init.uniform_(norm.bias, 0.3, 0.6)
    parts = [nn.Conv2d(3, 3, 3), nn.ReLU(), norm, nn.ReLU(), nn.Conv2d(3, 4, 3, bias=False), nn.Flatten()]
    net = Net(nn.Sequential(*parts, nn.Linear(64, 5, bias=False))).eval()
    maps = METHODS.load("lrp_epsilon")(net, images.float(), TARGETS, epsilon=0.0)
    assert all(check.holds for check in maps.checks)
    with torch.no_grad():
        scores = net(images.float()).gather(1, TARGETS[:, None]).squeeze(1)
    assert ((maps.values.sum((1, 2)) - scores).abs() > 0.01 * scores.abs()).any()  # the bias kept its share
    shared = METHODS.load("lrp_epsilon")(net, images.float(), TARGETS, epsilon=0.0, biases="share")
    assert all(check.holds for check in shared.checks)
    lost = (shared.values.sum((1, 2)) - scores).abs()
    assert (lost < 0.5 * (maps.values.sum((1, 2)) - scores).abs()).all()


class Constants(nn.Module):
    """Grouped, dilated and transposed convolutions, constants added and multiplied, a gate that is no activation."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 6, 3, groups=3, dilation=2, padding="same")
        self.two = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.shift, self.gate = nn.Parameter(torch.randn(4, 1, 1)), nn.Parameter(torch.randn(4, 1, 1))
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = torch.stack([x[:, 0] * 2 + 0.1, x[:, 1] - 0.3, x[:, 2]], 1)
        return self.head(F.relu(self.gate * self.two(F.relu(self.one(x))) + self.shift - 0.1).mean((2, 3)))


@pytest.mark.parametrize("method", ["lrp", "lrp_epsilon", "lrp_gamma", "lrp_z_plus", "lrp_alpha_beta"])
def test_unusual_layers_add_up_too(method, images):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(Constants(), mean=(0.1, 0.2, 0.3), std=(0.2, 0.3, 0.4)).eval()
    maps = METHODS.load(method)(net, images.float(), TARGETS)
    assert all(check.holds for check in maps.checks)


def test_what_no_rule_shares_is_refused_by_name(images):
    net = Net(nn.Sequential(nn.Conv2d(3, 6, 3), nn.SiLU(), nn.Flatten(), nn.Linear(6 * 36, 5)))
    with pytest.raises(StriateError, match="1 of Sequential is a SiLU: no rule says how relevance is shared") as error:
        METHODS.load("lrp")(net, images.float(), TARGETS)
    assert "deep_lift" in str(error.value)
    with pytest.raises(StriateError, match=r"biases is 'half'.*absorb, share"):
        METHODS.load("lrp_gamma")(net, images.float(), TARGETS, biases="half")
    with pytest.raises(StriateError, match="first is 'zbox'"):
        METHODS.load("lrp")(net, images.float(), TARGETS, first="zbox")
