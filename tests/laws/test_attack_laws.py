"""What holds for every attack in every norm that it holds: per image, held region, net untouched, determinism."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from laws.subjects import check_same_verdicts, check_untouched, images, labels_of, small_net
from striate.attacks.catalog import METHODS
from striate.attacks.run import attack, attack_data
from striate.core.norms import norm_of
from striate.data.dataset import Dataset
from striate.imageopt.found import Found
from striate.measure.table import Table
from striate.nets.net import Net

PAIRS = [(method, norm) for method in METHODS for norm in METHODS.load(method).norms]
RADII = {math.inf: 0.02, 2.0: 0.3, 1.0: 3.0, 0.0: 3.0}
EASY = {math.inf: 0.2, 2.0: 2.0, 1.0: 20.0, 0.0: 60.0}  # breaks some image whatever the attack
STEPS = 8

every_attack = pytest.mark.parametrize(("method", "norm"), PAIRS, ids=[f"{name}-L{norm:g}" for name, norm in PAIRS])


def attacked(net: Net, x: Tensor, y: Tensor, method: str, *, norm: float, radius: float, **more: object) -> Found:
    steps = min(STEPS, METHODS.load(method).steps)
    return attack(net, x, y, method=method, norm=norm, radius=radius, steps=steps, **more)


PARTS = {
    "alone": lambda n: [[k] for k in range(n)],
    "reversed": lambda n: [list(range(n))[::-1]],
    "in halves": lambda n: [list(range(n // 2)), list(range(n // 2, n))],
}


@pytest.mark.parametrize("split", PARTS)
@every_attack
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_attack_says_the_same_of_an_image_whatever_stands_beside_it(
    method: str, norm: float, split: str, dtype: torch.dtype
) -> None:
    net, x = small_net(dtype), images(6, dtype)
    y = labels_of(net, x)
    radius = RADII[norm]
    whole = attacked(net, x, y, method, norm=norm, radius=radius)
    for rows in PARTS[split](len(x)):
        part = attacked(net, x[rows], y[rows], method, norm=norm, radius=radius)
        check_same_verdicts(whole, part, rows, y, tolerance=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.35, 1.0, 2.0, 10.0])
@every_attack
def test_what_an_attack_returns_is_within_its_radius_strictly(method: str, norm: float, share: float) -> None:
    radius = share * RADII[norm]
    net, x = small_net(), images(12)
    y = labels_of(net, x)
    y[:2] = (y[:2] + 1) % 4  # two that are wrong from the start
    found = attacked(net, x, y, method, norm=norm, radius=radius)
    exact = norm_of(found.images.double() - x.double(), norm)
    assert bool((exact <= radius).all())
    assert float(found.images.min()) >= 0
    assert float(found.images.max()) <= 1
    assert found.images.dtype == torch.float32
    assert torch.equal(found.images[:2], x[:2])


@every_attack
def test_radius_zero_is_the_clean_accuracy(method: str, norm: float) -> None:
    net, x = small_net(), images(12)
    y = labels_of(net, x)
    y[::3] = (y[::3] + 1) % 4
    found = attacked(net, x, y, method, norm=norm, radius=0.0)
    assert torch.equal(found.images, x)
    assert found.success.tolist() == (labels_of(net, x) != y).tolist()
    assert found.step.tolist() == [0 if wrong else -1 for wrong in found.success.tolist()]


@every_attack
def test_success_is_what_a_fresh_pass_on_the_returned_images_says(method: str, norm: float) -> None:
    net, x = small_net(), images(12)
    y = labels_of(net, x)
    found = attacked(net, x, y, method, norm=norm, radius=EASY[norm])
    assert int(found.success.sum()) > 0
    with torch.no_grad():
        fresh = net.eval()(found.images)
    assert torch.equal(fresh.argmax(1) != y, found.success)
    torch.testing.assert_close(found.output, fresh, atol=1e-5, rtol=1e-5)


@every_attack
def test_an_attack_leaves_net_and_global_generator_untouched(method: str, norm: float) -> None:
    check_untouched(lambda net, x, y: attacked(net, x, y, method, norm=norm, radius=RADII[norm]))


@every_attack
def test_the_same_seed_gives_the_same_and_another_seed_another_random_start(method: str, norm: float) -> None:
    net, x = small_net(), images(6)
    y, page = labels_of(net, x), METHODS.load(method)
    radius = (EASY if page.nearest else RADII)[norm]  # what is further away than the radius is not given back
    one, again = (attacked(net, x, y, method, norm=norm, radius=radius, seed=1) for _ in range(2))
    assert torch.equal(one.images, again.images)
    assert torch.equal(one.history.nan_to_num(9.0), again.history.nan_to_num(9.0))
    other = attacked(net, x, y, method, norm=norm, radius=radius, seed=2)
    assert torch.equal(one.images, other.images) == (not page.random)


@every_attack
def test_measured_on_a_split_an_attack_tells_of_every_image_and_no_false_sign(method: str, norm: float) -> None:
    net, x = small_net().eval(), images(6)
    split = Dataset.of(x, labels_of(net, x), classes=tuple("abcd"))
    with torch.no_grad():
        table = Table(net(x), split.labels, split.ids, torch.arange(6), split.classes, "key")
    steps, radius = min(4, METHODS.load(method).steps), RADII[norm]
    result, _ = attack_data(
        net, split, table, method=method, norm=norm, radius=radius, radii=(radius / 2, 2 * radius), steps=steps
    )
    assert [one.distance <= radius for one in result.per_image] == [True] * 6
    assert result.robust_accuracy.value == sum(not one.success for one in result.per_image) / 6
    accuracies = [point.accuracy.value for point in result.curve]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] == 1.0
    if result.passes["backward"] == 0:
        assert not any("one step" in sign for sign in result.masking.signs)
