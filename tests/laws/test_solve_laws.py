"""What holds for every search and attack: per image, held region, net untouched, determinism, exact on linear nets."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles.imageopt_projection import linear_margin_after_attack
from striate.attacks.catalog import METHODS
from striate.attacks.run import attack
from striate.imageopt.found import Found
from striate.imageopt.goal import misclassified
from striate.imageopt.objective import log_odds, logit, margin, squared_distance, total_variation
from striate.imageopt.region import Ball, Box, Intersection, Mask, Region
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.covariance import CovarianceAdaptation
from striate.imageopt.search.evolution import DifferentialEvolution
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.search.random import RandomSearch
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.imageopt.view import Jitter
from striate.nets.net import Net

NORMS = (math.inf, 2.0)
SEARCHES = {
    "steepest": Steepest(0.02),
    "steepest, random start": Steepest(0.02, random_start=True),
    "momentum": Steepest(0.02, momentum=0.9),
    "falling": Steepest(0.02, falling=True),
    "adam": Adam(0.02),
    "lbfgs": LBFGS(),
    "random": RandomSearch(0.02, tries=2),
    "random, whole": RandomSearch(tries=2),
    "evolution": DifferentialEvolution(5),
    "cma": CovarianceAdaptation(0.02, population=4, separable=True),
}
REGIONS = {
    "Linf": lambda x: Ball(x, 0.05) & Box(),
    "L2": lambda x: Ball(x, 0.5, 2.0) & Box(),
    "L1": lambda x: Ball(x, 3.0, 1.0, share=0.05) & Box(),
    "L0": lambda x: Ball(x, 4, 0.0) & Box(),
    "mask": lambda x: Mask(x, torch.arange(10).view(1, 1, 1, 10) < 4, Ball(x, 0.4, 2.0) & Box()),
    "both": lambda x: Intersection((Ball(x, 0.5, 2.0) & Box(), Ball(x, 0.05)), x),
}


def small_net(dtype: torch.dtype = torch.float32) -> Net:
    torch.manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )
    module[1].running_mean.normal_(0, 0.1)
    module[1].running_var.uniform_(0.5, 1.5)
    return Net(module, mean=0.5, std=0.25, size=10, classes=4).to(dtype)


def images(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    made = torch.rand(count, 3, 10, 10, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    made[made < 0.1], made[made > 0.9] = 0.0, 1.0
    return made.float().to(dtype)


def labels_of(net: Net, x: Tensor) -> Tensor:
    mode = net.training
    with torch.no_grad():
        answer = net.eval()(x).argmax(1)
    net.train(mode)
    return answer


@dataclass(frozen=True)
class Looked:
    images: Tensor
    output: Tensor

    @property
    def rows(self) -> Tensor:
        return torch.arange(len(self.images))


def needs(search: object) -> None:
    if isinstance(search, CovarianceAdaptation):
        pytest.importorskip("cmaes")


def searched(net: Net, x: Tensor, y: Tensor, search: object, *, keep: str = "best", memory: int = 1 << 30) -> Found:
    return solve(
        net,
        -log_odds(y) - 0.01 * total_variation(),
        start=x,
        search=search,
        steps=6,
        within=Ball(x, 0.05) & Box(),
        view=Jitter(1),
        goal=misclassified(y),
        keep=keep,
        memory=memory,
    )


def attacked(net: Net, x: Tensor, y: Tensor, method: str, *, norm: float, radius: float, **more: object) -> Found:
    steps = None if method == "fgsm" else 8
    return attack(net, x, y, method=method, norm=norm, radius=radius, steps=steps, **more)


def check_same_verdicts(whole: Found, part: Found, rows: list[int], y: Tensor, *, tolerance: float) -> None:
    scale = float(whole.scores.abs().max())
    assert float((whole.scores[rows] - part.scores).abs().max()) <= tolerance * max(scale, 1.0)
    for place, row in enumerate(rows):
        if bool(whole.success[row]) != bool(part.success[place]):
            logits = whole.output[row].double()
            others = torch.cat([logits[: y[row]], logits[y[row] + 1 :]])
            assert abs(float(logits[y[row]] - others.max())) < 1e-5


PARTS = {
    "alone": lambda n: [[k] for k in range(n)],
    "reversed": lambda n: [list(range(n))[::-1]],
    "in halves": lambda n: [list(range(n // 2)), list(range(n // 2, n))],
}


@pytest.mark.parametrize("split", PARTS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_attack_says_the_same_of_an_image_whatever_stands_beside_it(
    method: str, norm: float, split: str, dtype: torch.dtype
) -> None:
    net, x = small_net(dtype), images(6, dtype)
    y = labels_of(net, x)
    radius = 0.02 if math.isinf(norm) else 0.3
    whole = attacked(net, x, y, method, norm=norm, radius=radius)
    for rows in PARTS[split](len(x)):
        part = attacked(net, x[rows], y[rows], method, norm=norm, radius=radius)
        check_same_verdicts(whole, part, rows, y, tolerance=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_search_says_the_same_of_an_image_alone_reordered_and_in_chunks(search: object, dtype: torch.dtype) -> None:
    needs(search)
    net, x = small_net(dtype), images(5, dtype)
    y = labels_of(net, x)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    whole = searched(net, x, y, search)
    chunked = searched(net, x, y, search, memory=1)
    assert chunked.origin["chunk"] == 1
    check_same_verdicts(whole, chunked, list(range(5)), y, tolerance=tolerance)
    for rows in ([3], [4, 2, 0, 1, 3]):
        check_same_verdicts(whole, searched(net, x[rows], y[rows], search), rows, y, tolerance=tolerance)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_stays_in_every_region_rises_and_counts_its_passes(search: object, region: str) -> None:
    needs(search)
    net, x = small_net(), images(4)
    y = labels_of(net, x)
    net.sites(10)
    passed: list[int] = []
    net.module.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
    within: Region = REGIONS[region](x)
    found = solve(net, -log_odds(y), start=x, search=search, steps=5, within=within, goal=misclassified(y), keep="best")
    assert sum(passed) == found.passes["forward"]
    every = torch.arange(4)
    assert bool(within.contains(found.images, every).all())
    net.eval()
    with torch.no_grad():
        before, after = (net(each) for each in (x, found.images))
    net.train()
    risen = -log_odds(y)
    scores = [risen(Looked(each, out)) for each, out in ((x, before), (found.images, after))]
    torch.testing.assert_close(found.scores, scores[1], atol=1e-4, rtol=1e-4)
    if not getattr(search, "random_start", False):
        assert bool((found.scores >= scores[0] - 1e-5).all())
        if isinstance(search, (Steepest, LBFGS)):
            assert float(found.scores.mean()) > float(scores[0].mean()) + 1e-3


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("radius", [0.0, 1e-6, 0.007, 8 / 255, 0.1, 0.2, 1.0])
@pytest.mark.parametrize("method", list(METHODS))
def test_what_an_attack_returns_is_within_its_radius_strictly(method: str, norm: float, radius: float) -> None:
    net, x = small_net(), images(12)
    y = labels_of(net, x)
    y[:2] = (y[:2] + 1) % 4  # two that are wrong from the start
    found = attacked(net, x, y, method, norm=norm, radius=radius)
    exact = np.linalg.norm((found.images.double() - x.double()).flatten(1).numpy(), ord=norm, axis=1)
    assert (exact <= radius).all()
    assert float(found.images.min()) >= 0
    assert float(found.images.max()) <= 1
    assert found.images.dtype == torch.float32
    assert torch.equal(found.images[:2], x[:2])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", list(METHODS))
def test_radius_zero_is_the_clean_accuracy(method: str, norm: float) -> None:
    net, x = small_net(), images(12)
    y = labels_of(net, x)
    y[::3] = (y[::3] + 1) % 4
    found = attacked(net, x, y, method, norm=norm, radius=0.0)
    assert torch.equal(found.images, x)
    assert found.success.tolist() == (labels_of(net, x) != y).tolist()
    assert found.step.tolist() == [0 if wrong else -1 for wrong in found.success.tolist()]


@pytest.mark.parametrize("method", list(METHODS))
def test_success_is_what_a_fresh_pass_on_the_returned_images_says(method: str) -> None:
    net, x = small_net(), images(12)
    y = labels_of(net, x)
    found = attacked(net, x, y, method, norm=math.inf, radius=0.02)
    assert int(found.success.sum()) > 0
    with torch.no_grad():
        fresh = net.eval()(found.images)
    assert torch.equal(fresh.argmax(1) != y, found.success)
    torch.testing.assert_close(found.output, fresh, atol=1e-5, rtol=1e-5)


def check_untouched(make: Callable[[Net, Tensor, Tensor], object]) -> None:
    """Whatever ran: parameters, buffers, gradients, modes, hooks and the global generator are bit for bit as before."""
    net, x = small_net(), images(4)
    y = labels_of(net, x)
    net.train()
    net.module[0].eval()
    net.module[3].weight.requires_grad_(False)
    net.module[7].bias.grad = torch.full_like(net.module[7].bias, 0.25)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    make(net, x, y)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    grads = {name: each.grad for name, each in net.named_parameters() if each.grad is not None}
    assert list(grads) == ["module.7.bias"]
    assert bool((grads["module.7.bias"] == 0.25).all())
    assert [name for name, each in net.named_parameters() if not each.requires_grad] == ["module.3.weight"]
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())
    assert not y.requires_grad
    assert not x.requires_grad


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", list(METHODS))
def test_an_attack_leaves_net_and_global_generator_untouched(method: str, norm: float) -> None:
    check_untouched(lambda net, x, y: attacked(net, x, y, method, norm=norm, radius=0.05))


def test_a_search_that_fails_half_way_leaves_the_net_untouched() -> None:
    def fail(net: Net, x: Tensor, y: Tensor) -> None:
        def stop(moment: object) -> bool:
            raise KeyError("half-way")

        with pytest.raises(KeyError):
            solve(net, logit(0), start=x, search=Adam(0.1), steps=3, callback=stop)

    check_untouched(fail)


@pytest.mark.parametrize("method", list(METHODS))
def test_the_same_seed_gives_the_same_and_another_seed_another_random_start(method: str) -> None:
    net, x = small_net(), images(6)
    y = labels_of(net, x)
    one, again = (attacked(net, x, y, method, norm=math.inf, radius=0.01, seed=1) for _ in range(2))
    assert torch.equal(one.images, again.images)
    assert torch.equal(one.history.nan_to_num(9.0), again.history.nan_to_num(9.0))
    other = attacked(net, x, y, method, norm=math.inf, radius=0.01, seed=2)
    assert torch.equal(one.images, other.images) == (not METHODS.load(method).random)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", list(METHODS))
def test_on_a_linear_net_an_attack_reaches_hoelders_bound(method: str, norm: float) -> None:
    draw = torch.Generator().manual_seed(7)
    layer = nn.Linear(27, 2)
    layer.weight.data = torch.randn(2, 27, generator=draw)
    layer.bias.data = torch.tensor([0.3, -0.2])
    net = Net(nn.Sequential(nn.Flatten(), layer), channels=3, size=3, classes=2)
    x = 0.4 + 0.2 * torch.rand(8, 3, 3, 3, generator=draw)
    y = labels_of(net, x)
    radius = 0.05  # so small that the box does not bind
    weights, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    exact = [
        linear_margin_after_attack(
            weights, bias, x[k].double().flatten().numpy(), label=int(y[k]), radius=radius, norm=norm
        )
        for k in range(8)
    ]
    found = solve(
        net,
        margin(y),
        start=x,
        search=Steepest(radius if method == "fgsm" else radius / 4, random_start=METHODS.load(method).random),
        steps=1 if method == "fgsm" else 40,
        within=Ball(x, radius, norm) & Box(),
        keep="best",
    )
    np.testing.assert_allclose(-found.scores.numpy(), exact, atol=2e-5)
    verdict = attacked(net, x, y, method, norm=norm, radius=radius)
    for lead, success in zip(exact, verdict.success.tolist(), strict=True):
        assert success == (lead < 0) or abs(lead) < 0.01  # eight steps come so near


def test_a_start_is_never_changed_in_place() -> None:
    net, x = small_net(), images(4)
    y, before = labels_of(net, x), x.clone()
    searched(net, x, y, SEARCHES["adam"])
    attacked(net, x, y, "pgd", norm=math.inf, radius=0.1)
    solve(net, logit(0) - squared_distance(0.5), start=x, search=Steepest(0.1), steps=2)
    assert torch.equal(x, before)


def test_passes_are_those_that_a_counting_net_sees() -> None:
    class Counting(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module, self.forward_passes = module, 0

        def forward(self, x: Tensor) -> Tensor:
            self.forward_passes += len(x)
            return self.module(x)

    inner = small_net()
    counting = Counting(copy.deepcopy(inner.module))
    net = Net(counting, mean=0.5, std=0.25, size=10, classes=4, channels=3)
    x = images(7)
    y = labels_of(inner, x)
    net.sites(10)
    for method in METHODS:
        counting.forward_passes = 0
        found = attacked(net, x, y, method, norm=math.inf, radius=0.01)
        assert found.passes["forward"] == counting.forward_passes
