"""Labels that look wrong: planted ones come first, true ones are left alone, what cannot be told is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from striate.checks.folds import OutOfSample
from striate.checks.learned_findings import suspect_findings
from striate.checks.suspects import Suspects, joined, judged, label_suspects
from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.annotations import Annotations
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_data, load_splits
from striate.metrics.ranking import auc

# by a net on clean data, the class that each is taken for most often: T-shirt and shirt, pullover and coat, ...
CONFUSED = (6, 3, 4, 4, 2, 7, 0, 9, 6, 7)


def planted(
    data: Dataset, share: float, *, seed: int = 0, rule: tuple[int, ...] | None = None
) -> tuple[Dataset, Tensor]:
    """The data with a share of the labels changed, to another class by lot or by the rule; and which ones."""
    rng = Rng(seed, "planted")
    wrong = torch.zeros(len(data), dtype=torch.bool)
    wrong[rng.permutation(len(data))[: round(share * len(data))]] = True
    classes = len(data.classes)
    moved = (data.labels + rng.integers(data.ids, low=1, high=classes)) % classes
    if rule is not None:
        moved = torch.tensor(rule)[data.labels]
    return replace(data, labels=torch.where(wrong, moved, data.labels)), wrong


def named(found: Suspects, data: Dataset) -> list[str]:
    """The findings, by check."""
    return [each.finding.check for each in suspect_findings(found, data=data.name, classes=data.classes)]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits", split="train").limit(700)


def test_planted_labels_come_first_and_their_share_is_found(digits: Dataset) -> None:
    data, wrong = planted(digits, 0.08)
    found = label_suspects(data, budget=10_000)
    assert float(auc(-found.quality, wrong)) > 0.97
    assert found.established
    assert found.noise.low <= 0.08 <= found.noise.high  # type: ignore[operator]
    listed = torch.tensor(found.rows)
    assert float(wrong[listed].to(torch.float64).mean()) > 0.8
    assert int(wrong[listed].sum()) > 0.5 * int(wrong.sum())
    first = found.suspects[0]
    assert first.suggested == int(digits.labels[first.row])  # the label that was taken away
    assert first.label == int(data.labels[first.row])
    assert (first.split, first.name) == ("train", digits.name_of(first.row))
    assert [one.quality for one in found.suspects] == sorted(one.quality for one in found.suspects)
    (notice,) = suspect_findings(found, data="digits", classes=data.classes)
    assert notice.finding.id == "label-noise/digits"
    assert notice.finding.severity in {"warning", "error"}
    assert f"{found.count} labels are more likely wrong than right" in notice.finding.seen
    assert notice.shown[0] == (first.row,)


def test_clean_labels_are_left_alone(digits: Dataset) -> None:
    found = label_suspects(digits.limit(400), budget=5_000)
    assert not found.established
    assert found.count == 0
    assert named(found, digits) == []


def test_the_same_seed_gives_the_same_suspects_and_the_most_are_kept(digits: Dataset) -> None:
    data, _ = planted(digits.limit(150), 0.1)
    first, again, three = (label_suspects(data, seed=2, most=most) for most in (200, 200, 3))
    assert first.suspects == again.suspects
    assert three.suspects == first.suspects[:3]
    assert three.count == first.count > 3


def test_images_that_are_merely_hard_are_not_called_mislabelled() -> None:
    made = torch.Generator().manual_seed(0)
    p = torch.full((900, 3), 1e-6, dtype=torch.float64)
    lean = 0.25 + 0.5 * torch.rand(900, generator=made, dtype=torch.float64)
    p[:, 0], p[:, 1] = lean, 1 - lean
    p /= p.sum(1, keepdim=True)
    labels = torch.multinomial(p, 1, generator=made)[:, 0]
    data = Dataset.of(torch.zeros(900, 1, 8, 8), labels, classes=list("abc"))
    found = judged(data, (data,), OutOfSample(p.log().to(torch.float32), labels, "net", 0, ""))
    assert not found.established
    assert found.count == 0
    assert "hard images" in found.why
    assert named(found, data) == []


def test_a_label_that_a_net_believes_once_it_has_learnt_it_was_only_hard() -> None:
    made = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (3000,), generator=made)
    logits = 9.0 * torch.nn.functional.one_hot(labels, 3).to(torch.float32)
    logits[torch.rand(3000, generator=made) < 0.04] = 0  # hard ones, so that no temperature is too low
    for row in (7, 8):  # sure and not of the label
        logits[row] = 25.0 * torch.nn.functional.one_hot((labels[row] + 1) % 3, 3)
    fold = torch.arange(3000) % 2

    def again(number: int, rows: Tensor) -> Tensor:
        assert bool((fold[rows] != number).all())  # the other nets, which learnt from these
        return torch.where((rows == 7)[:, None], torch.zeros(3), logits[rows])

    data = Dataset.of(torch.zeros(3000, 1, 8, 8), labels, classes=list("abc"))
    alone = judged(data, (data,), OutOfSample(logits, fold, "net", 0, ""))
    asked = judged(data, (data,), OutOfSample(logits, fold, "net", 0, "", again))
    assert alone.rows == (7, 8)
    assert asked.rows == (8,)
    assert named(asked, data) == ["label-suspects"]


def test_labels_that_mean_nothing_are_told() -> None:
    made = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (600,), generator=made)
    data = Dataset.of(torch.zeros(600, 1, 8, 8), labels, classes=list("abc"))
    logits = torch.randn(600, 3, generator=made)
    found = judged(data, (data,), OutOfSample(logits, labels, "net", 0, ""))
    assert not found.informed
    assert found.suspects == ()
    assert named(found, data) == ["labels-at-chance"]


def test_images_of_all_splits_are_judged_together_and_named_by_their_own() -> None:
    splits = load_splits("digits")
    made = [planted(part.limit(count), 0.15) for part, count in zip(splits, (400, 120, 200), strict=True)]
    parts, wrong = [part for part, _ in made], {part.split: rows for part, rows in made}
    found = label_suspects(Splits(*parts), budget=16_000)
    assert len(found.quality) == 720
    assert found.count >= 10
    assert sum(bool(wrong[one.split][one.row]) for one in found.suspects) > 0.8 * found.count
    assert {one.split for one in found.suspects} == {"train", "dev", "test"}
    for one, row in zip(found.suspects, found.rows, strict=True):
        assert row == {"train": 0, "dev": 400, "test": 520}[one.split] + one.row
        assert one.label == int(dict(zip(wrong, parts, strict=True))[one.split].labels[one.row])
    # in other stores they are put together as tensors, groups and all
    apart = [
        Dataset.of(part.pixels(), part.labels, classes=part.classes, split=part.split,
                   notes=tuple(Annotations(group=f"{part.split} {row // 2}") for row in range(len(part))))
        for part in parts
    ]  # fmt: skip
    data, whole, why = joined(Splits(*apart))
    assert (len(data), len(whole), why) == (720, 3, "")
    assert torch.equal(data.pixels(), torch.cat([part.pixels() for part in parts]))
    assert data.groups()[400] == "dev 0"


def test_rare_classes_and_few_images_are_not_judged_and_that_is_said(digits: Dataset) -> None:
    few = label_suspects(digits.limit(30))
    assert few.suspects == ()
    assert "30 images" in few.why
    assert few.noise.value is None
    assert bool(few.quality.isnan().all())
    rare = digits.limit(190).take((digits.labels[:190] != 4) | (torch.arange(190) < 40))
    kept = rare.labels == 4
    assert 0 < int(kept.sum()) < 10
    found = label_suspects(rare)
    assert bool(found.quality[kept].isnan().all())
    assert not bool(found.quality[~kept].isnan().any())
    assert "fewer than 10" in found.why


def test_other_kinds_of_labels_are_refused(digits: Dataset) -> None:
    with pytest.raises(StriateError, match="objects in boxes"):
        label_suspects(replace(digits, task="boxes"))
    with pytest.raises(StriateError, match="most is -1"):
        label_suspects(digits, most=-1)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "least"), [(None, 0.95), (CONFUSED, 0.85)], ids=["uniform", "confusable"])
def test_five_percent_of_wrong_labels_in_fashion_mnist_are_found(
    rule: tuple[int, ...] | None, least: float, data_root: Path
) -> None:
    clean = load_data("FashionMNIST", split="train", root=data_root).limit(6_000)
    data, wrong = planted(clean, 0.05, rule=rule)
    found = label_suspects(data, budget=36_000)
    assert float(auc(-found.quality, wrong)) > least
    assert found.established
