"""What holds for every search: per image, held region, net untouched, determinism, exact on linear nets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laws.subjects import Looked, check_same_verdicts, check_untouched, images, labels_of, small_net
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


def test_a_search_that_fails_half_way_leaves_the_net_untouched() -> None:
    def fail(net: Net, x: Tensor, y: Tensor) -> None:
        def stop(moment: object) -> bool:
            raise KeyError("half-way")

        with pytest.raises(KeyError):
            solve(net, logit(0), start=x, search=Adam(0.1), steps=3, callback=stop)

    check_untouched(fail)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
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
    net, x, passed = small_net(), images(7), []
    y = labels_of(net, x)
    net.sites(10)
    net.module.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
    for method in ("fgsm", "pgd"):
        passed.clear()
        found = attacked(net, x, y, method, norm=math.inf, radius=0.01)
        assert found.passes["forward"] == sum(passed)
