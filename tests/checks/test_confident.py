"""Confident learning against slow loops; the rate of wrong labels where it is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles import checks_confident as slow
from striate.checks.confident import SCORES, confident_joint, noise_rate, pruned
from striate.checks.noise import chances, measure_noise
from striate.core.errors import StriateError


def table(seed: int, n: int = 120, classes: int = 4, sharp: float = 2.0) -> tuple[Tensor, Tensor]:
    """Random probabilities and labels that have something to do with them."""
    made = torch.Generator().manual_seed(seed)
    p = (sharp * torch.randn(n, classes, generator=made, dtype=torch.float64)).softmax(1)
    labels = torch.multinomial(p, 1, generator=made)[:, 0]
    return p, labels


def noisy(
    seed: int, rate: float, *, n: int = 6000, classes: int = 5, hard: float = 0.3
) -> tuple[Tensor, Tensor, Tensor]:
    """Calibrated probabilities of noisy labels, those labels, and which are wrong.

    A share ``hard`` of the images lies between two classes: their labels are drawn as the image has it, and are right.
    Wrong labels go to the next class.
    """
    made = torch.Generator().manual_seed(seed)
    true = torch.randint(0, classes, (n,), generator=made)
    other = (true + 2) % classes
    lean = torch.where(
        torch.rand(n, generator=made) < hard, 0.5 + 0.5 * torch.rand(n, generator=made), torch.tensor(1.0)
    )
    clean = torch.full((n, classes), 1e-9, dtype=torch.float64)
    rows = torch.arange(n)
    clean[rows, true] += lean
    clean[rows, other] += 1 - lean
    clean /= clean.sum(1, keepdim=True)
    drawn = torch.multinomial(clean, 1, generator=made)[:, 0]
    wrong = torch.rand(n, generator=made) < rate
    labels = torch.where(wrong, (drawn + 1) % classes, drawn)
    p = (1 - rate) * clean + rate * clean.roll(1, 1)
    return p, labels, wrong


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [2, 4, 7])
def test_thresholds_joint_and_pruning_are_those_of_the_paper(seed: int, classes: int) -> None:
    p, labels = table(seed, classes=classes)
    rows, given = p.tolist(), labels.tolist()
    found = confident_joint(p, labels)
    t = slow.thresholds(rows, given)
    counts = slow.counted(rows, given, t)
    q = slow.joint(counts, given)
    assert [None if np.isnan(each) else each for each in found.thresholds.tolist()] == pytest.approx(t, abs=1e-12)
    assert found.counts.tolist() == counts
    assert found.joint.tolist() == [pytest.approx(row, abs=1e-12) for row in q]
    first, second = slow.by_class(rows, given, q), slow.by_noise_rate(rows, given, q)
    assert pruned(found, p, labels, by="class").tolist() == sorted(first)
    assert pruned(found, p, labels, by="noise rate").tolist() == sorted(second)
    assert pruned(found, p, labels, by="both").tolist() == sorted(first & second)


@pytest.mark.parametrize(
    ("name", "loop"),
    [
        ("self-confidence", slow.self_confidence),
        ("normalised margin", slow.margin),
        ("confidence-weighted entropy", slow.weighted_entropy),
    ],
)
def test_scores_are_those_of_the_paper(name: str, loop: Callable[[list[float], int], float]) -> None:
    p, labels = table(3)
    p[0] = torch.eye(4, dtype=torch.float64)[int(labels[0])]  # certainty: no entropy
    expected = [loop(row, label) for row, label in zip(p.tolist(), labels.tolist(), strict=True)]
    assert SCORES[name](p, labels).tolist() == pytest.approx(expected, abs=1e-12)


def test_chances_are_those_of_bayes_rule() -> None:
    p, labels = table(5, classes=3)
    transition = torch.tensor([[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.0, 0.2, 0.8]], dtype=torch.float64)
    inverse = np.linalg.inv(transition.numpy()).tolist()
    found = chances(p, labels, transition)
    for row, label, got in zip(p.tolist(), labels.tolist(), found.tolist(), strict=True):
        assert got == pytest.approx(slow.chances(row, label, inverse, transition.tolist()), abs=2e-5)
    assert torch.allclose(found.sum(1), torch.ones(len(found), dtype=torch.float64))


def test_the_joint_keeps_the_shares_of_the_labels() -> None:
    p, labels = table(8)
    shares = torch.bincount(labels, minlength=4).to(torch.float64) / len(labels)
    assert confident_joint(p, labels).joint.sum(1).tolist() == pytest.approx(shares.tolist(), abs=1e-9)


def test_certain_predictions_that_agree_leave_no_noise_and_nothing_to_prune() -> None:
    labels = torch.arange(40) % 4
    p = torch.eye(4, dtype=torch.float64)[labels]
    found = confident_joint(p, labels)
    assert found.noise == 0
    assert noise_rate(found, labels).high == 0
    assert len(pruned(found, p, labels)) == 0


def test_the_order_of_the_images_does_not_matter() -> None:
    p, labels = table(9)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    first, second = confident_joint(p, labels), confident_joint(p[order], labels[order])
    assert torch.equal(first.counts, second.counts)
    assert set(pruned(first, p, labels).tolist()) == set(order[pruned(second, p[order], labels[order])].tolist())


def test_the_interval_of_the_joint_holds_the_estimate_and_narrows_with_the_images() -> None:
    widths = []
    for n in (200, 3200):
        p, labels = table(2, n=n)
        rate = noise_rate(confident_joint(p, labels), labels, seed=4)
        assert rate.low is not None
        assert rate.high is not None
        assert rate.low <= float(rate) <= rate.high
        assert rate == noise_rate(confident_joint(p, labels), labels, seed=4)
        widths.append(rate.high - rate.low)
    assert widths[1] < 0.5 * widths[0]


@pytest.mark.parametrize("rate", [0.05, 0.15])
def test_the_rate_of_wrong_labels_is_found_though_images_are_hard(rate: float) -> None:
    covered = 0
    for seed in range(20):
        p, labels, wrong = noisy(seed, rate, n=12_000, hard=0.2)
        found = measure_noise(p, labels)
        assert found.established
        true = float(wrong.to(torch.float64).mean())
        covered += found.rate.low <= true <= found.rate.high  # type: ignore[operator]
        assert confident_joint(p, labels).noise > true  # the joint counts hard images as well: an upper bound
    assert covered >= 17  # 95 % intervals: 16 or fewer of 20 in one run of 400


def test_no_wrong_labels_are_claimed_where_images_are_hard() -> None:
    for seed in range(20):
        p, labels, _ = noisy(seed, 0.0, hard=0.4)
        found = measure_noise(p, labels)
        assert not found.established
        assert not bool(found.classes.any())
        quality = chances(p, labels, found.transition).gather(1, labels[:, None])
        assert int((quality < 0.5).sum()) <= 1


def test_chances_are_calibrated() -> None:
    p, labels, wrong = noisy(3, 0.08, n=20_000)
    found = measure_noise(p, labels)
    quality = chances(p, labels, found.transition).gather(1, labels[:, None])[:, 0]
    assert float((1 - quality).sum()) == pytest.approx(float(wrong.sum()), rel=0.15)
    suspect = quality < 0.1
    assert float(wrong[suspect].to(torch.float64).mean()) > 0.9


def test_noise_of_one_class_is_told_by_its_name() -> None:
    p, labels, _ = noisy(6, 0.0, hard=0.2, classes=5)
    made = torch.Generator().manual_seed(0)
    moved = (labels == 3) & (torch.rand(len(labels), generator=made) < 0.2)
    p = p.clone()
    p[:, 0] += 0.2 * p[:, 3]
    p[:, 3] *= 0.8
    labels = torch.where(moved, 0, labels)
    found = measure_noise(p, labels)
    assert found.classes.tolist() == [False, False, False, True, False]


def test_random_labels_establish_nothing_and_the_matrix_keeps_its_inverse() -> None:
    p, _ = table(1, n=2000)
    labels = torch.randint(0, 4, (2000,), generator=torch.Generator().manual_seed(3))
    found = measure_noise(p, labels)
    assert not found.able
    assert not found.established
    assert bool(chances(p, labels, found.transition).isfinite().all())


@pytest.mark.parametrize(
    ("p", "labels", "words"),
    [
        (torch.ones(3, 1), torch.zeros(3, dtype=torch.int64), r"\(3, 1\)"),
        (torch.full((3, 2), 0.5), torch.zeros(2, dtype=torch.int64), r"\(2,\)"),
        (torch.tensor([[0.5, 0.5], [0.9, 0.3]]), torch.zeros(2, dtype=torch.int64), "row 1 .* 1.2"),
        (torch.full((2, 2), 0.5), torch.tensor([0, 2]), "0 to 2; accepted: 0 to 1"),
    ],
)
def test_what_is_no_table_of_probabilities_is_refused(p: Tensor, labels: Tensor, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        confident_joint(p, labels)
    with pytest.raises(StriateError, match=words):
        measure_noise(p, labels)


def test_an_unknown_way_of_pruning_is_refused_with_those_there_are() -> None:
    p, labels = table(0)
    with pytest.raises(StriateError, match="both"):
        pruned(confident_joint(p, labels), p, labels, by="bot")  # type: ignore[arg-type]
