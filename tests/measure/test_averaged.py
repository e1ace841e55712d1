"""Every figure averaged three ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, matthews_corrcoef
from torch import Tensor

from oracles.measure_figures import FIGURES, mean_over_classes, pooled
from striate.measure.averaged import averages
from striate.measure.payload import Average
from striate.metrics.binary import Counts


def drawn(seed: int, classes: int, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    said = torch.randint(0, classes, (n,), generator=generator)
    said = torch.where(torch.rand(n, generator=generator) < 0.7, labels, said)
    return torch.bincount(labels * classes + said, minlength=classes * classes).view(classes, classes)


def cells_of(matrix: Tensor) -> tuple[list[int], list[int]]:
    """One label and one prediction an image."""
    pairs = [(i, j) for i, row in enumerate(matrix.tolist()) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in pairs], [j for _, j in pairs]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("classes", "n"), [(2, 30), (3, 12), (5, 200), (7, 9)])
def test_averages_are_those_of_slow_loops(seed: int, classes: int, n: int) -> None:
    matrix = drawn(seed, classes, n)
    found = averages(matrix)
    for name in FIGURES:
        for kind, by_support in ((found.macro, False), (found.weighted, True)):
            expected = mean_over_classes(matrix.tolist(), name, by_support=by_support)
            ours = getattr(kind, name).value
            assert ours == (None if expected is None else pytest.approx(expected)), name
        expected = pooled(matrix.tolist(), name)
        assert getattr(found.micro, name).value == (None if expected is None else pytest.approx(expected)), name


@pytest.mark.parametrize("seed", range(4))
def test_figures_of_the_whole_table_are_those_of_scikit_learn(seed: int) -> None:
    matrix = drawn(seed, 4, 120)
    labels, said = cells_of(matrix)
    found = averages(matrix)
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, said))
    assert found.matthews.value == pytest.approx(matthews_corrcoef(labels, said))
    assert found.kappa.value == pytest.approx(cohen_kappa_score(labels, said))


def test_rates_and_their_complements_sum_to_one_with_mirrored_intervals() -> None:
    found = averages(drawn(1, 5, 300))
    for kind in (found.micro, found.macro, found.weighted):
        for rate, other in (
            (kind.specificity, kind.false_positive_rate),
            (kind.negative_predictive_value, kind.false_omission_rate),
            (kind.recall, kind.false_negative_rate),
        ):
            assert float(rate) + float(other) == pytest.approx(1)
            if kind is not found.micro and rate is kind.recall:
                continue  # the weighted recall is the accuracy, whose interval is Wilson's
            assert rate.low == pytest.approx(1 - float(other.high or 0.0))


def test_with_two_classes_macro_figures_are_the_means_of_the_two_tables() -> None:
    matrix = torch.tensor([[50, 10], [5, 35]])
    found = averages(matrix).macro
    one, other = Counts(35, 10, 5, 50), Counts(50, 5, 10, 35)
    for name in ("specificity", "matthews", "kappa", "balanced_accuracy", "positive_likelihood_ratio"):
        both = (float(getattr(one, name)) + float(getattr(other, name))) / 2
        assert getattr(found, name).value == pytest.approx(both)
    # of two classes both tables have one and the same correlation: so has its interval
    assert found.matthews.low == pytest.approx(one.matthews.low)


def test_intervals_are_as_wide_as_the_figures_spread_when_images_are_drawn_anew() -> None:
    # classes differ in how many images they have and how well they are told: the weights' own spread counts too
    matrix = torch.tensor([[390, 5, 3, 2], [60, 120, 40, 20], [10, 20, 85, 5], [2, 8, 10, 20]])
    shares = (matrix.double() / matrix.sum()).flatten().numpy()
    draws = np.random.default_rng(0).multinomial(800, shares, size=300)
    again = [averages(torch.from_numpy(draw).view(4, 4)) for draw in draws]
    here = averages(matrix)
    for kind in ("macro", "weighted"):
        for name in ("false_positive_rate", "kappa", "negative_predictive_value", "balanced_accuracy", "prevalence"):
            number = getattr(getattr(here, kind), name)
            spread = float(np.std([getattr(getattr(each, kind), name).value for each in again]))
            if number.low is None:
                assert spread < 1e-9, name  # the mean prevalence of four classes is a quarter
            else:
                assert spread == pytest.approx((float(number.high) - number.low) / 2 / 1.959964, rel=0.15), name


def test_a_class_without_a_figure_is_left_out_and_counted_and_an_infinite_one_leaves_no_mean() -> None:
    matrix = torch.tensor([[5, 1, 0], [1, 5, 0], [2, 0, 0]])  # the third is never predicted
    found = averages(matrix).macro
    assert "1 without the figure left out" in found.false_discovery_rate.why
    perfect = averages(torch.diag(torch.tensor([4, 6])))
    for kind in (perfect.micro, perfect.macro):
        assert kind.diagnostic_odds_ratio.value is None
        assert "division by 0" in kind.diagnostic_odds_ratio.why
    nothing = averages(torch.zeros(3, 3, dtype=torch.int64))
    assert all(number.value is None and number.why for number in vars(nothing.macro).values())
    assert isinstance(nothing.macro, Average)
