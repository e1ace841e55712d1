"""Labels that look wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from measure.tables import NAMES, data_of, healthy, table_of
from oracles.measure_figures import doubted
from striate.measure.labels import doubted_labels, label_noise, label_suspects


def noisy(labels: Tensor, share: float, seed: int, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Labels of which a share is another class, and which those are."""
    generator = torch.Generator().manual_seed(1000 + seed)
    wrong = torch.rand(len(labels), generator=generator) < share
    shift = torch.randint(1, classes, (len(labels),), generator=generator)
    return torch.where(wrong, (labels + shift) % classes, labels), wrong


@pytest.mark.parametrize("seed", range(3))
def test_doubted_labels_are_those_of_a_slow_reading_of_the_paper(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = healthy(seed, 200, NAMES[:4], scale=3.0)
    labels, _ = noisy(labels, 0.1, seed, 4)
    expected = doubted(torch.softmax(logits.double(), 1).tolist(), labels.tolist())
    monkeypatch.setattr("striate.measure.table.SLICE", 120)  # in several slices
    found = doubted_labels(table_of(logits, labels, NAMES[:4]))
    ours = zip(found.rows.tolist(), found.suggested.tolist(), found.quality.tolist(), strict=True)
    assert {row: (suggested, pytest.approx(quality)) for row, suggested, quality in ours} == expected
    assert found.quality.tolist() == sorted(found.quality.tolist())


@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize(("n", "scale"), [(500, 6.0), (2000, 3.0), (2000, 20.0)])
def test_mistakes_of_a_calibrated_or_merely_too_sure_net_are_no_wrong_labels(
    n: int, scale: float, factor: float
) -> None:
    for seed in range(20):
        logits, labels = healthy(seed, n, scale=scale)
        assert label_noise(table_of(factor * logits, labels)).p > 1e-3, seed


@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize("share", [0.02, 0.08])
def test_the_share_of_wrong_labels_is_found(share: float, factor: float) -> None:
    logits, labels = healthy(7, 4000, scale=6.0)
    labels, wrong = noisy(labels, share, 7)
    found = label_noise(table_of(factor * logits, labels))
    assert found.p < 1e-6
    assert float(found.rate) == pytest.approx(float(wrong.double().mean()), abs=0.005)
    assert found.rate.low is not None


def test_the_most_suspect_labels_are_mostly_wrong_ones_and_named() -> None:
    logits, labels = healthy(1, 4000, scale=20.0)
    labels, wrong = noisy(labels, 0.05, 1)
    table, data = table_of(logits, labels), data_of(labels)
    found = label_suspects(table, data, doubted_labels(table))
    assert len(found) == 200
    first = found[:100]
    assert sum(bool(wrong[one.row]) for one in first) >= 95
    for one in first:
        assert one.label_name == NAMES[one.label] != one.suggested_name == NAMES[one.suggested]
        assert (one.name, one.split) == (data.name_of(one.row), "test")
        assert 0 <= one.quality <= 0.5 < one.confidence <= 1


def test_of_a_part_of_the_rows_the_rows_of_the_split_are_named() -> None:
    logits, labels = healthy(1, 400, scale=20.0)
    labels, _ = noisy(labels, 0.1, 1)
    table = table_of(logits, labels).take(range(200, 400))
    found = label_suspects(table, data_of(labels), doubted_labels(table))
    assert found
    assert all(one.row >= 200 and one.label == int(labels[one.row]) for one in found)


def test_large_tables_are_fitted_on_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = healthy(3, 3000, scale=6.0)
    labels, _ = noisy(labels, 0.05, 3)
    monkeypatch.setattr("striate.measure.labels.CELLS", 10_000)
    found = label_noise(table_of(logits, labels))
    assert found.rate.n == 1000
    assert found.p < 1e-6


def test_one_image_or_impossible_labels_give_no_share() -> None:
    assert label_noise(table_of(torch.zeros(1, 10), torch.tensor([0]))).rate.value is None
    endless = torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]])
    assert label_noise(table_of(endless, torch.tensor([0, 1]), NAMES[:2])).p == 1.0
    assert len(doubted_labels(table_of(torch.zeros(0, 10), torch.zeros(0, dtype=torch.int64))).rows) == 0
