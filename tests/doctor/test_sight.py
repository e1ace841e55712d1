"""Splits that share files or rows, models that see what they are to tell, classes that the loss leaves out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

import striate
from striate.core.finding import Finding
from striate.doctor.checks.sight import by_place, sources


def found(name: str, model: nn.Module, loss_fn: Any = None, **parts: Any) -> Finding | None:
    return next((e for e in striate.preflight(model, None, loss_fn, **parts).findings if e.check == name), None)


class Files(Dataset[tuple[Tensor, Tensor]]):
    """Files that are cropped anew each time."""

    def __init__(self, paths: list[str]) -> None:
        self.samples = [(path, 0) for path in paths]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return torch.rand(4), torch.tensor(row % 2)


def test_files_that_stand_in_both_splits_are_found_by_name() -> None:
    train, test = Files([f"a/{n}.jpg" for n in range(90)]), Files([f"a/{n}.jpg" for n in range(80, 120)])
    finding = found("leak-same-items", nn.Linear(4, 2), train=train, test=DataLoader(test, batch_size=8))
    assert finding is not None
    assert finding.seen == "10 of 40 test items are training items too, 80.jpg among them."
    assert found("leak-same-items", nn.Linear(4, 2), train=train, test=Files(["b/0.jpg", "b/1.jpg"] * 40)) is None


def test_rows_of_subsets_of_one_data_set_are_compared() -> None:
    data = TensorDataset(torch.rand(100, 4), torch.arange(100) % 2)
    finding = found(
        "leak-same-items", nn.Linear(4, 2), train=Subset(data, range(70)), test=Subset(data, range(60, 100))
    )
    assert finding is not None
    assert finding.evidence[0].number is not None
    assert finding.evidence[0].number.value == pytest.approx(0.25)
    apart = found("leak-same-items", nn.Linear(4, 2), train=Subset(data, range(60)), test=Subset(data, range(60, 100)))
    assert apart is None
    assert len(sources(Subset(Subset(data, range(50, 100)), [0, 49]))) == 2
    assert (id(data), 99) in sources(Subset(Subset(data, range(50, 100)), [0, 49]))


class Reader(nn.Module):
    """An LSTM over symbols, in one direction or in both."""

    def __init__(self, *, both: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.symbols = nn.Embedding(7, 8)
        self.lstm = nn.LSTM(8, 8, batch_first=True, bidirectional=both)
        self.last = nn.Linear(16 if both else 8, 7)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.lstm(self.symbols(x))[0])
        return out


@pytest.mark.parametrize("both", [True, False])
def test_a_model_that_reads_backwards_sees_the_next_symbol(both: bool) -> None:
    text = torch.randint(7, (80, 13), generator=torch.Generator().manual_seed(0))

    def loss_fn(output: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output.flatten(0, 1), y.flatten())

    finding = found("future-in-sight", Reader(both=both), loss_fn, train=(text[:, :-1], text[:, 1:]))
    assert (finding is not None) is both


def test_layouts_of_scores_by_place() -> None:
    x = torch.zeros(2, 5, dtype=torch.int64)
    whole = torch.arange(2 * 5 * 3.0).reshape(2, 5, 3)
    for output in (whole, whole.transpose(1, 2), whole.reshape(10, 3)):
        placed = by_place(output, x)
        assert placed is not None
        assert torch.equal(placed, whole)
    assert by_place(torch.zeros(2, 3), x) is None


@pytest.mark.parametrize(("ignored", "said"), [(0, True), (-100, False), (255, False)])
def test_a_class_that_the_loss_ignores_is_found(ignored: int, said: bool) -> None:
    pair = torch.randn(90, 4), torch.arange(90) % 3
    loss_fn = nn.CrossEntropyLoss(ignore_index=ignored)
    assert (found("class-ignored", nn.Linear(4, 3), loss_fn, train=pair) is not None) is said
