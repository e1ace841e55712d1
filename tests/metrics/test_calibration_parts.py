"""Calibration over equally many images, by class and in the worst bin; the Brier score taken apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.metrics_calibration import bins_of_mass, bins_of_width, brier_parts, gaps
from striate.core.errors import StriateError
from striate.metrics.calibration import (
    BrierBins,
    adaptive_error,
    class_reliability,
    classwise_error,
    classwise_mean,
    equal_mass,
    expected_calibration_error,
    maximum_error,
)
from striate.metrics.calibration import brier_parts as taken_apart
from striate.metrics.losses import brier

# sixteenths are exact in float64 and, times 3 or 5 bins, on no edge but a whole one
PAIRS = st.lists(st.tuples(st.integers(0, 16), st.booleans()), min_size=1, max_size=40)
ROWS = st.lists(st.tuples(st.lists(st.integers(0, 9), min_size=3, max_size=3), st.integers(0, 2)), min_size=1)
Pairs = list[tuple[int, bool]]


def lists(pairs: Pairs) -> tuple[list[float], list[bool]]:
    return [pair[0] / 16 for pair in pairs], [pair[1] for pair in pairs]


def net(n: int, k: int, seed: int = 0, sharp: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities of a net that is calibrated where ``sharp`` is 1, and labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 1.5
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (chances.cumsum(1) > rng.random((n, 1))).argmax(1)
    return torch.softmax(torch.from_numpy(logits * sharp), 1), torch.from_numpy(labels)


@settings(max_examples=30)
@given(PAIRS, st.sampled_from([1, 3, 5]))
def test_bins_of_equal_mass_are_those_of_the_loop(pairs: Pairs, bins: int) -> None:
    values, truths = lists(pairs)
    counted = equal_mass(torch.tensor(values, dtype=torch.float64), torch.tensor(truths), bins=bins)
    rows = bins_of_mass(values, bins)
    assert counted.n.tolist() == [len(inside) for inside in rows]
    expected = sum(size * gap for size, gap in gaps(values, truths, rows)) / len(values)
    ours = float((counted.right - counted.confidence).abs().sum()) / len(values)
    assert ours == pytest.approx(expected, abs=1e-12)


@settings(max_examples=10)
@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_images_changes_no_bin_of_equal_mass(pairs: Pairs, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(pairs, len(pairs))
    one, other = (
        equal_mass(torch.tensor(values, dtype=torch.float64), torch.tensor(truths))
        for values, truths in (lists(pairs), lists(shuffled))
    )
    assert torch.equal(one.n, other.n)
    assert torch.equal(one.right, other.right)


@settings(max_examples=30)
@given(PAIRS, st.sampled_from([1, 3, 5]))
def test_the_maximum_error_is_the_largest_gap(pairs: Pairs, bins: int) -> None:
    values, truths = lists(pairs)
    expected = max(gap for _, gap in gaps(values, truths, bins_of_width(values, bins)))
    number = maximum_error(torch.tensor(values, dtype=torch.float64), torch.tensor(truths), bins=bins)
    assert number.value == pytest.approx(expected, abs=1e-12)
    assert "by chance" in number.why


def test_equal_mass_resolves_confidences_that_crowd_into_one_bin_of_equal_width() -> None:
    # all in the last of 15 bins: too sure above .97 by what it is too modest below, which one bin cancels
    confidence = torch.linspace(0.94, 1.0, 4000, dtype=torch.float64)
    rate = torch.where(confidence > 0.97, confidence - 0.04, confidence + 0.04).clamp_max(1.0)
    correct = torch.rand(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) < rate
    assert float(expected_calibration_error(confidence, correct)) < 0.01
    assert float(adaptive_error(confidence, correct)) == pytest.approx(0.037, abs=0.008)


def test_the_classwise_error_is_that_of_each_class_against_the_rest() -> None:
    probabilities, labels = net(200, 4)
    found = classwise_error(probabilities, labels)
    for k, number in enumerate(found):
        assert number == expected_calibration_error(probabilities[:, k], labels == k)
        values, truths = probabilities[:, k].tolist(), (labels == k).tolist()
        slow = sum(size * gap for size, gap in gaps(values, truths, bins_of_width(values, 15))) / 200
        assert number.value == pytest.approx(slow, abs=1e-12)
    mean = classwise_mean(probabilities, labels)
    assert mean.value == pytest.approx(sum(float(each) for each in found) / 4)
    assert "by chance" in mean.why


def test_a_class_without_images_is_as_wrong_as_it_is_likely() -> None:
    probabilities = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    assert classwise_error(probabilities, torch.tensor([0, 0]))[1].value == pytest.approx(0.375)


def test_two_classes_have_one_classwise_error() -> None:
    # bins are closed above, so the two classes' bins mirror each other where no probability lies on an edge
    probabilities, labels = net(300, 2, sharp=2.0)
    one, other = classwise_error(probabilities, labels)
    assert one.value == pytest.approx(float(other))


@settings(max_examples=40)
@given(ROWS, st.sampled_from([1, 3, 15]))
def test_the_parts_are_those_of_the_loop_and_add_up_to_the_score(rows: list[tuple[list[int], int]], bins: int) -> None:
    # uneven offsets, so that no probability lies on the edge of a bin, where rounding would choose its side
    weights = torch.tensor([row[0] for row in rows], dtype=torch.float64) + torch.tensor([0.3713, 0.4127, 0.5339])
    probabilities, labels = weights / weights.sum(1, keepdim=True), torch.tensor([row[1] for row in rows])
    parts = taken_apart(probabilities, labels, bins=bins)
    numbers = [float(each) for each in (parts.reliability, parts.resolution, parts.uncertainty, parts.within)]
    assert numbers == pytest.approx(brier_parts(probabilities.tolist(), labels.tolist(), bins), abs=1e-12)
    score = float(brier(probabilities, labels).mean())
    assert float(parts.score) == pytest.approx(score, abs=1e-12)
    assert numbers[0] - numbers[1] + numbers[2] + numbers[3] == pytest.approx(score, abs=1e-12)


@settings(max_examples=20)
@given(ROWS, st.integers(1, 5))
def test_batches_and_merged_parts_are_one_whole(rows: list[tuple[list[int], int]], size: int) -> None:
    weights = torch.tensor([row[0] for row in rows], dtype=torch.float64) + 1
    probabilities, labels = weights / weights.sum(1, keepdim=True), torch.tensor([row[1] for row in rows])
    seen = BrierBins.empty(3)
    for part in zip(probabilities.split(size), labels.split(size), strict=True):
        seen = seen.merge(BrierBins.empty(3).update(*part))
    ours, whole = seen.compute(), taken_apart(probabilities, labels)
    for name in ("reliability", "resolution", "uncertainty", "within", "score"):
        assert float(getattr(ours, name)) == pytest.approx(float(getattr(whole, name)), abs=1e-12), name


def test_a_calibrated_net_is_reliable_and_a_sharpened_one_is_not() -> None:
    honest, sharp = (taken_apart(*net(20_000, 3, sharp=sharp)) for sharp in (1.0, 3.0))
    assert float(honest.reliability) < 0.002
    assert float(sharp.reliability) > 0.05
    assert honest.uncertainty == sharp.uncertainty


def test_the_interval_of_the_uncertainty_covers_the_truth_in_about_95_of_100_draws() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.6, 0.3, 0.1])
    truth, covered, draws = float((shares * (1 - shares)).sum()), 0, 300
    flat = torch.full((200, 3), 1 / 3, dtype=torch.float64)
    for _ in range(draws):
        number = taken_apart(flat, torch.from_numpy(rng.choice(3, 200, p=shares)), bins=1).uncertainty
        covered += (number.low or 0.0) <= truth <= (number.high or 0.0)
    assert 0.91 <= covered / draws <= 0.985  # binomial spread of 300 draws: 0.013


def test_no_images_have_no_figures() -> None:
    nothing, labels = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    assert taken_apart(nothing, labels).score.value is None
    assert classwise_mean(nothing, labels).value is None
    assert [each.value for each in classwise_error(nothing, labels)] == [None] * 3
    assert adaptive_error(torch.zeros(0), torch.zeros(0)).value is None
    assert maximum_error(torch.zeros(0), torch.zeros(0)).value is None


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        (torch.tensor([[2.0, -1.0]]), "negative"),
        (torch.tensor([[0.9, 0.9]]), "sum to"),
        (torch.tensor([[math.nan, 1.0]]), "NaN"),
    ],
)
def test_logits_are_never_taken_for_probabilities(probabilities: torch.Tensor, words: str) -> None:
    for figure in (class_reliability, taken_apart, classwise_error):
        with pytest.raises(StriateError, match=words):
            figure(probabilities, torch.tensor([0]))


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(StriateError, match="of 2 classes"):
        BrierBins.empty(3).update(torch.tensor([[0.5, 0.5]]), torch.tensor([0]))
    with pytest.raises(StriateError, match="do not add up"):
        BrierBins.empty(3).merge(BrierBins.empty(3, 4))
    with pytest.raises(StriateError, match="bins is 0"):
        BrierBins.empty(3, 0)
