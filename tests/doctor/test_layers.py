"""Dropout and batch norm with settings that harm, each beside its healthy twin."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from doctor.seen import found, seen

X, Y = torch.randn(62, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(62) % 4
CE = nn.CrossEntropyLoss()


def net(norm: nn.Module | None = None, *, bias: bool = False, p: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=bias), norm or nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(p),
        nn.Linear(288, 4),
    )  # fmt: skip


def test_dropout_of_nine_tenths_is_found_and_half_is_not() -> None:
    assert seen("dropout-high", net(p=0.9), CE, X, Y).evidence[0].number.value == 0.9
    assert "dropout-high" not in found(net(p=0.5), CE, X, Y)


class Functional(nn.Module):
    """Dropout as a function."""

    def __init__(self, *, told: bool) -> None:
        super().__init__()
        self.body, self.head, self.told = nn.Linear(192, 16), nn.Linear(16, 4), told

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x.flatten(1)).relu()
        return self.head(F.dropout(x, 0.5, self.training) if self.told else F.dropout(x, 0.5))  # type: ignore[no-any-return]


def test_dropout_that_does_not_hear_of_eval_is_found() -> None:
    assert "p=0.5" in seen("dropout-always-on", Functional(told=False), CE, X, Y).seen
    assert "dropout-always-on" not in found(Functional(told=True), CE, X, Y)
    assert "dropout-always-on" not in found(net(p=0.5), CE, X, Y)


def loader(batch: int, *, n: int = 62, drop_last: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(X[:n], Y[:n]), batch_size=batch, drop_last=drop_last)


def test_batches_of_two_are_named_and_a_last_batch_of_one() -> None:
    assert seen("batchnorm-small-batch", net(), CE, loader(2), None).evidence[0].number.value == 2
    assert seen("batchnorm-small-batch", net(), CE, loader(12, n=61), None).severity == "note"
    assert "batchnorm-small-batch" not in found(net(), CE, loader(12, n=61, drop_last=True), None)
    assert "batchnorm-small-batch" not in found(net(nn.GroupNorm(2, 8)), CE, loader(2), None)


def test_a_last_batch_of_one_stops_a_batch_norm_of_vectors() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(ValueError, match="more than 1 value"):
        model(X[:1])
    assert seen("batchnorm-small-batch", model, CE, loader(12, n=61), None).severity == "error"


@pytest.mark.parametrize(("momentum", "word"), [(0.0, "never move"), (0.99, "those of the last batch")])
def test_a_momentum_of_another_sense_is_found(momentum: float, word: str) -> None:
    assert word in seen("batchnorm-momentum", net(nn.BatchNorm2d(8, momentum=momentum)), CE, X, Y).seen


@pytest.mark.parametrize("momentum", [3e-4, 0.01, 0.1, 0.3, None])
def test_momenta_in_use_are_left_alone(momentum: float | None) -> None:
    assert "batchnorm-momentum" not in found(net(nn.BatchNorm2d(8, momentum=momentum)), CE, X, Y)


def test_an_eps_larger_than_the_variance_is_found() -> None:
    assert "eps 1" in seen("batchnorm-momentum", net(nn.BatchNorm2d(8, eps=1.0)), CE, X, Y).seen


class Deaf(nn.BatchNorm2d):
    """Stays in eval mode."""

    def train(self, mode: bool = True) -> Deaf:
        return super().train(False)


def test_batch_norms_that_never_measure_are_found_and_trained_ones_may_stay_still() -> None:
    assert "never measured" in seen("batchnorm-frozen", net(Deaf(8).train()), CE, X, Y).seen
    trained = Deaf(8)
    nn.init.normal_(trained.running_mean)
    assert "batchnorm-frozen" not in found(net(trained.train()), CE, X, Y)


def test_batch_norms_without_statistics_are_the_cause_of_mixing() -> None:
    model = net(nn.BatchNorm2d(8, track_running_stats=False))
    assert "1 of 1" in seen("batchnorm-frozen", model, CE, X, Y).seen
    assert {"batchnorm-frozen", "samples-mix"} <= found(model, CE, X, Y)


def test_a_bias_before_a_batch_norm_is_a_note_and_changes_nothing() -> None:
    model = net(bias=True)
    before = model(X)
    with torch.no_grad():
        model[0].bias += 3.0  # type: ignore[operator]
    torch.testing.assert_close(model(X), before, atol=1e-4, rtol=1e-4)
    assert seen("bias-before-norm", model, CE, X, Y).severity == "note"
    assert "bias-before-norm" not in found(net(), CE, X, Y)
