"""Leaks, splits prepared differently, order and number of batches: on tensors made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from striate.core.finding import Finding
from striate.doctor.alike import mean_distance, stored, told_apart, twins
from striate.doctor.case import Case
from striate.doctor.diagnosis import Findings
from striate.doctor.setup import Setup


def found(train: Any, test: Any = None) -> dict[str, Finding]:
    """What the checks of data see, by the check's name."""
    findings = Findings()
    findings.look(Case(Setup(nn.Flatten(), train=train, test=test)), ("data",))
    assert not [each for each in findings.runs.values() if each.state == "failed"]
    return {finding.check: finding for _, finding in findings.flat()}


def pictures(n: int, seed: int, *, channels: int = 1, side: int = 12, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Smooth pictures with a bright top and a dark left, each a class's pattern and a third of noise."""
    numbers = torch.Generator().manual_seed(seed)
    patterns = torch.randn(classes, channels, 4, 4, generator=torch.Generator().manual_seed(99))
    y = torch.randint(classes, (n,), generator=numbers)
    small = patterns[y] + 0.7 * torch.randn(n, channels, 4, 4, generator=numbers)
    x = torch.nn.functional.interpolate(small, side, mode="bilinear")
    x = x + torch.linspace(1, -1, side)[:, None] - torch.linspace(0.5, -0.2, side)
    x = x + torch.tensor([0.8, 0.0, -0.8])[:channels, None, None] * (channels == 3)
    return x + 0.1 * torch.randn(x.shape, generator=numbers), y


def test_two_healthy_splits_are_silent() -> None:
    for channels in (1, 3):
        assert not found(pictures(400, 0, channels=channels), pictures(200, 1, channels=channels))


def test_equal_rows_are_found_by_their_bits_and_only_those() -> None:
    x = torch.randn(50, 3, 4)
    rows = torch.stack((x[7], x[7] + 1e-7, -x[9], x[49]))
    assert twins(x, rows).tolist() == [7, -1, -1, 49]
    assert twins(torch.zeros(1, 2), torch.tensor([[0.0, -0.0]])).tolist() == [0]  # equal numbers of unequal bits
    assert twins((x * 100).byte(), (x[3:4] * 100).byte()).tolist() == [3]


def test_copies_in_the_test_set_are_counted() -> None:
    (x, y), (tx, ty) = pictures(400, 0), pictures(180, 1)
    tx[:20], ty[:20] = x[100:120], y[100:120]
    leak = found((x, y), (tx, ty))["leak-exact"]
    assert leak.severity == "error"
    number = leak.evidence[0].number
    assert number is not None
    assert number.value == pytest.approx(20 / 180)


def test_subsets_that_overlap_are_a_leak_whatever_is_drawn_of_them() -> None:
    class Noisy(Dataset[tuple[Tensor, Tensor]]):
        def __init__(self) -> None:
            self.images, self.y = pictures(500, 0)

        def __len__(self) -> int:
            return 500

        def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
            return self.images[row] + torch.randn(1, 12, 12), self.y[row]

    data = Noisy()
    apart = found(Subset(data, range(300)), Subset(data, range(300, 500)))
    shared = found(Subset(data, range(300)), Subset(data, range(200, 400)))
    assert "leak-exact" not in apart
    assert "leak-near" not in apart
    number = shared["leak-exact"].evidence[0].number
    assert number is not None
    assert number.value == 0.5


def test_inputs_of_few_values_coincide_without_a_leak() -> None:
    x = torch.randint(2, (600, 4)).float()
    assert "leak-exact" not in found((x[:400], x[:400, 0].long()), (x[400:], x[400:, 0].long()))


def test_blank_pictures_are_no_leak() -> None:
    (x, y), (tx, ty) = pictures(400, 0), pictures(180, 1)
    x[:40], tx[:40] = 0.0, 0.0
    assert "leak-exact" not in found((x, y), (tx, ty))


@pytest.mark.parametrize(
    "change", [lambda t: 1.2 * t + 0.3, lambda t: t + 0.02 * torch.randn_like(t), lambda t: t.flip(3)]
)
def test_changed_copies_are_near(change: Any) -> None:
    (x, y), (tx, ty) = pictures(400, 0), pictures(180, 1)
    tx[:30] = change(x[50:80])
    seen = found((x, y), (tx, ty))
    number = seen["leak-near"].evidence[0].number
    assert "leak-exact" not in seen
    assert number is not None
    assert number.n == 180
    assert number.value == pytest.approx(30 / 180, abs=0.02)


def test_a_training_set_of_many_copies_does_not_hide_near_copies() -> None:
    (x, y), (tx, ty) = pictures(300, 0), pictures(180, 1)
    x, y = torch.cat((x, x[:150])), torch.cat((y, y[:150]))
    assert "leak-near" not in found((x, y), (tx, ty))
    tx[:30] = 1.1 * x[50:80]
    assert "leak-near" in found((x, y), (tx, ty))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.transpose(2, 3), "transposed"),
        (lambda t: t.flip(2), "upside down"),
        (lambda t: t.flip(3), "left to right"),
        (lambda t: t.rot90(3, (2, 3)), "90 degrees"),
        (lambda t: t * 50 + 100, "another scale"),
        (lambda t: -t + 3, "inverted"),
    ],
)
def test_what_was_done_to_the_test_images_is_named(change: Any, word: str) -> None:
    (x, y), (tx, ty) = pictures(400, 0), pictures(200, 1)
    skewed = [each.exp() for each in (x, tx)] if word == "inverted" else [x, tx]
    seen = found((skewed[0], y), (change(skewed[1]), ty))
    assert word in seen["preprocessing-differs"].seen


