"""Ranks, losses, Brier score."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as their_log_loss

from oracles.metrics_figures import rank_of
from striate.core.errors import StriateError
from striate.metrics.losses import brier, cross_entropy, log_loss
from striate.metrics.topk import TopK, label_ranks, top_k_accuracy

SCORES = st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=1, max_size=20)


@given(SCORES, st.randoms())
def test_the_rank_is_the_place_in_the_sorted_classes_ties_by_number(rows: list[list[int]], random) -> None:  # type: ignore[no-untyped-def]
    labels = [random.randrange(7) for _ in rows]
    scores = torch.tensor(rows, dtype=torch.float32)
    expected = [rank_of([float(each) for each in row], label) for row, label in zip(rows, labels, strict=True)]
    assert label_ranks(scores, torch.tensor(labels)).tolist() == expected
    assert torch.equal(label_ranks(scores, torch.tensor(labels)) == 0, scores.argmax(1) == torch.tensor(labels))


def test_a_net_with_equal_outputs_is_no_better_than_always_naming_class_0() -> None:
    labels = torch.arange(10)
    assert top_k_accuracy(torch.zeros(10, 10), labels, 1).value == 0.1
    assert top_k_accuracy(torch.zeros(10, 10), labels, 5).value == 0.5


@given(SCORES, st.integers(1, 8), st.integers(1, 5))
def test_top_k_in_batches_is_that_of_the_whole(rows: list[list[int]], k: int, size: int) -> None:
    scores = torch.tensor(rows, dtype=torch.float64)
    labels = torch.arange(len(rows)) % 7
    parts = [TopK(k).update(*each) for each in zip(scores.split(size), labels.split(size), strict=True)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    assert whole.compute() == top_k_accuracy(scores, labels, k)


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (torch.tensor([[1.0, math.nan]]), torch.tensor([0]), "NaN"),
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), r"shape \(3,\)"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), r"labels \(2,\)"),
    ],
)
def test_scores_without_rank_are_refused(scores: torch.Tensor, labels: torch.Tensor, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        label_ranks(scores, labels)


def test_k_below_one_and_two_different_k_are_refused() -> None:
    with pytest.raises(StriateError, match="k is 0"):
        TopK(0)
    with pytest.raises(StriateError, match="top 1 and top 5"):
        TopK(1).merge(TopK(5))


def test_cross_entropy_of_the_lecture_scores() -> None:
    # cat 3.2, boat -5, shark 10; the label is the cat: sum of exponentials 22051.0051
    assert float(cross_entropy(torch.tensor([[3.2, -5.0, 10.0]]), torch.tensor([0]))) == pytest.approx(
        6.801113, abs=1e-6
    )


@pytest.mark.parametrize("classes", [10, 1000])
def test_cross_entropy_of_equal_scores_is_the_log_of_their_number(classes: int) -> None:
    assert float(cross_entropy(torch.full((1, classes), 7.0), torch.tensor([3]))) == pytest.approx(math.log(classes))


def test_cross_entropy_of_huge_logits_is_exact_and_finite() -> None:
    assert cross_entropy(torch.tensor([[1e4, 0.0], [0.0, 1e4]]), torch.tensor([1, 1])).tolist() == [1e4, 0.0]


def probabilities(n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, k, generator=generator, dtype=torch.float64)
    return torch.softmax(scores, 1), torch.randint(0, k, (n,), generator=generator)


@pytest.mark.parametrize("classes", [2, 5])
def test_log_loss_and_brier_agree_with_scikit_learn(classes: int) -> None:
    p, labels = probabilities(50, classes, classes)
    assert float(log_loss(p, labels).mean()) == pytest.approx(
        their_log_loss(labels, p.numpy(), labels=list(range(classes)))
    )
    theirs = brier_score_loss(labels, p.numpy(), labels=list(range(classes)), scale_by_half=False)
    assert float(brier(p, labels).mean()) == pytest.approx(theirs)


def test_log_loss_of_an_impossible_label_is_infinite_and_not_clipped() -> None:
    assert log_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([1])).tolist() == [math.inf]


def test_brier_runs_from_0_for_sure_and_right_to_2_for_sure_and_wrong() -> None:
    p = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    assert brier(p, torch.tensor([0, 1, 0])).tolist() == [0.0, 2.0, 0.5]


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (torch.tensor([[2.0, -1.0]]), "negative"),
        (torch.tensor([[0.2, 0.2]]), "sum to"),
        (torch.tensor([[math.nan, 1.0]]), "NaN"),
    ],
)
def test_what_are_no_probabilities_is_refused(p: torch.Tensor, words: str) -> None:
    with pytest.raises(StriateError, match=words):
        brier(p, torch.tensor([0]))


def test_a_label_outside_the_classes_is_refused_with_its_number() -> None:
    with pytest.raises(StriateError, match="labels go from 4 to 4"):
        cross_entropy(torch.zeros(1, 3), torch.tensor([4]))
