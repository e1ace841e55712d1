"""Which inputs of two splits are the same, nearly the same, or told apart: on the data as they are held in memory.

Rows are compared by an exact hash, by their distance after each was brought to mean 0 and length 1, and as a whole by
the mean of what a picture looks like from afar. Nothing here calls a model.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset

from .samples import X_KEYS, Samples, Unreadable, pair, unnoticed

HELD = (*X_KEYS, "X", "samples", "arrays")  # names under which data sets hold their inputs
VALUES = 100_000_000  # that are hashed of one split; of larger ones every k-th value of a row
SIDE = 8  # pixels a side of a picture seen from afar


def stored(given: Any) -> Tensor | None:  # noqa: PLR0911  one answer for each kind of data
    """All inputs (N, ...) of data that lie in memory, numbered as the data set numbers them; None for any other.

    These are the inputs before a transform of the data set: the same picture is the same row, whatever is drawn of it.
    """
    if isinstance(given, DataLoader):
        return stored(given.dataset)
    if isinstance(given, Subset):
        whole = stored(given.dataset)
        rows = torch.as_tensor(list(given.indices), dtype=torch.int64)
        return None if whole is None or not len(rows) else whole[rows.to(whole.device)]
    if isinstance(given, ConcatDataset):
        held = [each for part in given.datasets if (each := stored(part)) is not None]
        alike = len(held) == len(given.datasets) and len({(each.shape[1:], each.dtype) for each in held}) == 1
        return torch.cat(held) if alike else None
    if isinstance(given, TensorDataset):
        return given.tensors[0].detach()
    if isinstance(given, (tuple, list)):
        first = given[0] if len(given) == 2 and isinstance(given[0], (Tensor, np.ndarray)) else None
        return None if first is None else _rows(first, len(given[1]))
    if isinstance(given, (Tensor, np.ndarray)):
        return _rows(given, len(given))
    if not hasattr(given, "__len__") or isinstance(given, (Mapping, str)):
        return None
    found = (_rows(getattr(given, name, None), len(given)) for name in HELD)
    return next((each for each in found if each is not None), None)


def _rows(value: Any, count: int) -> Tensor | None:
    if isinstance(value, np.ndarray) and not isinstance(value, np.memmap) and value.dtype.kind in "fiub":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # arrays that are not writable: nothing is written
            value = torch.as_tensor(value) if value.dtype.isnative else None
    if isinstance(value, Tensor) and value.dim() >= 2 and len(value) == count and not value.is_complex():
        return value.detach()
    return None


@dataclass(frozen=True, eq=False)
class Compared:
    """Inputs of two splits that may be compared row by row.

    Attributes:
        train: Training inputs (n, ...).
        test: Test inputs (m, ...), of the same shape and type.
        covered: Share of all training inputs that ``train`` holds; None where their number is not known.
    """

    train: Tensor
    test: Tensor
    covered: float | None

    @property
    def words(self) -> str:
        """What was compared, for a sentence."""
        if self.covered is None or self.covered >= 1:
            return (
                f"{len(self.test):,} test inputs with {'all ' if self.covered else ''}{len(self.train):,} for training"
            )
        return f"{len(self.test):,} test inputs with {len(self.train):,} for training ({self.covered:.1%} of them)"


def compared(train: Samples, test: Samples, given_train: Any, given_test: Any) -> Compared | None:
    """The largest sets of rows that can be compared: those in memory where both are, else what was drawn.

    A split's rows in memory also stand for those that the other's drawing gave, where no transform changes them.
    """
    of_train, of_test = stored(given_train), stored(given_test)
    pairs = [(of_train, of_test)]
    pairs.append((of_train if faithful(of_train, train) else train.x, of_test if faithful(of_test, test) else test.x))
    for a, b in pairs:
        if a is None or b is None or a.shape[1:] != b.shape[1:] or a.dtype != b.dtype or not a[0].numel():
            continue
        total = len(a) if a is of_train else train.total
        share = None if total is None else min(1.0, len(a) / max(total, 1))
        return Compared(channels_first(a.cpu()), channels_first(b.cpu()), share)
    return None


def channels_first(x: Tensor) -> Tensor:
    """Pictures (n, H, W) and (n, H, W, C), as files hold them, as (n, C, H, W); other inputs as they are."""
    if x.dim() == 3 and min(x.shape[1:]) >= SIDE:
        return x[:, None]
    last = x.dim() == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4)
    return x.permute(0, 3, 1, 2) if last else x


def faithful(held: Tensor | None, samples: Samples) -> bool:
    """Whether rows in memory are what is drawn: no transform stands between."""
    rows = samples.rows[:16]
    if held is None or not len(rows) or len(held) != samples.total or held.shape[1:] != samples.x.shape[1:]:
        return False
    return torch.equal(held[rows.to(held.device)].cpu().to(samples.x.dtype), samples.x[: len(rows)])


def twins(among: Tensor, rows: Tensor) -> Tensor:
    """For each of ``rows`` (m, ...) a row of ``among`` (n, ...) that is equal to it, value by value; -1 for none.

    By a sum of the values' bits, each times a random odd number, modulo 2^64: exact whatever the order of adding, so
    that equal rows have equal sums; those that have are then compared.
    """
    every = max(1, (len(among) * max(among[0].numel(), 1)) // VALUES)
    keys, asked = _sums(among, every), _sums(rows, every)
    ordered, places = keys.sort()
    at = torch.searchsorted(ordered, asked).clamp(max=len(ordered) - 1)
    found = torch.where(ordered[at] == asked, places[at], torch.full_like(at, -1))
    hits = (found >= 0).nonzero().flatten()
    for low in range(0, len(hits), 512):
        part = hits[low : low + 512]
        same = (among[found[part]] == rows[part]).flatten(1).all(1)
        found[part[~same]] = -1
    return found


def _sums(x: Tensor, every: int) -> Tensor:
    size = x[0].numel()
    numbers = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (len(range(0, size, every)),), generator=numbers) * 2 + 1
    out = []
    for low in range(0, len(x), 2_048):
        part = x[low : low + 2_048].flatten(1)[:, ::every]
        if part.dtype == torch.float64:
            part = (part + 0.0).contiguous().view(torch.int64)
        elif part.is_floating_point():
            part = (part.float() + 0.0).contiguous().view(torch.int32)
        out.append((part.to(torch.int64) * factors).sum(1))
    return torch.cat(out)


class Known:
    """Inputs of one split as a model is given them, to be asked whether a row is one of them.

    All of them where they lie in memory and no transform stands between; else those that were drawn and the first ones.
    """

    def __init__(self, samples: Samples, given: Any) -> None:
        held = stored(given)
        parts = (
            [held.cpu()] if held is not None and held.numel() <= 2 * VALUES and faithful(held, samples) else [samples.x]
        )
        self.total = None if len(parts[0]) == samples.total else samples.total
        if self.total is not None and len(samples.rows):
            parts.append(_beginning(samples, given))
        rows = torch.cat([each.float() for each in parts if each.shape[1:] == samples.x.shape[1:]])
        self.keys, self.shape = _sums(rows, 1).sort().values, samples.x.shape[1:]

    def share(self, rows: Tensor) -> float:
        """Share of ``rows`` (m, ...) that are among them."""
        if rows.shape[1:] != self.shape or not len(rows):
            return 0.0
        asked = _sums(rows.detach().float().cpu(), 1)
        at = torch.searchsorted(self.keys, asked).clamp(max=len(self.keys) - 1)
        return float((self.keys[at] == asked).float().mean())


def _beginning(samples: Samples, given: Any) -> Tensor:
    """The first inputs of a data set, which a test that does not shuffle begins with."""
    data: Any = given.dataset if isinstance(given, DataLoader) else given
    try:
        with unnoticed():
            return torch.stack([pair(data[row])[0] for row in range(min(16, len(data)))])
    except (Unreadable, RuntimeError, TypeError, ValueError, IndexError, KeyError):
        return samples.x[:0]


def spread_rows(x: Tensor, most: int) -> Tensor:
    """At most ``most`` rows of ``x``, evenly over all."""
    return x if len(x) <= most else x[torch.linspace(0, len(x) - 1, most).round().long()]


def varied(x: Tensor) -> Tensor:
    """Which rows (n,) are not of one value all over: blank pictures are equal without having been copied."""
    flat = x.flatten(1)
    return flat.amax(1) > flat.amin(1)


def directions(x: Tensor) -> Tensor:
    """Rows (n, d) at 16 x 16 with mean 0 and length 1: brightness and contrast do not count."""
    flat = Samples(x.float()).flat
    flat = flat - flat.mean(1, keepdim=True)
    unit: Tensor = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-9)
    return unit


def nearest_distance(x: Tensor, among: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
    """Distance (n,) of each direction to the nearest of ``among`` (m, d), and its row; ``same`` leaves out itself."""
    inner = x @ among.t()
    if same:
        inner.fill_diagonal_(-1.0)
    best, rows = inner.max(1)
    return (2 - 2 * best).clamp(min=0).sqrt(), rows


def afar(x: Tensor) -> Tensor:
    """Pictures (n, C, H, W) as (n, C, 8, 8), seen from afar."""
    if x.dim() != 4:
        return x.float()
    small: Tensor = torch.nn.functional.adaptive_avg_pool2d(x.float(), SIDE)
    return small


def marks(x: Tensor) -> Tensor:
    """What tells pictures apart at a glance (n, d): the picture from afar, each channel's spread, its roughness."""
    if x.dim() != 4:
        flat = x.float().flatten(1)
        return flat[:, :: 1 + flat.shape[1] // 256]
    flat = x.float().flatten(2)
    rough = (x[..., 1:] - x[..., :-1]).float().abs().flatten(2).mean(2) if x.shape[3] > 1 else flat.mean(2)
    return torch.cat((afar(x).flatten(1), flat.std(2, correction=0), rough), 1)


def told_apart(a: Tensor, b: Tensor, *, folds: int = 5) -> tuple[int, int]:
    """How many of equally many rows of two sets a ridge regression assigns to theirs, and of how many; by folds.

    Source: Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests".
    """
    count = min(len(a), len(b))
    x = torch.cat((spread_rows(a, count), spread_rows(b, count))).double()
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-9)
    y = torch.cat((torch.ones(count), -torch.ones(count))).double()
    fold = torch.arange(count).repeat(2) % folds
    right = 0
    for each in range(folds):
        train, held = fold != each, fold == each
        gram = x[train].t() @ x[train]
        gram.diagonal().add_(0.05 * len(x))
        weights = torch.linalg.solve(gram, x[train].t() @ y[train])
        right += int(((x[held] @ weights).sign() == y[held]).sum())
    return right, 2 * count


def mean_distance(a: Tensor, b: Tensor) -> float:
    """Hotelling's T^2 of the means of two sets of rows over the number of values: about 1 where both are drawn alike.

    The pooled covariance has a tenth of its mean variance added to its diagonal.

    Source: Hotelling 1931, "The generalization of Student's ratio"; the ridge after Chen et al. 2011.
    """
    a, b = a.flatten(1).double(), b.flatten(1).double()
    apart = a.mean(0) - b.mean(0)
    pooled = (torch.cov(a.t()) * (len(a) - 1) + torch.cov(b.t()) * (len(b) - 1)) / (len(a) + len(b) - 2)
    pooled = pooled.reshape(len(apart), len(apart))
    pooled.diagonal().add_(0.1 * pooled.diagonal().mean() + 1e-12)
    scale = len(a) * len(b) / (len(a) + len(b))
    return float(scale * (apart @ torch.linalg.solve(pooled, apart)) / len(apart))