def test_values_that_were_not_normalised_are_named() -> None:
    (x, y), (tx, ty) = pictures(400, 0), pictures(200, 1)
    low, high = min(float(x.min()), float(tx.min())), max(float(x.max()), float(tx.max()))
    x, tx = (x - low) / (high - low), (tx - low) / (high - low)
    assert "test inputs are not" in found(((x - x.mean()) / x.std(), y), (tx, ty))["preprocessing-differs"].seen
    assert "divided by 255 and the test" in found((x, y), (tx * 255, ty))["preprocessing-differs"].seen


def test_the_order_of_channels_is_named_and_leads_to_the_shift() -> None:
    (x, y), (tx, ty) = pictures(400, 0, channels=3), pictures(200, 1, channels=3)
    seen = found((x, y), (tx.flip(1), ty))
    assert "(2, 1, 0)" in seen["channel-order"].seen
    assert "preprocessing-differs" not in seen


def test_splits_of_other_classes_are_told_apart() -> None:
    x, y = pictures(800, 0)
    order = y.argsort()
    x, y = x[order], y[order]
    number = found((x[:600], y[:600]), (x[600:], y[600:]))["train-test-shift"].evidence[0].number
    assert number is not None
    assert float(number) > 0.8


def test_classes_that_are_rarer_in_training_are_no_shift() -> None:
    (x, y), (tx, ty) = pictures(900, 0), pictures(300, 1)
    kept = (y == 0) | (torch.arange(900) % 8 == 0)
    assert "train-test-shift" not in found((x[kept], y[kept]), (tx, ty))
    tx[:, :, :3, :3] += 2.0  # another source for all classes
    assert "train-test-shift" in found((x[kept], y[kept]), (tx, ty))


def test_the_ridge_regression_is_at_chance_on_draws_of_one_source_and_right_far_apart() -> None:
    a, b = torch.randn(300, 20), torch.randn(300, 20)
    right, count = told_apart(a, b)
    assert count == 600
    assert abs(right / count - 0.5) < 4 * (0.25 / 600) ** 0.5
    assert told_apart(a, b + 5) == (600, 600)


def test_the_distance_of_means_is_hotellings_with_a_tenth_of_ridge() -> None:
    a, b = torch.randn(40, 3).double(), torch.randn(30, 3).double() + 1
    pooled = (np.cov(a.numpy().T) * 39 + np.cov(b.numpy().T) * 29) / 68
    pooled += np.eye(3) * 0.1 * np.trace(pooled) / 3
    apart = (a.mean(0) - b.mean(0)).numpy()
    assert mean_distance(a, b) == pytest.approx(40 * 30 / 70 * apart @ np.linalg.solve(pooled, apart) / 3, rel=1e-6)


