"""Predictions out of sample: nothing of an image's label reaches its own prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.checks.folds import FEW, out_of_sample, predicted_by_part
from striate.checks.learner import MOST_EPOCHS, Effort, brought_small, grid_features, logistic
from striate.core.errors import StriateError
from striate.core.progress import Progress
from striate.data.annotations import Annotations
from striate.data.dataset import Dataset
from striate.data.load import load_data
from striate.data.splits import folds

SMALL = 700  # image passes: enough to change every weight


def digits(count: int) -> Dataset:
    return load_data("digits", split="train").limit(count)


def relabelled(data: Dataset, rows: Tensor) -> Dataset:
    """The labels of these rows, moved to the next class."""
    labels = data.labels.clone()
    labels[rows] = (labels[rows] + 1) % len(data.classes)
    return Dataset.of(data.pixels(), labels, classes=data.classes, ids=data.ids)


@pytest.mark.parametrize("count", [90, 210])
def test_labels_of_a_fold_do_not_reach_its_predictions_but_those_of_the_others(count: int) -> None:
    data = digits(count)
    parts = folds(data, 3, seed=0)
    before = predicted_by_part(relabelled(data, parts[0][:0]), parts, budget=SMALL)
    after = predicted_by_part(relabelled(data, parts[1]), parts, budget=SMALL)
    assert torch.equal(before.logits[parts[1]], after.logits[parts[1]])
    assert not torch.equal(before.logits[parts[0]], after.logits[parts[0]])
    assert before.learner == ("probe" if count < FEW else "net")


def test_a_seed_gives_the_same_logits_and_another_one_others() -> None:
    data = digits(210)
    first, again, other = (out_of_sample(data, seed=seed, budget=SMALL) for seed in (3, 3, 4))
    assert torch.equal(first.logits, again.logits)
    assert torch.equal(first.fold, again.fold)
    assert not torch.equal(first.logits, other.logits)


def test_what_is_learnt_from_other_images_is_right_of_new_ones() -> None:
    data = digits(400)
    found = out_of_sample(data, budget=4_000)
    assert float((found.logits.argmax(1) == data.labels).float().mean()) > 0.85
    assert found.learnt <= 4_000
    probed = out_of_sample(digits(180))
    assert float((probed.logits.argmax(1) == digits(180).labels).float().mean()) > 0.85


def test_folds_hold_the_classes_in_proportion_and_keep_groups_whole() -> None:
    data = digits(300)
    fold = out_of_sample(data, budget=300).fold
    for label in range(10):
        counts = torch.bincount(fold[data.labels == label], minlength=3)
        assert int(counts.max() - counts.min()) <= 1
    notes = tuple(Annotations(group=f"writer {row // 7}") for row in range(300))
    grouped = Dataset.of(data.pixels(), data.labels, classes=data.classes, notes=notes)
    of_group = out_of_sample(grouped, budget=300).fold
    for group in range(300 // 7):
        assert len(set(of_group[7 * group : 7 * group + 7].tolist())) == 1


def test_the_probe_finds_the_optimum_that_scikit_learn_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    data = digits(150)
    x = grid_features(data)[0]
    x = (x - x.mean(0)) / x.std(0).clamp_min(1e-6)
    weights = logistic(x, data.labels, 10, ridge=0.02)
    peer = LogisticRegression(C=1 / (0.02 * len(x)), tol=1e-8, max_iter=2000).fit(x.numpy(), data.labels.numpy())
    ours = (x @ weights[:-1] + weights[-1]).softmax(1)
    assert np.abs(ours.numpy() - peer.predict_proba(x.numpy())).max() < 1e-3


def test_an_effort_stays_in_its_budget_and_few_images_are_not_learnt_by_heart() -> None:
    assert Effort.on(40_000, 80_000) == Effort(2, 128, 2 * 312 * 128)
    assert Effort.on(500, 80_000).epochs == MOST_EPOCHS
    million = Effort.on(1_000_000, 80_000)
    assert million.epochs == 1
    assert million.learnt == 80_000
    assert Effort.on(10, 80_000).batch == 10


def test_a_budget_below_the_images_leaves_some_out_and_says_so() -> None:
    found = out_of_sample(digits(300), budget=300)
    assert found.learnt == 3 * 96  # full batches alone
    assert "48 % of the others" in found.said


def test_photographs_of_any_size_are_brought_to_a_small_one() -> None:
    made = torch.Generator().manual_seed(0)
    wide = Dataset.of(torch.rand(30, 3, 100, 160, generator=made), torch.arange(30) % 2)
    assert brought_small(wide).size == (64, 64)
    assert brought_small(wide, among=1_000_000).size == (32, 32)
    assert brought_small(Dataset.of(torch.rand(30, 1, 4, 4, generator=made), torch.arange(30) % 2)).size == (32, 32)
    assert brought_small(digits(30)).size == (28, 28)


class Stopped(Progress):
    """Presses Ctrl-C in the midst of training."""

    def task(self, label: str, total: int, *, unit: str = "images") -> object:  # type: ignore[override]
        from contextlib import nullcontext

        done = 0

        def step(count: int = 1, note: str = "") -> None:
            nonlocal done
            done += count
            if label == "train on folds" and done > total / 4:
                raise KeyboardInterrupt

        return nullcontext(step)


def test_an_interrupted_training_leaves_torch_as_it_was() -> None:
    state, exact = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyboardInterrupt):
        out_of_sample(digits(210), budget=SMALL, progress=Stopped())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.are_deterministic_algorithms_enabled() == exact


def test_every_image_is_counted_in_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[str, list[int]] = {}

    class Counting(Progress):
        def task(self, label: str, total: int, *, unit: str = "images") -> object:  # type: ignore[override]
            from contextlib import nullcontext

            seen[label] = [0, total]

            def step(count: int = 1, note: str = "") -> None:
                seen[label][0] += count

            return nullcontext(step)

    out_of_sample(digits(210), budget=SMALL, progress=Counting())
    assert seen["train on folds"][0] == seen["train on folds"][1]
    assert capsys.readouterr().err == ""


def test_folds_that_cannot_be_made_are_refused() -> None:
    data = digits(60)
    with pytest.raises(StriateError, match="1 folds of 60"):
        out_of_sample(data, folds=1)
    with pytest.raises(StriateError, match="budget is 0"):
        out_of_sample(data, budget=0)
    with pytest.raises(StriateError, match="exactly one"):
        predicted_by_part(data, (torch.arange(40), torch.arange(30, 60)))
    boxes = Dataset(data.name, "train", data.classes, data.labels, data.ids, data.store, data.places, 1, task="boxes")
    with pytest.raises(StriateError, match="one label an image"):
        out_of_sample(boxes)
