"""Nets on the same images, saved evaluations, and what they cost."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import binomtest, fisher_exact
from torch import Tensor, nn

from measure.tables import NAMES, answers, data_of, healthy, table_of
from striate.core.codec import dumps, from_json
from striate.core.errors import StriateError
from striate.core.number import Number
from striate.measure.analysis import analyse
from striate.measure.compared import ComparedNet, Comparison, Timing
from striate.measure.comparison import compare_tables
from striate.measure.differences import comparison_findings
from striate.measure.independent import compare_evaluations
from striate.measure.table import Table
from striate.measure.timing import median, peak_bytes, time_nets
from striate.nets.net import Net


def net_of(labels: Tensor, accuracy: float, seed: int) -> Table:
    """A net that is right so often, whatever the image."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(labels), generator=generator) >= accuracy
    shift = torch.randint(1, 10, (len(labels),), generator=generator)
    margin = 1 + 5 * torch.rand(len(labels), 1, generator=generator)
    return table_of(margin * answers(labels, torch.where(wrong, (labels + shift) % 10, labels), margin=1.0), labels)


@pytest.fixture(scope="module")
def labels() -> Tensor:
    return torch.arange(2000) % 10


@pytest.fixture(scope="module")
def three(labels: Tensor) -> Comparison:
    tables = [net_of(labels, accuracy, seed) for seed, accuracy in enumerate((0.95, 0.9, 0.91))]
    return compare_tables(["a", "b", "c"], tables, data_of(labels))


def test_pairs_are_tested_on_the_same_images(three: Comparison, labels: Tensor) -> None:
    tables = [net_of(labels, accuracy, seed) for seed, accuracy in enumerate((0.95, 0.9, 0.91))]
    raw = []
    for pair, (one, other) in zip(three.pairs, ((0, 1), (0, 2), (1, 2)), strict=True):
        a, b = tables[one].correct, tables[other].correct
        assert (pair.only_a, pair.only_b) == (int((a & ~b).sum()), int((b & ~a).sum()))
        assert pair.both + pair.neither + pair.only_a + pair.only_b == 2000
        raw.append(binomtest(pair.only_a, pair.only_a + pair.only_b, 0.5).pvalue)
        assert float(pair.difference) == pytest.approx(float(a.double().mean() - b.double().mean()))
        same = (tables[one].predicted == tables[other].predicted).double().mean()
        assert float(pair.agreement) == pytest.approx(float(same))
        gap = (tables[one].losses - tables[other].losses).mean()
        assert float(pair.loss) == pytest.approx(float(gap))
    order = sorted(range(3), key=lambda row: raw[row])
    corrected, most = [0.0] * 3, 0.0
    for place, row in enumerate(order):  # Holm, step by step
        most = max(most, min(1.0, raw[row] * (3 - place)))
        corrected[row] = most
    assert [pair.p for pair in three.pairs] == pytest.approx(corrected)
    assert [pair.better for pair in three.pairs] == ["a", "a", ""]


def test_contradictions_come_first_and_hold_what_each_says(three: Comparison, labels: Tensor) -> None:
    assert len(three.disagreements) == 200
    products = []
    for one in three.disagreements:
        assert any(one.right)
        assert not all(one.right)
        for said, right in zip(one.said, one.right, strict=True):
            assert (said == one.label) == right
        sides = [max(c for c, r in zip(one.confidence, one.right, strict=True) if r is side) for side in (True, False)]
        products.append(math.prod(sides))
        assert one.label == NAMES[int(labels[one.row])]
    assert products == sorted(products, reverse=True)
    assert three.all_right is not None
    assert three.at_least_one is not None
    assert float(three.all_right) < min(float(each.accuracy) for each in three.nets)
    assert float(three.at_least_one) > max(float(each.accuracy) for each in three.nets)


def test_a_net_compared_with_itself_differs_in_nothing(labels: Tensor) -> None:
    table = net_of(labels, 0.9, 0)
    found = compare_tables(["a", "b"], [table, table], data_of(labels))
    (pair,) = found.pairs
    assert (pair.p, pair.better, float(pair.difference), float(pair.agreement)) == (1.0, "", 0.0, 1.0)
    assert found.disagreements == ()
    (one,) = comparison_findings(found, data="d")
    assert one.id == "alike/nets"


def test_equally_good_nets_are_hardly_ever_told_apart() -> None:
    labels = torch.arange(400) % 10
    told = 0
    for seed in range(25):
        tables = [net_of(labels, 0.9, 50 + 3 * seed + each) for each in range(3)]
        told += any(pair.better for pair in compare_tables(["a", "b", "c"], tables, data_of(labels)).pairs)
    assert told <= 2  # 0.25 expected at most: the test is exact and errs to the safe side


def test_tables_of_other_images_are_refused(labels: Tensor) -> None:
    table = net_of(labels, 0.9, 0)
    other = replace(table, ids=table.ids + 1)
    with pytest.raises(StriateError, match="a and b were measured on other images"):
        compare_tables(["a", "b"], [table, other], data_of(labels))
    with pytest.raises(StriateError, match="1 net"):
        compare_tables(["a"], [table], data_of(labels))


