"""One variable that serves many images."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.canvas import Delta, Patch, Pixels, Placement
from striate.imageopt.goal import classified_as
from striate.imageopt.objective import logit
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.search.random import RandomSearch
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.shared import FoundShared, solve_shared
from striate.imageopt.view import Jitter
from striate.nets.net import Net

SIDE = 6


def linear(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net(nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 3)), channels=1, size=SIDE, classes=3)


def images(count: int = 5) -> Tensor:
    return 0.4 + 0.2 * torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def weights(net: Net, row: int) -> Tensor:
    return net.module[1].weight[row].detach().view(1, 1, SIDE, SIDE)


@pytest.mark.parametrize(("norm", "radius"), [(math.inf, 0.05), (2.0, 0.3)])
def test_the_best_shared_perturbation_of_a_linear_net_is_its_steepest_direction(norm: float, radius: float) -> None:
    """argmax over ||d|| <= r of the mean of <w, x + d> is r times the norm's steepest direction of w."""
    net, given = linear(), images()
    found = solve_shared(
        net, logit(1), images=given, canvas=Delta(given, shared=True), search=Steepest(radius / 4), steps=12,
        within=Ball(given, radius, norm) & Box(), goal=classified_as(1),
    )  # fmt: skip
    w = weights(net, 1)
    right = radius * (w.sign() if norm == math.inf else w / w.norm())
    torch.testing.assert_close(found.z, right, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.images, given + right, atol=1e-6, rtol=0)
    with torch.no_grad():
        logits = net(found.images)
    torch.testing.assert_close(found.scores, logits[:, 1])
    assert torch.equal(found.success, logits.argmax(1) == 1)


def test_each_image_may_have_its_own_aim_and_the_mean_counts() -> None:
    net, given = linear(), images(4)
    aims = torch.tensor([0, 0, 0, 2])
    found = solve_shared(
        net, logit(aims), images=given, canvas=Delta(given, shared=True), search=Steepest(0.01), steps=20,
        within=Ball(given, 0.04) & Box(),
    )  # fmt: skip
    mean = (3 * weights(net, 0) + weights(net, 2)) / 4
    torch.testing.assert_close(found.z, 0.04 * mean.sign(), atol=1e-6, rtol=0)
    assert len(found.history) == 21
    assert found.history[-1] > found.history[0]


def run(net: Net, **options: object) -> FoundShared:
    given = images()
    settings: dict[str, object] = {
        "images": given, "canvas": Delta(given, shared=True), "search": Adam(0.01), "steps": 6,
        "within": Ball(given, 0.05) & Box(),
    }  # fmt: skip
    return solve_shared(net, logit(1), **settings | options)  # type: ignore[arg-type]


def test_chunks_and_the_order_of_images_do_not_count() -> None:
    net = linear()
    whole = run(net, view=Jitter(1))
    chunked = run(net, view=Jitter(1), memory=1)
    torch.testing.assert_close(whole.z, chunked.z, atol=1e-6, rtol=1e-5)
    given = images().flip(0)
    turned = run(net, view=Jitter(1), images=given, canvas=Delta(given, shared=True), within=Ball(given, 0.05) & Box())
    torch.testing.assert_close(whole.z, turned.z, atol=1e-6, rtol=1e-5)


def test_passes_are_counted_and_the_net_is_left_as_found() -> None:
    net = linear().train()
    before = copy.deepcopy(net.state_dict())
    found = run(net)
    assert found.passes == {"forward": 5 * 6 + 5 + 5, "backward": 5 * 6}  # steps, the last variable, the verdict
    part = run(net, batch=2)
    assert part.passes == {"forward": 2 * 6 + 5, "backward": 2 * 6}
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(each.grad is None for each in net.parameters())


def test_batches_are_drawn_without_return_and_by_the_seed() -> None:
    net = linear()
    one, two, other = (run(net, batch=2, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.z, two.z)
    assert one.history.tolist() == two.history.tolist()
    assert one.history.tolist() != other.history.tolist()
    with torch.no_grad():
        first = net(images())[:, 1]
    pairs = (float(one.history[0]), float(first.mean()))
    assert pairs[0] != pytest.approx(pairs[1])


@pytest.mark.parametrize("search", [LBFGS(), RandomSearch(0.02, tries=4), Steepest(0.01, random_start=True)])
def test_any_search_raises_the_mean_within_the_region(search: object) -> None:
    given = images()
    found = run(linear(), search=search, steps=10)
    assert float(found.scores.mean()) > float(found.history[0]) - 1e-6
    assert bool(((found.images - given).abs() <= 0.05 + 1e-7).all())


def test_a_patch_that_lies_elsewhere_each_time_is_learnt_from_all_places() -> None:
    """On a net that sums its pixels the best patch is white; nothing outside of the mask is touched."""
    net = Net(
        nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2)), channels=1, size=SIDE, classes=2
    )  # fmt: skip
    net.module[1].weight.data = torch.tensor([[1.0], [-1.0]]).expand(2, SIDE * SIDE).clone()
    given, place, rng = images(3), Placement(0.5, 0.5, 0.0), Rng(0, "places")
    mask = torch.ones(3, 3)

    def canvas(step: int) -> Patch:
        maps = place.draw(torch.arange(3), rng, patch=(3, 3), image=(SIDE, SIDE), step=step)
        return Patch(given, mask, maps, shared=True)

    found = solve_shared(net, logit(0), images=given, canvas=canvas, search=Adam(0.2), steps=25)
    torch.testing.assert_close(found.z, torch.ones_like(found.z), atol=1e-4, rtol=0)
    changed = (found.images - given).abs() > 1e-6
    assert 4 <= int(changed[0].sum()) <= 16


def test_what_cannot_be_shared_is_refused() -> None:
    net, given = linear(), images()
    with pytest.raises(StriateError, match="has 5 rows; accepted: one row that counts for all images"):
        run(net, canvas=Pixels())
    with pytest.raises(StriateError, match="steps is 0"):
        run(net, steps=0)
    with pytest.raises(StriateError, match="batch is 0"):
        run(net, batch=0)
    with pytest.raises(StriateError, match="images of shape"):
        run(net, images=given[0])
