"""Certificates: exact where the truth is known, never above what an attack leaves, refused where there is no rule."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
import torch
from torch import Tensor, nn

import striate as st
from oracles.attacks_bounds import binomial_tail, linear_leads
from striate.attacks.bounds.interval import Interval, least_lead, pixels_within, worst_leads
from striate.attacks.bounds.measured import bounds_of
from striate.attacks.bounds.propagation import bounded, certified
from striate.attacks.bounds.smoothing import ABSTAINS, Smoothing, least_share, smoothed
from striate.attacks.payload import Robustness
from striate.attacks.run import attack
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.page.text import render_text

CLASSES = ("a", "b", "c")


def images(count: int = 12, channels: int = 1, side: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def seeded(make, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def linear(scale: float = 1.0) -> Net:
    module = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    module[1].weight.data.mul_(scale)
    return Net(module, mean=0.4, std=0.3, classes=CLASSES, size=8, channels=1).eval()


class Parts(nn.Module):
    """Every kind of part that has a rule, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.act = nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.LeakyReLU(0.1, inplace=True)
        self.pool, self.average, self.drop = nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.Dropout(0.3)
        self.head, self.last = nn.Linear(24, 10), nn.Linear(10, 3)
        self.bn1.running_mean.uniform_(-0.5, 0.5)
        self.bn1.running_var.uniform_(0.5, 2)
        self.bn1.weight.data.uniform_(-1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.act(self.conv2(x)) + x[:, :, :, :]
        x = self.average(self.pool(-2.0 * (0.5 - x)))
        x = torch.tanh(self.head(self.drop(x.flatten(1))))
        out: Tensor = self.last(x)
        return out


def parts(seed: int = 0) -> Net:
    return Net(seeded(Parts, seed), mean=0.4, std=0.3, classes=CLASSES, size=8, channels=1).eval()


def test_the_leads_of_a_linear_net_are_exact() -> None:
    net, pixels, labels = linear(), images(5).double(), torch.tensor([0, 1, 2, 0, 1])
    layer = net.module[1].double()
    leads = worst_leads(bounded(net.double(), pixels_within(pixels, 0.1)), labels)
    expected = linear_leads(layer.weight, layer.bias, pixels, labels, radius=0.1, mean=0.4, std=0.3)
    assert (leads - torch.tensor(expected, dtype=torch.float64)).abs().max().item() < 1e-6


def test_a_linear_net_is_certified_exactly_where_no_attack_can_break_it() -> None:
    net, pixels = linear(4.0), images(40, seed=3)
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    sure = certified(net, pixels, labels, 0.05)
    found = attack(net, pixels, labels, radius=0.05, steps=60)
    assert sure.tolist() == (~found.success).tolist()
    assert 0 < int(sure.sum()) < 40


def test_a_monotone_unit_has_exact_limits() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 1, bias=False), nn.Sigmoid())
    module[1].weight.data.fill_(0.1)
    net = Net(module, classes=("one",), size=8, channels=1).eval()
    pixels = images(3)
    found = bounded(net, pixels_within(pixels, 0.05))
    for end, sign in ((found.low, -1), (found.high, 1)):
        expected = torch.sigmoid(0.1 * (pixels + sign * 0.05).clamp(0, 1).flatten(1).sum(1, keepdim=True))
        assert (end - expected).abs().max().item() < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_nothing_within_the_radius_leaves_the_limits(seed: int) -> None:
    net, pixels, radius = parts(seed), images(4, seed=seed), 0.03
    found = bounded(net, pixels_within(pixels, radius))
    noise = torch.Generator().manual_seed(seed)
    for _ in range(40):
        moved = (pixels + radius * torch.sign(torch.randn(pixels.shape, generator=noise))).clamp(0, 1)
        with torch.no_grad():
            scores = net(moved)
        assert bool((scores >= found.low - 1e-5).all())
        assert bool((scores <= found.high + 1e-5).all())
    at_zero = bounded(net, pixels_within(pixels, 0.0))
    with torch.no_grad():
        assert (at_zero.low - net(pixels)).abs().max().item() < 1e-5