def test_findings_say_which_is_better_and_which_is_not_worth_its_cost(three: Comparison) -> None:
    cost = {"a": (5, 1.0), "b": (50, 9.0), "c": (1, 0.5)}
    nets = tuple(
        replace(
            net,
            macs=cost[net.name][0],
            single=Timing(1, Number(cost[net.name][1], cost[net.name][1] * 0.9, cost[net.name][1] * 1.1)),
        )
        for net in three.nets
    )
    found = comparison_findings(replace(three, nets=nets), data="shapes")
    assert [one.id for one in found] == ["outdone/b+a", "better/a+b", "better/a+c"]
    assert "b costs more than a and is worse" in found[0].seen
    assert found[1].command == "striate examine a shapes --out report.html"


def test_a_comparison_is_read_back_from_its_json(three: Comparison) -> None:
    assert from_json(json.loads(dumps(three)), Comparison) == three


def test_two_evaluations_differ_by_independent_measurements() -> None:
    one_labels, other_labels = torch.arange(1000) % 10, torch.arange(1500) % 10
    a = analyse(net_of(one_labels, 0.95, 0), data_of(one_labels))
    b = analyse(net_of(other_labels, 0.85, 1), data_of(other_labels))
    found = compare_evaluations(("old", "new"), (a, b), ("d, test", "e, test"), same_images=False)
    accuracy = found.differences[0]
    right = [round(each.n * float(each.accuracy)) for each in (a, b)]
    table = [[right[1], 1500 - right[1]], [right[0], 1000 - right[0]]]
    lower, upper = (fisher_exact(table, alternative=side)[1] for side in ("less", "greater"))
    assert float(accuracy.p) == pytest.approx(2 * min(lower, upper))
    assert float(accuracy.difference) == pytest.approx(right[1] / 1500 - right[0] / 1000)
    assert accuracy.clear
    for one in found.differences[1:]:
        if one.difference.low is not None and one.difference.high is not None and "recall of" not in one.what:
            assert one.clear == (one.difference.low > 0 or one.difference.high < 0)
    loss = next(one for one in found.differences if one.what == "loss")
    assert not loss.higher_is_better
    down, up = float(b.loss) - float(b.loss.low or 0), float(a.loss.high or 0) - float(a.loss)
    assert loss.difference.low == pytest.approx(float(b.loss) - float(a.loss) - math.hypot(down, up))
    (fell, *_) = comparison_findings(found, data="d")
    assert fell.id == "fell/accuracy"
    assert fell.severity == "warning"
    assert "independent" in found.note


def test_an_evaluation_against_itself_has_no_clear_difference_and_asks_for_a_paired_test() -> None:
    logits, labels = healthy(0, 500)
    a = analyse(table_of(logits, labels), data_of(labels))
    found = compare_evaluations(("a", "b"), (a, a), ("d", "d"), same_images=True)
    assert not any(one.clear for one in found.differences)
    assert all(float(one.difference) == 0 for one in found.differences if one.difference.value is not None)
    (one,) = comparison_findings(found, data="d", paired="striate compare a b --data d")
    assert one.command == "striate compare a b --data d"
    other = replace(a, classes=tuple(replace(each, name=f"no {each.name}") for each in a.classes))
    with pytest.raises(StriateError, match="no class in common"):
        compare_evaluations(("a", "b"), (a, other), ("d", "d"), same_images=False)


@pytest.mark.parametrize(("n", "ranks"), [(6, (1, 6)), (9, (2, 8)), (15, (4, 12)), (20, (6, 15))])
def test_a_median_has_the_interval_of_its_order_statistics(n: int, ranks: tuple[int, int]) -> None:
    # ranks as tabled for 95 % (Conover 1999, table A3 by the binomial)
    found = median([float(each) for each in reversed(range(1, n + 1))])
    assert (found.low, found.high) == ranks
    assert found.value == (n + 1) / 2
    assert median([3.0, 1.0]).low is None
    assert median([]).value is None


class Chain(nn.Module):
    """4 channels, then 8, then a sum with what was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 4, 3, padding=1)
        self.last = nn.Linear(4 * 64, 2)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.first(x)
        y = self.third(self.second(kept))
        return self.last((y + kept).flatten(1))


def test_memory_is_that_of_the_outputs_alive_at_once() -> None:
    # at the third convolution: 4 channels kept for the sum, 8 that it takes in, 4 that it makes, of 8 x 8 floats
    assert peak_bytes(Net(Chain(), classes=2, channels=1, size=(8, 8)), None) == (4 + 8 + 4) * 64 * 4


def test_nets_are_timed_in_turns_and_the_slower_one_takes_longer() -> None:
    small = Net(nn.Sequential(nn.Flatten(), nn.Linear(1024, 2)), classes=2, channels=1, size=(32, 32))
    large = Net(
        nn.Sequential(nn.Conv2d(1, 64, 5), nn.Conv2d(64, 64, 5), nn.Flatten(), nn.Linear(64 * 24 * 24, 2)),
        classes=2,
        channels=1,
        size=(32, 32),
    )
    images = torch.rand(16, 1, 32, 32)
    before = [each.training for each in large.modules()]
    (fast, many), (slow, _) = time_nets([small, large], [images, images], memory=1 << 28, rounds=6)
    assert fast.batch == 1
    assert many.batch in {1, 2, 4, 8, 16}
    assert float(fast.milliseconds) > 0
    assert float(slow.milliseconds) > 2 * float(fast.milliseconds)
    assert fast.milliseconds.n == 6
    assert [each.training for each in large.modules()] == before


def test_a_net_without_costs_is_compared_by_its_figures() -> None:
    plain = ComparedNet("a", 1, *(Number.missing("none"),) * 4)
    assert plain.single is None
    assert comparison_findings(Comparison("nets", ("d",), (plain, plain)), data="d") == ()
