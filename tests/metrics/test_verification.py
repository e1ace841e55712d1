"""Same or different: figures of pairs."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracles.metrics_verification import accepted_at as slow_accepted
from oracles.metrics_verification import equal_error
from striate.core.errors import StriateError
from striate.metrics.ranking import auc, roc_curve
from striate.metrics.verification import accepted_at, equal_error_rate, separation, verification

Pairs = list[tuple[int, bool]]
PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40)
TWO_SIDED = PAIRS.filter(lambda pairs: len({pair[1] for pair in pairs}) == 2)


def vectors(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([float(pair[0]) for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


def normal(same: int, different: int, seed: int, gap: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(size=same) + gap, rng.normal(size=different)])
    return torch.from_numpy(scores), torch.arange(same + different) < same


@given(TWO_SIDED)
def test_the_equal_error_rate_is_where_the_lines_between_two_thresholds_cross(pairs: Pairs) -> None:
    roc = roc_curve(*vectors(pairs))
    error, threshold = equal_error_rate(roc)
    assert error.value == pytest.approx(float(equal_error([float(p[0]) for p in pairs], [p[1] for p in pairs])))
    assert error.low is not None
    assert error.low <= float(error) <= (error.high or 0.0)
    assert min(pair[0] for pair in pairs) <= float(threshold) <= max(pair[0] for pair in pairs)


@given(TWO_SIDED, st.sampled_from([Fraction(1, 10), Fraction(1, 4), Fraction(1, 3), Fraction(1)]))
def test_what_is_accepted_at_a_rate_is_the_most_that_can_be_had(pairs: Pairs, rate: Fraction) -> None:
    number = accepted_at(roc_curve(*vectors(pairs)), float(rate))
    different = sum(not pair[1] for pair in pairs)
    if different < 1 / rate:
        assert number.value is None
        assert f"{different} different pairs are too few" in number.why
    else:
        expected = slow_accepted([float(p[0]) for p in pairs], [p[1] for p in pairs], rate)
        assert number.value == pytest.approx(float(expected), abs=1e-12)
        assert number.low is not None
        assert number.low <= float(number) <= (number.high or 0.0)


def test_normal_scores_have_the_figures_of_the_closed_form() -> None:
    found = verification(*normal(200_000, 200_000, 0))
    assert float(found.equal_error) == pytest.approx(NormalDist().cdf(-1), abs=0.002)
    assert float(found.equal_error_threshold) == pytest.approx(1.0, abs=0.02)
    assert float(found.separation) == pytest.approx(2.0, abs=0.01)
    assert float(found.auc) == pytest.approx(NormalDist().cdf(math.sqrt(2)), abs=0.002)
    for rate, number in found.accepted:
        expected = NormalDist().cdf(2 + NormalDist().inv_cdf(rate))
        assert (number.low or 0.0) <= expected <= (number.high or 0.0)


def test_intervals_cover_the_truth_in_about_95_of_100_draws() -> None:
    truths = {
        "equal_error": NormalDist().cdf(-1),
        "separation": 2.0,
        "0.1": NormalDist().cdf(2 + NormalDist().inv_cdf(0.1)),
        "0.01": NormalDist().cdf(2 + NormalDist().inv_cdf(0.01)),
    }
    covered, draws = dict.fromkeys(truths, 0), 400
    for seed in range(draws):
        found = verification(*normal(150, 1000, seed), rates=(0.1, 0.01))
        numbers = {
            "equal_error": found.equal_error,
            "separation": found.separation,
            **{f"{rate:g}": number for rate, number in found.accepted},
        }
        for name, truth in truths.items():
            covered[name] += (numbers[name].low or 0.0) <= truth <= (numbers[name].high or 0.0)
    assert all(0.92 <= each / draws <= 0.995 for each in covered.values()), covered  # binomial spread: 0.011


def test_few_different_pairs_give_no_small_rates_and_wide_intervals() -> None:
    found = dict(verification(*normal(100, 200, 3)).accepted)
    assert found[0.1].value is not None
    assert found[0.01].low == 0.0
    assert found[1e-3].value is None
    assert found[1e-4].why == "200 different pairs are too few: one of them is already more than 0.0001"


def test_perfect_and_blind_scores_are_at_the_ends() -> None:
    same = torch.arange(20) < 10
    perfect, blind = verification(same.double(), same), verification(torch.zeros(20), same)
    assert (perfect.equal_error.value, perfect.auc.value) == (0.0, 1.0)
    assert perfect.separation.why.startswith("division by 0")
    assert (blind.equal_error.value, blind.equal_error_threshold.value) == (0.5, 0.0)
    assert dict(blind.accepted)[0.1].value == 0.0


def test_the_area_is_that_of_any_scores() -> None:
    scores, same = normal(30, 50, 1)
    assert verification(scores, same).auc == auc(scores, same)


@pytest.mark.parametrize("same", [torch.ones(4), torch.zeros(4), torch.zeros(0)])
def test_pairs_of_one_kind_have_no_figures(same: torch.Tensor) -> None:
    found = verification(torch.rand(len(same)), same)
    for number in (found.equal_error, found.equal_error_threshold, found.separation, *dict(found.accepted).values()):
        assert number.value is None
        assert number.why.startswith("0/0")


def test_one_pair_on_a_side_has_no_spread() -> None:
    assert separation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, False])).why.startswith("one pair")
    assert "infinite" in separation(torch.tensor([1.0, 2.0, 3.0, -math.inf]), torch.tensor([1, 1, 0, 0])).why


def test_wrong_rates_and_scores_are_refused() -> None:
    with pytest.raises(StriateError, match="rate is 0"):
        verification(torch.tensor([1.0, 2.0]), torch.tensor([True, False]), rates=(0.0,))
    with pytest.raises(StriateError, match=r"and same \(1,\)"):
        verification(torch.tensor([1.0, 2.0]), torch.tensor([True]))