@pytest.mark.parametrize("radius", [0.001, 0.004, 0.01, 0.05])
def test_what_is_certified_no_attack_breaks(radius: float) -> None:
    net, pixels = parts(1), images(30, seed=5)
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    sure = certified(net, pixels, labels, radius)
    found = attack(net, pixels, labels, radius=radius, steps=40)
    assert not bool((sure & found.success).any())
    assert int(sure.sum()) <= int((~found.success).sum())


def test_some_of_a_small_radius_is_certified_and_nothing_of_a_wrong_answer() -> None:
    net, pixels = parts(1), images(30, seed=5)
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    assert int(certified(net, pixels, labels, 1e-4).sum()) > 20
    assert not bool(certified(net, pixels, (labels + 1) % 3, 1e-4).any())


def test_differences_behind_the_last_layer_are_narrower_than_differences_of_limits() -> None:
    net, pixels, labels = parts(), images(6), torch.zeros(6, dtype=torch.int64)
    output = bounded(net, pixels_within(pixels, 0.01))
    narrow = least_lead(worst_leads(output, labels), labels)
    wide = least_lead(worst_leads(Interval(output.low, output.high), labels), labels)
    assert bool((narrow >= wide - 1e-6).all())
    assert bool(((narrow - wide) > 1e-4).any())


@pytest.mark.parametrize("name", ["striate/small", "striate/lenet5", "striate/mlp", "striate/resnet20"])
def test_own_nets_have_limits(name: str) -> None:
    net = load_net(f"{name}.random", channels=1, size=(28, 28), classes=CLASSES)
    pixels = images(2, side=28)
    found = bounded(net.eval(), pixels_within(pixels, 0.0))
    with torch.no_grad():
        assert (found.high - net(pixels)).abs().max().item() < 1e-4


def test_the_net_is_left_as_it_was() -> None:
    net, pixels = parts().train(), images(4)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    certified(net, pixels, torch.zeros(4, dtype=torch.int64), 0.01)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (nn.GELU(), "gelu has no rule for intervals"),
        (nn.Softmax(1), "softmax has no rule for intervals"),
        (nn.LayerNorm(3), "layer_norm has no rule"),
        (nn.LeakyReLU(-0.5), "leaky_relu with slope -0.5 falls"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(part: nn.Module, words: str) -> None:
    net = Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 3), part), classes=CLASSES, size=8, channels=1).eval()
    with pytest.raises(StriateError, match=words):
        certified(net, images(2), torch.zeros(2, dtype=torch.int64), 0.01)


def test_probabilities_and_training_mode_are_refused() -> None:
    soft = Net(linear().module, classes=CLASSES, size=8, channels=1, outputs="probabilities").eval()
    with pytest.raises(StriateError, match=r"outputs of .* are 'probabilities'"):
        certified(soft, images(2), torch.zeros(2, dtype=torch.int64), 0.01)
    with pytest.raises(StriateError, match="batch norm in training mode"):
        bounded(parts().train(), pixels_within(images(2), 0.01))