@pytest.mark.parametrize("kind", ["together", "test alone", "each feature"])
def test_statistics_that_were_taken_from_the_test_are_found(kind: str) -> None:
    (x, y), (tx, ty) = pictures(300, 0), pictures(200, 1)
    tx = tx * 1.05 + 0.05
    of = {"together": torch.cat((x, tx)), "test alone": tx, "each feature": tx}[kind]
    axes = (0,) if kind == "each feature" else (0, 1, 2, 3)
    mean, std = of.mean(axes, keepdim=True), of.std(axes, keepdim=True)
    seen = found(((x - mean) / std, y), ((tx - mean) / std, ty))
    assert ("together" in seen["statistics-from-test"].seen) == (kind == "together")


def test_statistics_of_the_training_data_or_of_each_image_are_right() -> None:
    (x, y), (tx, ty) = pictures(300, 0), pictures(200, 1)
    mean, std = x.mean(), x.std()
    assert "statistics-from-test" not in found(((x - mean) / std, y), ((tx - mean) / std, ty))
    own = [(t - t.mean((1, 2, 3), keepdim=True)) / t.std((1, 2, 3), keepdim=True, correction=0) for t in (x, tx)]
    assert "statistics-from-test" not in found((own[0], y), (own[1], ty))


def test_sorted_data_without_shuffle_are_found_and_random_order_is_not() -> None:
    x, y = pictures(400, 0)
    order = y.argsort()
    ordered = TensorDataset(x[order], y[order])
    seen = found(DataLoader(ordered, batch_size=20))["not-shuffled"]
    number = seen.evidence[0].number
    assert number is not None
    assert float(number) < 0.35
    assert "not-shuffled" not in found(DataLoader(ordered, batch_size=20, shuffle=True))
    assert "not-shuffled" not in found(DataLoader(TensorDataset(x, y), batch_size=20))


def test_a_stream_of_sorted_samples_is_found() -> None:
    x, y = pictures(400, 0)

    class Stream(IterableDataset[tuple[Tensor, Tensor]]):
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(list(zip(x[y.argsort()], y[y.argsort()], strict=True)))

    assert "not-shuffled" in found(DataLoader(Stream(), batch_size=20))


def test_a_loader_without_a_batch_and_one_with_one_batch_are_named() -> None:
    data = TensorDataset(*pictures(300, 0))
    assert "no-batch" in found(DataLoader(data, batch_size=512, drop_last=True))
    assert found(DataLoader(data, batch_size=200, shuffle=True))["batch-too-large"].severity == "note"
    assert not found(DataLoader(data, batch_size=64, drop_last=True, shuffle=True))


def test_data_in_memory_are_seen_through_loaders_subsets_and_attributes() -> None:
    x, y = pictures(40, 0)
    data = TensorDataset(x, y)
    assert stored(DataLoader(Subset(data, [3, 1]))) is not None
    assert torch.equal(stored(Subset(data, [3, 1])), x[[3, 1]])  # type: ignore[arg-type]
    assert torch.equal(stored(torch.utils.data.ConcatDataset([data, data])), torch.cat((x, x)))  # type: ignore[arg-type]
    assert torch.equal(stored((x.numpy(), y.numpy())), x)  # type: ignore[arg-type]
    assert stored([(x, y)] * 3) is None
    assert stored(iter([1])) is None


def test_bytes_in_the_test_are_another_scale_though_most_pixels_are_black() -> None:
    numbers = torch.Generator().manual_seed(0)
    strokes = torch.rand(900, 1, 12, 12, generator=numbers) * (torch.rand(900, 1, 12, 12, generator=numbers) < 0.2)
    strokes[:600, :, ::3] *= 0.3  # other quantiles: by sampling of a few writers
    y = torch.arange(900) % 4
    train = (strokes[:600] - 0.1) / 0.25
    seen = found((train, y[:600]), (strokes[600:] * 255, y[600:]))
    assert "preprocessing-differs" in seen
