"""Thresholds by cost and by what is asked for."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracles.metrics_operating import Table, mean_cost, tables
from striate.core.errors import StriateError
from striate.metrics.binary import Counts
from striate.metrics.operating import (
    Cost,
    OperatingPoint,
    at_threshold,
    bayes_threshold,
    by_cost,
    class_thresholds,
    points,
)

Pairs = list[tuple[int, bool]]
PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=25)
TWO_SIDED = PAIRS.filter(lambda pairs: len({pair[1] for pair in pairs}) == 2)


def vectors(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([float(pair[0]) for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


def known(pairs: Pairs) -> list[tuple[float, Table]]:
    return tables([float(pair[0]) for pair in pairs], [pair[1] for pair in pairs])


def table(point: OperatingPoint) -> Table:
    return point.counts.tp, point.counts.fp, point.counts.fn, point.counts.tn


def threshold(point: OperatingPoint) -> float:
    return math.inf if point.threshold.value is None else point.threshold.value


def divided(above: int, below: int) -> Fraction:
    return Fraction(above, below) if below else Fraction(-1)


@given(TWO_SIDED, st.integers(0, 5), st.integers(1, 5), st.sampled_from([None, Fraction(1, 10), Fraction(1, 2)]))
def test_no_threshold_costs_less_and_no_higher_one_as_little(
    pairs: Pairs, alarm: int, miss: int, prior: Fraction | None
) -> None:
    found = by_cost(
        *vectors(pairs), false_positive=alarm, false_negative=miss, prior=None if prior is None else float(prior)
    )
    costs = [(mean_cost(cells, Fraction(alarm), Fraction(miss), prior), -at, cells) for at, cells in known(pairs)]
    least, at, cells = min(costs)
    assert float(found.cost) == pytest.approx(float(least), abs=1e-12)
    assert threshold(found) == -at
    assert table(found) == cells
    assert found.cost.low is not None
    assert found.cost.low <= float(found.cost) <= (found.cost.high or 0.0)


@given(PAIRS)
def test_the_points_are_the_best_of_all_thresholds(pairs: Pairs) -> None:
    every, scores = known(pairs), vectors(pairs)
    found = {each.name: each for each in points(*scores, recalls=(0.5, 0.95), precisions=(0.75,), alarms=(0.25,))}
    positives = sum(pair[1] for pair in pairs)
    negatives = len(pairs) - positives
    assert float(found["least cost"].cost) == pytest.approx(min((c[1] + c[2]) / len(pairs) for _, c in every))
    if positives and negatives:
        best = max(Fraction(c[0], positives) - Fraction(c[1], negatives) for _, c in every)
        ours = found["Youden's J"].counts
        assert Fraction(ours.tp, positives) - Fraction(ours.fp, negatives) == best
    else:
        assert found["Youden's J"].threshold.why.startswith("0/0")
    if positives:
        ours = found["highest F1"].counts
        best = max(divided(2 * c[0], 2 * c[0] + c[1] + c[2]) for _, c in every)
        assert Fraction(2 * ours.tp, 2 * ours.tp + ours.fp + ours.fn) == best
        for recall in (Fraction(1, 2), Fraction(19, 20)):
            at, cells = next((at, c) for at, c in every if Fraction(c[0], positives) >= recall)
            assert (threshold(found[f"recall >= {float(recall):g}"]), table(found[f"recall >= {float(recall):g}"])) == (
                at,
                cells,
            )
    else:
        assert found["highest F1"].threshold.why == found["recall >= 0.5"].threshold.why == "0/0: no image of the class"
    precise = [each for each in every if divided(each[1][0], each[1][0] + each[1][1]) >= Fraction(3, 4)]
    if precise:
        assert (threshold(found["precision >= 0.75"]), table(found["precision >= 0.75"])) == precise[-1]
    else:
        assert "the highest precision is" in found["precision >= 0.75"].threshold.why
    if negatives:
        few = [c for _, c in every if Fraction(c[1], negatives) <= Fraction(1, 4)]
        assert found["false positive rate <= 0.25"].counts.tp == max(c[0] for c in few)
        assert found["false positive rate <= 0.25"].counts.fp <= negatives / 4
    else:
        assert found["false positive rate <= 0.25"].threshold.why.startswith("0/0")


@given(TWO_SIDED)
def test_a_chosen_threshold_measured_on_the_same_images_gives_the_same_table(pairs: Pairs) -> None:
    for point in points(*vectors(pairs)):
        again = at_threshold(*vectors(pairs), point.threshold.value)
        assert (again.counts, again.cost) == (point.counts, point.cost)


def test_on_calibrated_probabilities_the_bayes_threshold_is_the_best_one() -> None:
    rng = np.random.default_rng(0)
    chances = rng.random(200_000)
    scores, truths = torch.from_numpy(chances), torch.from_numpy(rng.random(200_000) < chances)
    found = by_cost(scores, truths, false_positive=1, false_negative=4)
    assert bayes_threshold(1, 4) == 0.2
    assert float(found.threshold) == pytest.approx(0.2, abs=0.03)
    theirs = at_threshold(scores, truths, 0.2, false_positive=1, false_negative=4)
    assert float(found.cost) <= float(theirs.cost) <= float(found.cost) + 5e-4
    twice = bayes_threshold(1, 4, trained=0.4, prior=0.1)
    assert twice / (1 - twice) == pytest.approx(0.25 * (0.4 / 0.6) * (0.9 / 0.1))
    # where the class is rarer in use than here (one half) the threshold moves by the ratio of the odds
    rare = bayes_threshold(1, 4, trained=0.5, prior=0.1)
    assert rare / (1 - rare) == pytest.approx(0.25 * 9)
    shifted = by_cost(scores, truths, false_positive=1, false_negative=4, prior=0.1)
    assert float(shifted.threshold) == pytest.approx(rare, abs=0.04)


def test_where_alarms_cost_too_much_no_image_is_called_positive() -> None:
    found = by_cost(
        torch.tensor([0.2, 0.8, 0.9]), torch.tensor([False, True, False]), false_positive=9, false_negative=1
    )
    assert found.threshold.value is None
    assert found.threshold.why == "no image is called positive"
    assert found.counts == Counts(0, 0, 1, 2)
    assert float(found.cost) == pytest.approx(1 / 3)


@pytest.mark.parametrize("prior", [None, 0.02])
def test_the_interval_of_the_cost_covers_it_in_about_95_of_100_draws(prior: float | None) -> None:
    rng = np.random.default_rng(0)
    shares, cost = np.array([0.25, 0.06, 0.05, 0.64]), Cost(1.0, 5.0, prior)
    truth = float(cost.of(Counts(250, 60, 50, 640)))
    covered, draws = 0, 1000
    for cells in rng.multinomial(300, shares, size=draws):
        number = cost.of(Counts(*map(int, cells)))
        covered += (number.low or 0.0) <= truth <= (number.high or 0.0)
    assert 0.93 <= covered / draws <= 0.98  # binomial spread of 1,000 draws: 0.007


def test_each_class_has_its_own_threshold() -> None:
    rng = np.random.default_rng(1)
    truths = torch.from_numpy(rng.random((60, 3)) < [0.5, 0.2, 0.0])
    scores = torch.from_numpy(rng.normal(size=(60, 3))) + truths
    for k, point in enumerate(class_thresholds(scores, truths)):
        every = tables(scores[:, k].tolist(), truths[:, k].tolist())
        best = max(divided(2 * c[0], 2 * c[0] + c[1] + c[2]) for _, c in every)
        assert k == 2 or point.counts.f1.value == pytest.approx(float(best))
    assert point.threshold.why == "0/0: no image of the class"
    costly = class_thresholds(scores, truths, by="cost", false_positive=2, false_negative=1)
    assert costly[0] == by_cost(scores[:, 0], truths[:, 0], false_positive=2, false_negative=1)
    assert costly[2].counts == Counts(0, 0, 0, 60)


def test_without_images_of_a_side_or_at_all_the_points_say_so() -> None:
    for truths in (torch.ones(3), torch.zeros(3), torch.zeros(0)):
        found = by_cost(torch.zeros(len(truths)), truths, false_positive=1, false_negative=1, prior=0.3)
        assert found.threshold.why.startswith("0/0: no image of")
        assert found.cost.value is None
        assert all(each.threshold.value is not None or each.threshold.why for each in points(truths, truths))


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({"false_positive": -1.0, "false_negative": 1.0}, "false positive is -1"),
        ({"false_positive": 1.0, "false_negative": math.nan}, "false negative is nan"),
        ({"false_positive": 0.0, "false_negative": 0.0}, "both mistakes cost 0"),
        ({"false_positive": 1.0, "false_negative": 1.0, "prior": 1.0}, r"prior is 1\.0"),
    ],
)
def test_impossible_costs_are_refused(costs: dict[str, float], words: str) -> None:
    with pytest.raises(StriateError, match=words):
        by_cost(torch.tensor([0.1, 0.2]), torch.tensor([True, False]), **costs)


def test_what_cannot_be_asked_for_is_refused() -> None:
    scores, truths = torch.tensor([0.1, 0.2]), torch.tensor([True, False])
    with pytest.raises(StriateError, match=r"95\.0 is asked for"):
        points(scores, truths, recalls=(95.0,))
    with pytest.raises(StriateError, match="by is 'f2'"):
        class_thresholds(scores[:, None], truths[:, None], by="f2")  # type: ignore[arg-type]
    with pytest.raises(StriateError, match=r"shape \(2,\)"):
        class_thresholds(scores, truths)
    with pytest.raises(StriateError, match="threshold is nan"):
        at_threshold(scores, truths, math.nan)
    with pytest.raises(StriateError, match="both shares or none"):
        bayes_threshold(1, 1, prior=0.2)
    with pytest.raises(StriateError, match="prior is 0"):
        bayes_threshold(1, 1, prior=0.2, trained=0.0)
