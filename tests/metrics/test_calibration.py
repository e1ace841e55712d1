"""Expected calibration error, its interval, and what chance makes of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from oracles.metrics_figures import binomial_tail, calibration_error
from striate.core.errors import StriateError
from striate.metrics.calibration import Reliability, chance_error, expected_calibration_error
from striate.metrics.sampling import binomial_cdf


def net(n: int, shift: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Confidences of a net whose accuracy lies ``shift`` below them, whether it was right, its true error."""
    generator = torch.Generator().manual_seed(seed)
    confidence = 1 - 0.7 * torch.rand(n, dtype=torch.float64, generator=generator) ** 2
    rate = (confidence - shift).clamp(0, 1)
    correct = torch.rand(n, dtype=torch.float64, generator=generator) < rate
    return confidence, correct, float((confidence - rate).abs().mean())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 20))
def test_it_is_the_sum_of_guo_et_al_image_by_image(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidence, correct = [each[0] for each in pairs], [each[1] for each in pairs]
    counted = Reliability.empty(bins).update(torch.tensor(confidence, dtype=torch.float64), torch.tensor(correct))
    ours = float((counted.right - counted.confidence).abs().sum()) / len(pairs)
    # b * c / b may round across an edge: confidences within rounding of one are left to whichever bin takes them
    if all(abs(c * bins - round(c * bins)) > 1e-9 for c in confidence):
        assert ours == pytest.approx(calibration_error(confidence, correct, bins), abs=1e-12)


def test_edges_belong_to_the_bin_below_and_0_to_the_first() -> None:
    counted = Reliability.empty(4).update(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]), torch.ones(5))
    assert counted.n.tolist() == [2, 1, 1, 1]


def test_it_agrees_with_torchmetrics() -> None:
    confidence, correct, _ = net(500, 0.1)
    theirs = binary_calibration_error(confidence, correct.int(), n_bins=15, norm="l1")
    assert expected_calibration_error(confidence, correct).value == pytest.approx(float(theirs), abs=1e-6)


def test_perfect_confidence_has_no_error_and_perfect_error_is_one() -> None:
    sure = torch.ones(100)
    right, wrong = (expected_calibration_error(sure, torch.full((100,), value)) for value in (1.0, 0.0))
    assert (right.value, right.low, right.high) == (0.0, 0.0, 0.0)
    assert wrong.value == 1.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 9))
def test_batches_and_merged_parts_count_as_one_whole(pairs: list[tuple[float, bool]], size: int) -> None:
    confidence, correct = torch.tensor([each[0] for each in pairs]), torch.tensor([each[1] for each in pairs])
    parts = [
        Reliability.empty().update(*each) for each in zip(confidence.split(size), correct.split(size), strict=True)
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    once = Reliability.empty().update(confidence, correct)
    assert torch.equal(whole.n, once.n)
    assert torch.equal(whole.right, once.right)
    assert whole.confidence.tolist() == pytest.approx(once.confidence.tolist())
    assert whole.spread == pytest.approx(once.spread)


@pytest.mark.parametrize(("n", "shift"), [(200, 0.0), (2000, 0.0), (500, 0.03), (1000, 0.1), (500, -0.05)])
def test_the_interval_covers_the_true_error_in_about_95_of_100_draws(n: int, shift: float) -> None:
    covered, draws = 0, 40
    for seed in range(draws):
        confidence, correct, truth = net(n, shift, seed)
        number = expected_calibration_error(confidence, correct, seed=seed)
        assert number.low is not None
        assert number.high is not None
        assert number.low <= float(number) <= number.high
        covered += number.low - 1e-12 <= truth <= number.high + 1e-12
    assert covered / draws >= 0.85  # binomial spread of 40 draws: 0.034


def test_a_calibrated_net_is_called_uncalibrated_in_5_of_100_draws_at_p_005() -> None:
    below = [
        chance_error(Reliability.empty().update(*net(400, 0.0, seed)[:2]), seed=seed).p < 0.05 for seed in range(200)
    ]
    assert sum(below) / 200 <= 0.09  # binomial spread of 200 draws: 0.015


def test_the_error_of_a_calibrated_net_is_what_chance_is_said_to_make() -> None:
    measured, said = [], []
    for seed in range(100):
        confidence, correct, _ = net(300, 0.0, seed)
        counted = Reliability.empty().update(confidence, correct)
        measured.append(float((counted.right - counted.confidence).abs().sum()) / 300)
        said.append(chance_error(counted, seed=seed).mean)
    assert sum(measured) == pytest.approx(sum(said), rel=0.06)


def test_an_overconfident_net_is_found_out() -> None:
    confidence, correct, truth = net(2000, 0.1)
    counted = Reliability.empty().update(confidence, correct)
    assert chance_error(counted).p < 0.002
    assert (counted.compute().low or 0.0) > truth / 2


def test_the_same_seed_gives_the_same_interval() -> None:
    confidence, correct, _ = net(300, 0.05)
    assert expected_calibration_error(confidence, correct, seed=3) == expected_calibration_error(
        confidence, correct, seed=3
    )


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (20, 0.05), (60, 0.9), (7, 0.0), (7, 1.0)])
def test_the_binomial_distribution_is_exact(n: int, p: float) -> None:
    from fractions import Fraction

    expected = [1 - binomial_tail(k + 1, n, Fraction(p)) for k in range(n)]
    assert binomial_cdf(n, p).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_confidence_outside_the_unit_interval_is_refused(value: float) -> None:
    with pytest.raises(StriateError, match=r"not in \[0, 1\]"):
        Reliability.empty().update(torch.tensor([value]), torch.tensor([True]))


def test_no_images_have_no_error_and_different_bins_do_not_add_up() -> None:
    assert Reliability.empty().compute().value is None
    with pytest.raises(StriateError, match="no images"):
        chance_error(Reliability.empty())
    with pytest.raises(StriateError, match="10 bins and 15"):
        Reliability.empty(10).merge(Reliability.empty(15))
    with pytest.raises(StriateError, match="bins is 0"):
        Reliability.empty(0)
