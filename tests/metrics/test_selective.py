"""Risk against coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.metrics_ranking import risk_area
from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.intervals import wilson
from striate.metrics.selective import RiskCoverage, risk_coverage

TABLES = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


def curve(pairs: list[tuple[int, bool]]) -> RiskCoverage:
    return risk_coverage(torch.tensor([float(pair[0]) for pair in pairs]), torch.tensor([pair[1] for pair in pairs]))


@settings(max_examples=60)
@given(TABLES)
def test_the_area_is_the_risk_over_every_number_answered_and_every_order_of_ties(
    pairs: list[tuple[int, bool]],
) -> None:
    confidence, wrong = [float(pair[0]) for pair in pairs], [not pair[1] for pair in pairs]
    found = curve(pairs)
    exact = float(risk_area(confidence, wrong))
    best = float(risk_area([float(not each) for each in wrong], wrong))
    assert found.aurc.value == pytest.approx(exact, abs=1e-12)
    assert found.excess.value == pytest.approx(exact - best, abs=1e-12)


@given(TABLES, st.floats(0.01, 1))
def test_the_curve_counts_who_is_answered_and_who_of_them_is_wrong(
    pairs: list[tuple[int, bool]], coverage: float
) -> None:
    found, n = curve(pairs), len(pairs)
    for threshold, share, risk in zip(found.thresholds, found.coverage, found.risk, strict=True):
        answered = [right for confidence, right in pairs if confidence >= float(threshold)]
        assert float(share) == pytest.approx(len(answered) / n)
        assert float(risk) == pytest.approx(answered.count(False) / len(answered))
    sizes = [sum(confidence >= float(threshold) for confidence, _ in pairs) for threshold in found.thresholds]
    row = next(place for place, size in enumerate(sizes) if size >= coverage * n - 1e-9)
    answered = [right for confidence, right in pairs if confidence >= float(found.thresholds[row])]
    assert found.risk_at(coverage) == wilson(answered.count(False), len(answered))


def test_a_share_of_images_that_floats_cannot_hold_is_still_counted_right() -> None:
    found = risk_coverage(torch.arange(100.0), torch.arange(100) > 60)
    assert 0.07 * 100 > 7
    assert found.risk_at(0.07) == wilson(0, 7)
    assert found.risk_at(1.0) == wilson(61, 100)


@given(TABLES, st.permutations(range(6)))
def test_the_order_of_images_changes_nothing(pairs: list[tuple[int, bool]], order: list[int]) -> None:
    shuffled = [pairs[row] for row in order if row < len(pairs)]
    one, other = curve(pairs), curve(shuffled)
    assert one.aurc.value == pytest.approx(other.aurc.value)
    assert torch.equal(one.risk, other.risk)


def test_perfect_order_has_no_excess_and_a_blind_one_has_the_mean_risk_at_every_coverage() -> None:
    right = torch.tensor([True] * 7 + [False] * 3)
    perfect, blind = risk_coverage(right.float(), right), risk_coverage(torch.zeros(10), right)
    assert perfect.excess.value == pytest.approx(0.0)
    assert blind.aurc.value == pytest.approx(0.3)
    r = 0.3
    many = torch.arange(100_000) < 70_000
    assert float(risk_coverage(many.float(), many).aurc) == pytest.approx(r + (1 - r) * math.log(1 - r), abs=1e-4)


def test_all_right_and_all_wrong_have_areas_without_intervals_and_say_why() -> None:
    scores = torch.rand(5)
    right, wrong = risk_coverage(scores, torch.ones(5)), risk_coverage(scores, torch.zeros(5))
    assert (right.aurc.value, right.excess.value) == (0.0, 0.0)
    assert (wrong.aurc.value, wrong.excess.value) == (1.0, 0.0)
    assert "all images are right" in right.aurc.why
    assert "all images are wrong" in wrong.excess.why


def test_intervals_cover_the_truth_in_about_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)

    def draw(size: int) -> RiskCoverage:
        confidence = rng.random(size)
        return risk_coverage(torch.from_numpy(confidence), torch.from_numpy(rng.random(size) < 0.4 + 0.6 * confidence))

    truth, draws = draw(1_000_000), 400
    covered = {"aurc": 0, "excess": 0}
    for _ in range(draws):
        found = draw(150)
        for name in covered:
            number: Number = getattr(found, name)
            covered[name] += (number.low or 0.0) <= float(getattr(truth, name)) <= (number.high or 0.0)
    assert all(0.91 <= each / draws <= 0.985 for each in covered.values()), covered  # binomial spread: 0.011


def test_thinning_keeps_the_ends_and_the_areas() -> None:
    rng = np.random.default_rng(1)
    found = risk_coverage(torch.from_numpy(rng.random(3000)), torch.from_numpy(rng.random(3000) < 0.7))
    thin = found.thin(100)
    assert len(thin.risk) <= 100
    assert thin.aurc == found.aurc
    assert (thin.coverage[0], thin.coverage[-1]) == (found.coverage[0], found.coverage[-1])
    assert thin.risk_at(1.0) == found.risk_at(1.0)


def test_no_images_have_no_risk_and_wrong_shares_are_refused() -> None:
    empty = risk_coverage(torch.zeros(0), torch.zeros(0))
    assert empty.aurc.value is None
    assert empty.risk_at(0.5).value is None
    assert len(empty.thin().risk) == 0
    with pytest.raises(StriateError, match="coverage is 0"):
        empty.risk_at(0)
    with pytest.raises(StriateError, match="most is 2"):
        empty.thin(2)
    with pytest.raises(StriateError, match="confidence hold nan"):
        risk_coverage(torch.tensor([math.nan]), torch.tensor([True]))
