"""The average is that of a slow loop, costs no more than its members' mean loss, and of one member is that member."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from oracles.learn_ensembles import geometric_mean, mean_probabilities
from striate.core.errors import StriateError
from striate.learn.ensembles.average import Average, average_tables, averaged
from striate.learn.ensembles.measure import Voice, choose, measure_ensemble
from striate.measure.table import Table


def a_table(seed: int, *, n: int = 40, classes: int = 5, scale: float = 3.0) -> Table:
    made = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    logits = scale * torch.randn(n, classes, generator=made) + 2 * torch.nn.functional.one_hot(labels, classes)
    rows = torch.arange(n)
    return Table(logits, labels, rows, rows, tuple("abcdefgh"[:classes]), key=str(seed))


TABLES = [a_table(seed) for seed in range(4)]


@pytest.mark.parametrize(("average", "oracle"), [("probabilities", mean_probabilities), ("logits", geometric_mean)])
def test_the_average_is_that_of_a_slow_loop(average: Average, oracle: object) -> None:
    members = [table.logits for table in TABLES]
    expected = torch.tensor(oracle([each.tolist() for each in members]), dtype=torch.float64)  # type: ignore[operator]
    got = torch.softmax(averaged(members, average=average), 1)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_the_growing_average_ends_where_the_average_of_all_is(average: Average) -> None:
    voices = [Voice(f"net {place}", "whole", table) for place, table in enumerate(TABLES)]
    result = measure_ensemble(voices, data="made", average=average)
    for row in result.growth:
        whole = average_tables(TABLES[: row.members], average=average)
        assert float(row.loss) == pytest.approx(float(whole.losses.mean()), abs=1e-12)
        assert float(row.accuracy) == float(whole.correct.double().mean())
    before, last = result.growth[-2], result.growth[-1]
    assert float(last.gain) == pytest.approx(float(last.accuracy) - float(before.accuracy))
    assert float(last.loss_gain) == pytest.approx(float(last.loss) - float(before.loss))


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_the_average_never_costs_more_than_its_members_on_average(average: Average) -> None:
    whole = average_tables(TABLES, average=average)
    alone = torch.stack([table.losses for table in TABLES]).mean(0)
    assert bool((whole.losses <= alone + 1e-12).all())
    same = average_tables([TABLES[0]] * 3, average=average)
    torch.testing.assert_close(same.losses, TABLES[0].losses, rtol=1e-9, atol=1e-9)


def test_an_ensemble_of_one_net_is_that_net() -> None:
    assert average_tables(TABLES[:1]) is TABLES[0]
    result = measure_ensemble([Voice("net", "whole", TABLES[0])], data="made")
    assert result.whole.accuracy == result.best_member.accuracy
    assert result.whole.loss == result.best_member.loss
    assert (float(result.over_best), result.p, float(result.whole.spread)) == (0.0, 1.0, 0.0)


def test_classes_in_another_order_are_matched_by_name_and_others_refused() -> None:
    first = TABLES[0]
    order = [2, 0, 1, 4, 3]
    places = torch.tensor([order.index(place) for place in range(5)])
    turned = replace(
        TABLES[1],
        logits=TABLES[1].logits[:, order],
        labels=places[TABLES[1].labels],
        names=tuple(first.names[place] for place in order),
    )
    expected = average_tables([first, TABLES[1]])
    got = average_tables([first, turned])
    assert torch.equal(got.logits, expected.logits)
    assert torch.equal(got.labels, expected.labels)
    with pytest.raises(StriateError, match="other classes"):
        average_tables([first, a_table(1, classes=6)])
    with pytest.raises(StriateError, match="other images"):
        average_tables([first, replace(TABLES[1], ids=TABLES[1].ids + 1)])
    with pytest.raises(StriateError, match="shapes"):
        averaged([first.logits, first.logits[:, :3]])


def test_the_choice_takes_the_least_loss_first_and_leaves_a_member_out_that_raises_it() -> None:
    noise = a_table(9, scale=60.0)
    picks, kept = choose([noise, *TABLES[:2]])
    assert picks[0].member == min((1, 2), key=lambda place: float([noise, *TABLES][place].losses.mean()))
    assert picks[-1].member == 0
    assert kept == 2
    result = measure_ensemble(
        [Voice(name, "whole", table) for name, table in zip("nab", [noise, *TABLES[:2]], strict=True)],
        data="made",
        chosen=(picks, kept),
    )
    assert [row.kept for row in result.members] == [True, True, False]
    assert result.members[-1].name == "n"
    assert result.whole.members == 2
    assert result.order == "dev"
