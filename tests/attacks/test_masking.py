"""Planted defences that mask gradients are named and broken; honest nets raise no alarm."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from striate.attacks.findings import attack_findings
from striate.attacks.masking import masking_of
from striate.attacks.payload import Probe, Robustness
from striate.attacks.ready import made_ready
from striate.attacks.run import attack_data
from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.measure.table import Table
from striate.nets.bridge import Blocked, blocked, bridged
from striate.nets.net import Net

SIDE = 12


def samples(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Grey images of three classes: a bright blob at the left, in the middle, or at the right, in noise."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=draw)
    across = torch.arange(SIDE)[None, :] - (2 + 4 * labels[:, None]).float()
    blob = 0.35 * torch.exp(-(across**2) / 4)[:, None, None, :].expand(-1, 1, SIDE, -1)
    pixels = (0.3 + blob + 0.15 * torch.randn(count, 1, SIDE, SIDE, generator=draw)).clamp(0, 1)
    return (pixels * 255).round() / 255, labels


def trained(seed: int = 0, *, radius: float = 0.0, width: int = 8, steps: int = 60, tanh: bool = False) -> nn.Module:
    """A small net that has learnt the blobs, against one step of the radius where that is not 0."""
    torch.manual_seed(seed)
    kind = nn.Tanh if tanh else nn.ReLU
    net = nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, padding=1), kind(), nn.Conv2d(width, width, 3, padding=1), kind(),
        nn.Flatten(), nn.Linear(36 * width, 3),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for step in range(steps):
        x, y = samples(64, 1000 * seed + step)
        y[:12] = (y[:12] + 1) % 3  # wrong labels keep the logits small
        if radius > 0:
            leaf = x.clone().requires_grad_()
            (grad,) = torch.autograd.grad(nn.functional.cross_entropy(net(leaf), y), leaf)
            x = (x + radius * grad.sign()).clamp(0, 1)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()
    return net.requires_grad_(False).eval()


class Before(nn.Module):
    """Something done to the pixels before a net sees them."""

    def __init__(self, change: Callable[[Tensor], Tensor], net: nn.Module) -> None:
        super().__init__()
        self.change, self.net = change, net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.change(x))


class Codec(nn.Module):
    """JPEG: out of the graph and back."""

    def forward(self, x: Tensor) -> Tensor:
        pictures = []
        for one in x.detach().numpy():
            stream = io.BytesIO()
            Image.fromarray((one[0] * 255).round().astype(np.uint8)).save(stream, "JPEG", quality=75)
            pictures.append(np.asarray(Image.open(stream), dtype=np.float32)[None] / 255)
        return torch.from_numpy(np.stack(pictures))


class Detached(nn.Module):
    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net[1:](self.net[0](x).detach())


class Loud(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return 1000.0 * self.net(x)


class Stochastic(nn.Module):
    """Activations that are dropped at random, also when the net is used."""

    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net[4:](nn.functional.dropout(self.net[:4](x), 0.1, training=True))


def resized(x: Tensor) -> Tensor:
    """Made a little larger by chance and cut back."""
    side = SIDE + int(torch.randint(0, 3, ()))
    return nn.functional.interpolate(x, (side, side), mode="bilinear")[..., :SIDE, :SIDE]


DEFENCES: dict[str, tuple[Callable[[nn.Module], nn.Module], str]] = {
    "quantised": (lambda net: Before(lambda x: (x * 15).round() / 15, net), "no gradient comes through round"),
    "jpeg": (lambda net: nn.Sequential(Codec(), net), "no gradient comes through module 0"),
    "random resize": (lambda net: Before(resized, net), "the outputs are random"),
    "huge logits": (Loud, "rounds to 1"),
    "stochastic": (Stochastic, "the outputs are random"),
    "detach": (Detached, "no gradient comes through detach"),
}


def measured(module: nn.Module, *, count: int = 40, **options: object) -> Robustness:
    x, y = samples(count, 77)
    net = Net(module, classes=("left", "middle", "right"), channels=1, size=SIDE, name="blobs").eval()
    split = Dataset.of(x, y, classes=net.classes)
    with torch.no_grad(), torch.random.fork_rng():
        table = Table(net.logits(x), y, split.ids, torch.arange(count), split.classes, "key")
    return attack_data(net, split, table, **({"method": "auto", "radius": 0.12, "steps": 10} | options))[0]


@pytest.fixture(scope="module")
def honest() -> tuple[nn.Module, Robustness]:
    module = trained()
    return module, measured(module)


def test_the_undefended_net_knows_the_blobs_and_part_of_them_falls(honest: tuple[nn.Module, Robustness]) -> None:
    _, plain = honest
    assert plain.clean_accuracy.value > 0.9
    assert plain.robust_accuracy.value < 0.3
    assert plain.masking.signs == ()


@pytest.mark.parametrize("defence", DEFENCES)
def test_a_planted_defence_is_named_and_broken(defence: str, honest: tuple[nn.Module, Robustness]) -> None:
    module, plain = honest
    wrap, words = DEFENCES[defence]
    result = measured(wrap(module))
    assert any(words in sign for sign in result.masking.signs), result.masking.signs
    assert result.clean_accuracy.value > 0.85
    assert result.robust_accuracy.value <= plain.robust_accuracy.value + 0.05
    finding = next(each for each in attack_findings(result, net="n", data="d") if each.id == "attack/masked-gradients")
    assert finding.severity == "warning"


@pytest.mark.parametrize("seed", range(10))
def test_honest_nets_raise_no_alarm(seed: int) -> None:
    """Weak, robust and over-confident ones; ReLU and tanh; each under many steps, whose verdict has all the probes."""
    loud = trained(seed, steps=40, tanh=seed % 2 == 1)
    loud[-1].weight.mul_(4.0)
    loud[-1].bias.mul_(4.0)
    for module in (trained(seed, steps=25), trained(seed, radius=0.1, width=12), loud):
        result = measured(module, method="pgd", radius=0.06, steps=20)
        assert result.masking.signs == (), (seed, result.masking)


def test_random_outputs_leave_the_global_generator_as_it_was_and_repeat_by_seed(
    honest: tuple[nn.Module, Robustness],
) -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    module = Stochastic(honest[0])
    one, other = (measured(module, method="pgd", steps=3, count=10) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [each.success for each in one.per_image] == [each.success for each in other.per_image]
    assert one.masking.draws == 20


def test_a_bridge_changes_no_output_and_hands_the_gradient_on() -> None:
    module = trained(steps=5)
    x, _ = samples(4, 5)
    for name, at in (("quantised", Blocked(ops=("round",))), ("jpeg", Blocked(modules=("0",)))):
        net = Net(DEFENCES[name][0](module), classes=3, channels=1, size=SIDE).eval()
        assert blocked(net, x) == at
        other, leaf = bridged(net, at), x.clone().requires_grad_()
        output = other(leaf)
        assert torch.equal(output, net(x))
        (grad,) = torch.autograd.grad(output.sum(), leaf)
        assert bool((grad != 0).any())
    plain = Net(module, classes=3, channels=1, size=SIDE).eval()
    assert not blocked(plain, x)
    assert str(Blocked(("a.b",), ("round",))) == "module a.b, round"


def test_weaker_attacks_and_a_wide_radius_count_from_a_few_images_on() -> None:
    net = Net(trained(steps=1), classes=3, channels=1, size=SIDE)
    with made_ready(net, samples(2, 1)[0], seed=0) as ready:
        pass
    limits = {"attacked": 200, "flat": 0, "n": 200, "sure": 0, "ready": ready}
    quiet = [Probe("one step", 64, 2), Probe("square", 64, 3), Probe("unbounded", 64, 60)]
    assert masking_of(probes=quiet, **limits).signs == ()
    loud = [Probe("one step", 64, 9), Probe("random points", 64, 4), Probe("square", 64, 5), Probe("unbounded", 64, 9)]
    signs = masking_of(probes=loud, **limits).signs
    assert len(signs) == 4
    assert "one step of the whole radius breaks 9 of 64" in signs[0]
    assert "hold 55 of 64" in signs[3]


def test_a_net_of_integers_is_refused() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 3))
    module.scale = nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False)
    net = Net(module, classes=3, channels=1, size=SIDE)
    with (
        pytest.raises(StriateError, match=r"scale of Sequential is torch.int64"),
        made_ready(net, samples(2, 1)[0], seed=0),
    ):
        pass