def two_sided(slope: float) -> Net:
    """A linear net of two classes: class 1 where ``slope * (mean pixel - 0.5)`` is above 0."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    module[1].weight.data = torch.stack([torch.zeros(64), torch.full((64,), slope / 64)])
    module[1].bias.data = torch.tensor([0.0, -slope / 2])
    return Net(module, classes=("dark", "bright"), size=8, channels=1).eval()


def test_the_certified_radius_of_a_linear_net_is_its_distance_but_for_the_interval_of_the_draws() -> None:
    # f(x + noise) is right with chance Phi(d / sigma), d the distance to the plane, so the exact radius is d itself
    net, distance, sigma = two_sided(100.0), 0.2, 0.25
    pixels = torch.full((1, 1, 8, 8), 0.5 + distance / math.sqrt(64)).expand(6, -1, -1, -1).contiguous()
    how = Smoothing(sigma, first=50, draws=4000, alpha=0.001)
    found = smoothed(net, pixels, torch.arange(6), how)
    assert found.classes.tolist() == [1] * 6
    share = NormalDist().cdf(distance / sigma)
    hits = round(4000 * share)
    expected = sigma * NormalDist().inv_cdf(least_share(hits, 4000, 0.001))
    assert bool((found.radii < distance).all())
    assert found.radii.mean().item() == pytest.approx(expected, abs=0.01)


def test_an_image_on_the_border_is_abstained_from() -> None:
    found = smoothed(two_sided(100.0), torch.full((1, 1, 8, 8), 0.5), torch.tensor([3]), Smoothing(0.25, 20, 200))
    assert found.classes.tolist() == [ABSTAINS]
    assert found.radii.tolist() == [0.0]


def test_an_image_is_certified_alone_as_among_others() -> None:
    net, pixels, ids = parts(2), images(5), torch.tensor([7, 8, 9, 10, 11])
    how = Smoothing(0.2, 20, 150, 0.01)
    together = smoothed(net, pixels, ids, how, memory=1 << 22)
    alone = smoothed(net, pixels[3:4], ids[3:4], how)
    assert together.classes[3] == alone.classes[0]
    assert together.radii[3] == alone.radii[0]


def test_the_lower_end_of_a_share_is_clopper_and_pearsons() -> None:
    for hits, draws, alpha in ((1, 10, 0.05), (9, 10, 0.001), (70, 100, 0.025), (100, 100, 0.001)):
        share = least_share(hits, draws, alpha)
        assert binomial_tail(hits, draws, share) == pytest.approx(alpha, rel=1e-9)
    assert least_share(0, 10, 0.05) == 0.0
    assert Smoothing(1.0, draws=1000).largest == pytest.approx(NormalDist().inv_cdf(0.001 ** (1 / 1000)))


def test_noise_that_is_none_is_refused() -> None:
    for options, words in (
        ({"sigma": 0.0}, "sigma is 0"),
        ({"sigma": 0.1, "draws": 0}, "draws are 100 and 0"),
        ({"sigma": 0.1, "alpha": 1.0}, "alpha is 1"),
    ):
        with pytest.raises(StriateError, match=words):
            Smoothing(**options)


def test_the_verb_puts_bounds_beside_the_attack() -> None:
    options = {"limit": 4, "steps": 5, "quiet": True, "radius": 1 / 255}
    report = st.attack("striate/small", "shapes", bounds=("ibp", "smoothing"), norm="2", **options)
    found = report.result.bounds
    assert [(each.method, each.of, each.norm) for each in found] == [
        ("ibp", "the net", "2"),
        ("smoothing", "the net under noise", "2"),
    ]
    assert found[0].accuracy.value <= report.result.robust_accuracy.value
    assert found[1].abstained is not None
    assert {"gowal2019scalable", "cohen2019certified"} <= set(report.origin.cites)
    text = render_text(report)
    assert "certified (ibp)" in text
    assert "a lower bound, of the net under noise" in text
    assert from_json(to_json(report.result), Robustness) == report.result


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bounds": ("lipschitz",)}, "lipschitz"),
        ({"bounds": ("ibp",), "target": "3"}, "bounds are asked for with a target"),
    ],
)
def test_bounds_that_mean_nothing_are_refused_before_anything_is_computed(options: dict, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        st.attack("striate/small", "shapes", limit=4, quiet=True, **options)


def test_the_ball_of_a_bound_holds_that_of_the_threat() -> None:
    net, pixels = linear(4.0), images(20, seed=3)
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    data = Dataset.of(pixels, labels, classes=CLASSES)
    linf, two = (bounds_of(net, data, ("ibp",), norm=norm, radius=0.05)[0] for norm in (math.inf, 2.0))
    assert linf.accuracy == two.accuracy
    noisy = bounds_of(net, data, ("smoothing",), norm=math.inf, radius=0.01)[0]
    assert "L2 radius 0.08" in noisy.how
    with pytest.raises(StriateError, match="norm is 0 for bounds"):
        bounds_of(net, data, ("ibp",), norm=0.0, radius=1.0)
    with pytest.raises(StriateError, match="radius is 0 for smoothing"):
        bounds_of(net, data, ("smoothing",), norm=2.0, radius=0.0)
