"""Checks of labels and targets: each finds its fault in small hand-made data, and not the healthy twin."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from striate.core.finding import Finding
from striate.doctor.case import Case
from striate.doctor.diagnosis import Findings
from striate.doctor.neighbours import NEAR, agreement, likeness, nearest, told
from striate.doctor.registry import all_checks
from striate.doctor.samples import block, draw
from striate.doctor.setup import Setup

CLASSES = 6


def clusters(n: int = 600, *, width: float = 0.8, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points about one centre a class, and their classes, in random order."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn((CLASSES, 12), generator=torch.Generator().manual_seed(99))
    y = torch.randint(CLASSES, (n,), generator=generator)
    return centres[y] + width * torch.randn((n, 12), generator=generator), y


X, Y = clusters()
TX, TY = clusters(300, seed=1)


def net(outputs: int = CLASSES, *last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, outputs), *last)


def found(
    x: Tensor,
    y: Tensor | None,
    *,
    model: nn.Module | None = None,
    loss: Any = None,
    test: Any = None,
    train: Any = None,
) -> dict[str, Finding]:
    """Findings by the name of their check."""
    loss = nn.CrossEntropyLoss() if loss is None else loss
    case = Case(Setup(net() if model is None else model, None, loss, (x, y) if train is None else train, test))
    seen = Findings()
    for each in all_checks():
        if each.family in ("labels", "targets"):
            seen._ask(each, case, pictures=True)
    assert not [each for each in seen.runs.values() if each.state == "failed"]
    return {each.check: each for _, each in seen.flat()}


def value(finding: Finding) -> float:
    number = finding.evidence[0].number
    assert number is not None
    assert number.value is not None
    return number.value


def test_healthy_clusters_have_no_finding() -> None:
    assert found(X, Y, test=(TX, TY)) == {}


def test_agreement_counts_pairs_of_one_class() -> None:
    near = torch.tensor([[1], [0], [3], [2]])
    assert agreement(torch.tensor([0, 0, 1, 1]), near)[0] == 1.0
    assert agreement(torch.tensor([0, 1, 0, 1]), near)[0] == 0.0
    assert agreement(torch.tensor([0, 0, 0, 1]), near)[0] == 0.5


def test_agreement_of_labels_in_random_order_is_within_three_deviations_of_chance() -> None:
    near = nearest(X, X, NEAR, same=True)
    generator = torch.Generator().manual_seed(3)
    orders = [Y[torch.randperm(len(Y), generator=generator)] for _ in range(20)]
    scores = [agreement(each, near)[2] for each in orders]
    assert max(map(abs, scores)) < 4
    assert sum(scores) / 20 == pytest.approx(0, abs=1)
    assert agreement(Y, near)[2] > 50
    chance = agreement(orders[0], near)[1]
    shares = torch.bincount(Y) / len(Y)
    assert chance == pytest.approx(float(shares.square().sum()), abs=0.01)


def test_the_nearest_leave_out_the_sample_itself() -> None:
    x = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
    assert nearest(x, x, 1, same=True).flatten().tolist() == [1, 0, 3, 2]
    assert nearest(x, x, 1, same=False).flatten().tolist() == [0, 1, 2, 3]


def test_views_find_classes_that_pixels_hide() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(2, (300,), generator=generator)
    phase = 6.3 * torch.rand((300, 1, 1), generator=generator)
    wave = torch.sin((3 + 2.0 * y[:, None, None]) * torch.linspace(0, 6.3, 16)[None, None] + phase).expand(-1, 16, -1)
    light = 5 * torch.randn((300, 1, 1, 1), generator=generator)
    x = wave[:, None] + light
    assert agreement(y, nearest(x.flatten(1), x.flatten(1), NEAR, same=True))[2] < 20
    assert likeness(x, y, enough=50)[2] > 30


def test_one_label_for_all_is_an_error_only_where_the_loss_takes_it_for_a_class() -> None:
    same = torch.zeros_like(Y)
    assert found(X, same)["labels-constant"].severity == "error"
    assert found(X, same, loss=lambda out, y: out.square().mean())["labels-constant"].severity == "note"


def test_shuffled_labels_are_found_and_few_or_hard_ones_are_not() -> None:
    order = torch.randperm(len(Y), generator=torch.Generator().manual_seed(0))
    finding = found(X, Y[order])["labels-shuffled"]
    assert finding.severity == "error"
    assert value(finding) < 4
    assert "labels-shuffled" not in found(X[:100], Y[order][:100])  # too few to tell
    hard = clusters(width=3.0)
    assert "labels-shuffled" not in found(*hard)


def test_test_labels_in_another_order_are_found_as_those_of_the_test_data() -> None:
    order = torch.randperm(len(TY), generator=torch.Generator().manual_seed(0))
    finding = found(X, Y, test=(TX, TY[order]))["labels-shuffled"]
    assert finding.id == "labels-shuffled/test"


@pytest.mark.parametrize("by", [1, -1, 2, -5])
def test_labels_moved_by_rows_are_found_with_the_way_back(by: int) -> None:
    moved = found(X, Y.roll(by))
    assert moved["labels-shifted-rows"].code.startswith(f"y = y.roll({-by})")


def test_labels_moved_within_each_batch_are_found() -> None:
    def collate(drawn: list[Any]) -> tuple[Tensor, Tensor]:
        return torch.stack([x for x, _ in drawn]), torch.stack([drawn[at - 1][1] for at in range(len(drawn))])

    loader = DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True, collate_fn=collate)
    assert "labels-shifted-rows" in found(X, Y, train=loader)


def test_a_block_is_the_first_samples_in_their_order() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=32, shuffle=True)
    for given in ((X, Y), TensorDataset(X, Y), loader):
        drawn = block(given, 9)
        assert drawn is not None
        assert torch.equal(drawn[0], X[:9])
        assert torch.equal(drawn[1], Y[:9])
    assert block(iter(loader), 9) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: y + 1, "by +1"),
        (lambda y: (y + 2) % CLASSES, "round"),
        (lambda y: CLASSES - 1 - y, ""),
        (lambda y: torch.tensor([1, 0, 2, 3, 5, 4])[y], "0 is 1, 1 is 0, 4 is 5, 5 is 4"),
    ],
    ids=["from-one", "round", "reverse", "pairs"],
)
def test_classes_numbered_otherwise_in_the_test_data_are_found(change: Any, words: str) -> None:
    finding = found(X, Y, test=(TX, change(TY)))["labels-shifted-classes"]
    assert words in finding.seen


def test_classes_that_are_hard_to_tell_apart_are_not_numbered_otherwise() -> None:
    assert "labels-shifted-classes" not in found(*clusters(width=2.5), test=clusters(300, width=2.5, seed=1))
    kept = TY < 3
    assert "labels-shifted-classes" not in found(X, Y, test=(TX[kept], TY[kept]))


def test_deviations_of_told_are_those_of_a_binomial_share() -> None:
    generator = torch.Generator().manual_seed(0)
    y, votes = torch.randint(2, (4000,), generator=generator), torch.randint(2, (4000, 1), generator=generator)
    here = float((votes[:, 0] == y).float().mean())
    others, near = votes[:, 0], torch.arange(4000)[:, None]
    assert told(y, others, near) == pytest.approx((here - 0.5) / math.sqrt(0.25 / 4000), abs=1.5)


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_the_share_of_wrong_labels_is_within_its_interval(share: float) -> None:
    generator = torch.Generator().manual_seed(1)
    wrong = torch.rand(len(Y), generator=generator) < share
    noisy = torch.where(wrong, (Y + torch.randint(1, CLASSES, Y.shape, generator=generator)) % CLASSES, Y)
    number = found(X, noisy, test=(TX, TY))["label-noise"].evidence[0].number
    assert number is not None
    assert number.low is not None
    assert number.high is not None
    assert number.low <= float((noisy != Y).float().mean()) <= number.high


def test_noise_in_both_splits_is_no_difference() -> None:
    assert "label-noise" not in found(*clusters(width=2.0), test=clusters(300, width=2.0, seed=1))


def test_a_class_of_the_test_data_without_training_samples_is_an_error() -> None:
    kept = Y != 2
    finding = found(X[kept], Y[kept], test=(TX, TY))["missing-classes"]
    assert finding.severity == "error"
    assert value(finding) == pytest.approx(float((TY == 2).float().mean()))


def test_an_output_without_samples_is_a_warning_and_the_head_of_a_larger_set_is_not() -> None:
    kept = Y != 2
    assert found(X[kept], Y[kept])["missing-classes"].severity == "warning"
    assert found(X, Y + 1, model=net(CLASSES + 1))["missing-classes"].severity == "note"
    assert "missing-classes" not in found(X, Y, model=net(50))


def test_imbalance_is_noted_above_10_and_a_warning_above_20_unless_weighed() -> None:
    def cut(most: int) -> tuple[Tensor, Tensor]:
        kept = (Y > 0) | (torch.cumsum((Y == 0).int(), 0) <= most)
        return X[kept].repeat(3, 1), Y[kept].repeat(3)

    assert "class-imbalance" not in found(*cut(30))
    assert found(*cut(6))["class-imbalance"].severity == "note"
    assert found(*cut(2))["class-imbalance"].severity == "warning"
    weight = nn.CrossEntropyLoss(weight=torch.ones(CLASSES))
    assert found(*cut(2), loss=weight)["class-imbalance"].severity == "note"
    x, y = cut(2)
    sampler = WeightedRandomSampler([1.0] * len(y), len(y))
    loader = DataLoader(TensorDataset(x, y), batch_size=8, sampler=sampler)
    assert found(x, y, train=loader)["class-imbalance"].severity == "note"


def test_labels_outside_the_outputs_are_found_with_the_way_back() -> None:
    one = found(X, Y + 1)["labels-out-of-range"]
    assert one.code == "y = y - 1"
    assert value(one) == pytest.approx(float((Y == CLASSES - 1).float().mean()))
    minus = torch.where(torch.arange(len(Y)) % 9 == 0, -1, Y)
    assert "labels-out-of-range" in found(X, minus)
    assert "labels-out-of-range" not in found(X, minus, loss=nn.CrossEntropyLoss(ignore_index=-1))


def test_the_void_of_masks_is_found_unless_it_is_ignored() -> None:
    x = torch.randn(80, 1, 8, 8)
    masks = (x[:, 0] > 0).long()
    masks[:, 0] = 255
    model = nn.Conv2d(1, 2, 3, padding=1)
    assert "255" in found(x, masks, model=model)["labels-out-of-range"].seen
    ignoring = nn.CrossEntropyLoss(ignore_index=255)
    assert "labels-out-of-range" not in found(x, masks, model=model, loss=ignoring)


@pytest.mark.parametrize(
    ("change", "code", "loss", "outputs"),
    [
        (lambda y: y[:, None], "y = y.squeeze(1)", nn.CrossEntropyLoss(), CLASSES),
        (lambda y: F.one_hot(y, CLASSES), "y = y.argmax(1)", nn.CrossEntropyLoss(), CLASSES),
        (lambda y: y.float(), "y = y.long()", nn.CrossEntropyLoss(), CLASSES),
        (lambda y: y.float()[:, None], "y = y.squeeze(1).long()", nn.CrossEntropyLoss(), CLASSES),
        (lambda y: (y > 2).float(), "y = y.unsqueeze(1)", nn.BCEWithLogitsLoss(), 1),
        (lambda y: (y > 2).long(), "y = y.float().unsqueeze(1)", nn.BCEWithLogitsLoss(), 1),
    ],
    ids=["column", "one-hot", "floats", "float-column", "flat", "whole-flat"],
)
def test_a_form_that_the_loss_refuses_is_named_with_one_that_it_takes(
    change: Any, code: str, loss: Any, outputs: int
) -> None:
    assert found(X, change(Y), model=net(outputs), loss=loss)["labels-of-wrong-form"].code == code


def test_a_softmax_over_one_output_is_found() -> None:
    binary = (Y > 2).float()[:, None]
    assert "softmax-over-one" in found(X, binary, model=net(1))
    assert "softmax-over-one" not in found(X, binary, model=net(1), loss=nn.BCEWithLogitsLoss())


def test_targets_outside_0_to_1_are_found_under_a_binary_cross_entropy() -> None:
    binary, loss = (Y > 2).float()[:, None], nn.BCEWithLogitsLoss()
    assert found(X, 2 * binary - 1, model=net(1), loss=loss)["target-range"].code == "y = (y + 1) / 2"
    assert found(X, 255 * binary, model=net(1), loss=loss)["target-range"].code == "y = y / 255"
    assert "target-range" not in found(X, 0.1 + 0.8 * binary, model=net(1), loss=loss)
    margin = nn.SoftMarginLoss()
    assert "target-range" in found(X, binary, model=net(1), loss=margin)
    assert "target-range" not in found(X, 2 * binary - 1, model=net(1), loss=margin)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), lambda out, y: ((out - y) ** 2).mean()])
def test_amounts_in_thousands_are_found_and_ages_are_not(loss: Any) -> None:
    y = X[:, :1]
    assert found(X, 200_000 + 50_000 * y, model=net(1), loss=loss)["target-range"].severity == "warning"
    assert "target-range" in found(X, 1e-5 * y, model=net(1), loss=loss)
    assert "target-range" not in found(X, 40 + 15 * y, model=net(1), loss=loss)


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Tanh(), nn.ReLU()], ids=["sigmoid", "tanh", "relu"])
def test_an_activation_that_cannot_give_the_targets_is_found_with_their_share(last: nn.Module) -> None:
    y = 3 * X[:, :1]
    low, high = {"Sigmoid": (0, 1), "Tanh": (-1, 1), "ReLU": (0, math.inf)}[type(last).__name__]
    finding = found(X, y, model=net(1, last), loss=nn.MSELoss())["targets-out-of-reach"]
    assert value(finding) == pytest.approx(float(((y < low - 0.01) | (y > high + 0.01)).float().mean()), abs=0.1)
    within = (y - y.min()) / (y.max() - y.min())
    assert "targets-out-of-reach" not in found(X, within, model=net(1, last), loss=nn.MSELoss())


def test_an_activation_that_is_scaled_afterwards_reaches_further() -> None:
    class Scaled(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return 10 * super().forward(x) - 5

    model = Scaled(*net(1, nn.Sigmoid()))
    assert "targets-out-of-reach" not in found(X, X[:, :1], model=model, loss=nn.MSELoss())


def test_outputs_in_a_column_against_flat_targets_are_found_unless_the_loss_minds_them() -> None:
    def paired(out: Tensor, y: Tensor) -> Tensor:
        return (out - y).square().mean()

    assert "targets-broadcast" in found(X, X[:, 0], model=net(1), loss=paired)
    assert "targets-broadcast" not in found(X, X[:, :1], model=net(1), loss=paired)
    assert "targets-broadcast" not in found(X, X[:, 0], model=net(1), loss=lambda out, y: paired(out[:, 0], y))


def test_class_numbers_learnt_as_amounts_are_a_warning_and_ratings_a_note() -> None:
    x, y = clusters(width=1.2)
    names = torch.tensor([3, 0, 5, 1, 4, 2])[y].float()[:, None]
    assert found(x, names, model=net(1), loss=nn.MSELoss())["class-numbers-regressed"].severity == "warning"
    ratings = (3 + 0.8 * X[:, :2].sum(1, keepdim=True)).round().clamp(1, 5)
    assert found(X, ratings, model=net(1), loss=nn.MSELoss())["class-numbers-regressed"].severity == "note"
    assert "class-numbers-regressed" not in found(X, X[:, :1], model=net(1), loss=nn.MSELoss())


def test_samples_know_how_much_augmentation_changes_them() -> None:
    plain = draw(DataLoader(TensorDataset(X, Y), batch_size=8))
    assert plain.change == 0
    assert draw((X, Y)).change is None


class Symbols(nn.Module):
    """Scores (n, 12, T) of the symbols of sequences (n, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.last = nn.Embedding(12, 8), nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.table(x)).transpose(1, 2)  # type: ignore[no-any-return]


def test_symbols_that_are_to_name_themselves_are_found_unless_the_loss_moves_them() -> None:
    torch.manual_seed(0)
    tokens = torch.randint(12, (64, 17))
    x, y = tokens[:, :-1], tokens[:, 1:]

    def moved(scores: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores[..., :-1], y[:, 1:])

    finding = found(x, x, model=Symbols())["targets-are-inputs"]
    assert finding.evidence[0].number.value == 1.0
    assert "targets-are-inputs" not in found(x, y, model=Symbols())
    assert "targets-are-inputs" not in found(x, x, model=Symbols(), loss=moved)
