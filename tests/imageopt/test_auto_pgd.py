from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laws.subjects import images, labels_of, small_net
from oracles.imageopt_auto_pgd import auto_pgd, sparse_auto_pgd
from striate.core.errors import StriateError
from striate.imageopt.objective import dlr, log_odds
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.auto_pgd import AutoPGD, checkpoints
from striate.imageopt.search.auto_pgd_l1 import SparseAutoPGD
from striate.imageopt.solve import solve
from striate.nets.net import Net


def curved(count: int = 5) -> tuple[Net, Tensor, Tensor]:
    """A smooth net whose score bends, so that long steps overshoot and lengths are halved."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(27, 12), nn.Tanh(), nn.Linear(12, 4)).double()
    module[1].weight.data *= 4
    x = torch.rand(count, 3, 3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    net = Net(module, channels=3, size=3, classes=4)
    return net, x, labels_of(net, x)


def looked(net: Net, label: int):
    def look(point: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.from_numpy(point)[None].requires_grad_()
        logits = net(leaf)[0]
        others = torch.cat([logits[:label], logits[label + 1 :]])
        score = others.logsumexp(0) - logits[label]
        (slope,) = torch.autograd.grad(score, leaf)
        return float(score.detach()), slope[0].numpy()

    return look


@pytest.mark.parametrize(("norm", "radius"), [(math.inf, 0.2), (2.0, 1.0)])
@pytest.mark.parametrize("steps", [17, 100])
def test_auto_pgd_is_the_papers_algorithm_step_for_step(norm: float, radius: float, steps: int) -> None:
    net, x, y = curved()
    region = Ball(x, radius, norm) & Box()
    begin = region.project(x + 0.1 * torch.sin(torch.arange(x.numel()).view_as(x).double()), torch.arange(5))
    search = AutoPGD(radius, begin=begin)
    found = solve(net, -log_odds(y), start=x, search=search, steps=steps, within=region, keep="best")
    for k in range(5):
        score, point = auto_pgd(
            looked(net.eval(), int(y[k])), x[k].numpy(), begin[k].numpy(), radius=radius, norm=norm, steps=steps
        )
        assert float(found.scores[k]) == pytest.approx(score, rel=1e-6)
        np.testing.assert_allclose(found.images[k].numpy(), point, atol=1e-5)
    assert found.passes["backward"] == 5 * steps
    assert found.passes["forward"] <= 5 * (steps + 2)  # the last pass of each image is its verdict


def test_sparse_auto_pgd_is_the_papers_algorithm_step_for_step() -> None:
    net, x, y = curved()
    region, every = Ball(x, 2.0, 1.0) & Box(), torch.arange(5)
    begin = region.project(x + 0.3 * torch.sin(torch.arange(x.numel()).view_as(x).double()), every)
    solved = solve(
        net, -log_odds(y), start=x, search=_dense(SparseAutoPGD(x, 2.0), begin), steps=60, within=region, keep="best"
    )
    for k in range(5):
        score, _ = sparse_auto_pgd(looked(net.eval(), int(y[k])), x[k].numpy(), begin[k].numpy(), radius=2.0, steps=60)
        assert float(solved.scores[k]) == pytest.approx(score, rel=1e-4)


def _dense(search: SparseAutoPGD, begin: Tensor):
    """The search from a point that counts as a random start."""

    class Dense:
        words = search.words

        def __call__(self, problem):
            problem.random_start = lambda draw=0: begin.clone()
            return search(problem)

    return Dense()


def test_checkpoints_of_a_hundred_steps_are_the_papers() -> None:
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == []


def test_lengths_halve_by_themselves_so_that_a_far_too_long_step_still_arrives() -> None:
    net, x, y = curved()
    region = Ball(x, 0.2) & Box()
    many = solve(net, -log_odds(y), start=x, search=AutoPGD(0.2), steps=100, within=region, keep="best")
    few = solve(net, -log_odds(y), start=x, search=AutoPGD(0.2), steps=5, within=region, keep="best")
    assert float((many.scores - few.scores).min()) >= 0
    assert float((many.scores - few.scores).max()) > 1e-3


def test_the_scale_of_the_logits_changes_nothing_in_the_ratio_loss() -> None:
    plain = small_net(torch.float64)
    loud = small_net(torch.float64)
    loud.module[7].weight.data *= 1000
    loud.module[7].bias.data *= 1000
    x = images(4, torch.float64)
    y = labels_of(plain, x)
    one, other = (
        solve(net, dlr(y), start=x, search=AutoPGD(0.05), steps=20, within=Ball(x, 0.05) & Box(), keep="best")
        for net in (plain, loud)
    )
    torch.testing.assert_close(one.scores, other.scores, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoPGD(-1.0), "radius is -1"),
        (lambda: AutoPGD(1.0, momentum=0.0), "momentum is 0"),
        (lambda: AutoPGD(1.0, rho=1.0), "rho 1"),
        (lambda: SparseAutoPGD(torch.zeros(1, 1, 2, 2), -0.5), "radius is -0.5"),
    ],
)
def test_what_cannot_be_a_search_is_refused(make, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        make()
