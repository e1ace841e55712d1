"""Samples of somebody's data, drawn so that nothing notices: no random number used up, no iterator moved on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler

from .neighbours import as_given, likeness

Targets = Literal["classes", "tags", "masks", "values", "none"]
MOST = 1_000  # samples that checks of data look at
FEWEST = 64  # samples that are drawn however long it takes
PATIENT = 256  # samples up to which one waits ``LONGER`` times as long: neighbours say little of fewer
LONGER = 4.0
BYTES = 1 << 27  # that samples of one split may take
DEPTH = 5  # of attributes in which generators are looked for
SECONDS = 1.0  # after which no more are drawn
TWICE = 48  # samples that are drawn a second time
IN_ORDER = 1_024  # labels that are read in the loader's order
LIKE = 250  # samples from which on one may say that neighbours have nothing in common
ENOUGH = 12.0  # standard deviations above chance at which no further view of the inputs is tried
X_KEYS = ("x", "image", "images", "img", "pixel_values", "input", "inputs", "input_values", "features", "data")
Y_KEYS = ("y", "label", "labels", "target", "targets", "class", "mask", "masks", "annotation")


@contextmanager
def unnoticed() -> Iterator[None]:
    """Inside, random numbers may be drawn from torch, NumPy and Python; afterwards theirs go on as if none had been."""
    state, own = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(state)
        np.random.set_state(own)


@contextmanager
def restored(given: Any) -> Iterator[None]:
    """Inside, the data's own generators of random numbers may be drawn from; afterwards they go on as before.

    They are looked for among the attributes of loaders, data sets and transforms, to a depth of ``DEPTH``.
    """
    states: list[tuple[Any, Any]] = []
    met: set[int] = set()
    todo = [(given, 0)]
    while todo and len(met) < 1_000:
        one, depth = todo.pop(0)  # nearest first: what is met deep is not met again
        if id(one) in met:
            continue
        met.add(id(one))
        if isinstance(one, torch.Generator):
            states.append((one.set_state, one.get_state()))
        elif isinstance(one, np.random.Generator):
            states.append((partial(setattr, one.bit_generator, "state"), one.bit_generator.state))
        elif isinstance(one, np.random.RandomState):
            states.append((one.set_state, one.get_state()))
        elif isinstance(one, random.Random):
            states.append((one.setstate, one.getstate()))
        elif depth < DEPTH and not isinstance(one, (Tensor, np.ndarray, str, bytes)):
            inner = one[:100] if isinstance(one, (list, tuple)) else list(getattr(one, "__dict__", {}).values())
            todo += [(each, depth + 1) for each in inner]
    try:
        yield
    finally:
        for put_back, state in states:
            put_back(state)


@dataclass(frozen=True, eq=False)
class Samples:
    """What was drawn from one split.

    Attributes:
        x: Inputs (n, ...) as the model is given them.
        y: Targets (n, ...), or None.
        rows: Which samples of the data set they are (n,); empty where the data have no numbers.
        total: How many there are in all; None where that is not known.
        again: The first ``TWICE`` drawn a second time, or None.
        again_y: Their targets.
        ordered: Labels of the first samples in the order in which the loader gives them, where it gives them in the
            order of the data; None where it shuffles or that is not known.
        shuffled: Whether the loader draws anew each epoch; None where that is not known.
        batch: Samples a batch; None where that is not known.
        loader: The DataLoader, where there is one.
        named: How a batch names its inputs, where batches are mappings: the model is then called by these names.
    """

    x: Tensor
    y: Tensor | None = None
    rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    total: int | None = None
    again: Tensor | None = None
    again_y: Tensor | None = None
    ordered: Tensor | None = None
    shuffled: bool | None = None
    batch: int | None = None
    loader: DataLoader[Any] | None = None
    named: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def targets(self) -> Targets:
        """What kind of targets these are, by their type, shape and values."""
        return kind_of(self.y)

    @cached_property
    def labels(self) -> Tensor:
        """Class numbers (n,) of `targets` ``classes``; shares of classes count as the largest."""
        assert self.y is not None
        return self.y.argmax(1) if self.y.dim() == 2 and self.y.shape[1] > 1 else self.y.reshape(-1).long()

    @cached_property
    def images(self) -> bool:
        """Whether inputs have the shape of images."""
        return self.x.dim() == 4

    @cached_property
    def flat(self) -> Tensor:
        """Inputs (n, d) in float32; images are brought to at most 16 pixels a side first."""
        x = self.x.float()
        if self.images and max(x.shape[2:]) > 16:
            x = torch.nn.functional.adaptive_avg_pool2d(x, (min(16, x.shape[2]), min(16, x.shape[3])))
        return x.flatten(1)

    @cached_property
    def labelled(self) -> tuple[Tensor, Tensor]:
        """Inputs and class numbers of the samples whose inputs are finite and whose label is no negative number."""
        kept = (self.labels >= 0) & self.x.flatten(1).float().isfinite().all(1)
        return self.x[kept], self.labels[kept]

    @cached_property
    def change(self) -> float | None:
        """Distance of a sample to itself drawn anew, over that to others, medians, 1 at most."""
        if self.again is None or self.again.shape[1:] != self.x.shape[1:] or len(self.again) < 8:
            return None
        first = as_given(self.x[: len(self.again)])
        second = as_given(self.again)
        if not bool(first.isfinite().all()) or not bool(second.isfinite().all()):
            return None
        own = (first - second).norm(dim=1).median()
        return min(1.0, float(own / torch.pdist(first).median().clamp(min=1e-12)))

    @cached_property
    def likeness(self) -> tuple[float, float, float] | None:
        """How much likelier than chance neighbours have one label (`neighbours.likeness`); None of too few samples.

        Too few are less than ``LIKE`` of them, less than 5 of the mean class, or a single class.
        """
        x, y = self.labelled
        present = len(torch.unique(y))
        if len(y) < LIKE or present < 2 or len(y) < 5 * present or float(x.float().std()) == 0:
            return None
        return likeness(x, y, enough=ENOUGH)


class Unreadable(Exception):  # noqa: N818  a reason, caught where it is raised
    """Why no samples can be drawn, in words for the list of what was not run."""


def kind_of(y: Tensor | None) -> Targets:  # noqa: PLR0911  one answer for each kind
    """What kind of targets these are, by their type, shape and values."""
    if y is None or not len(y):
        return "none"
    if not y.is_floating_point():
        if y.dim() == 1 or (y.dim() == 2 and y.shape[1] == 1):
            return "classes"
        if y.dim() == 2 and y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all()):
            return "classes" if bool((y.sum(1) == 1).all()) else "tags"
        return "masks" if y.dim() >= 3 else "values"
    if y.dim() == 2 and y.shape[1] > 1:
        if bool((y >= 0).all()) and bool(((y.sum(1) - 1).abs() < 1e-4).all()):
            return "classes"
        if bool(((y == 0) | (y == 1)).all()):
            return "tags"
    if y.dim() >= 3 and bool(((y == 0) | (y == 1)).all()):
        return "masks"
    if bool(((y == 0) | (y == 1)).all()):
        return "tags"
    return "values"


def draw(given: Any, *, most: int = MOST, seconds: float = SECONDS) -> Samples:  # noqa: PLR0911
    """Samples of a loader, a data set, or a pair of tensors.

    Data with numbered samples are read evenly over all of them; at least ``FEWEST``, then more until ``seconds`` are
    over. What can be iterated anew gives its first batches. What can be iterated once only is not touched.

    Raises:
        Unreadable: There is nothing to draw from without using it up, or it does not give pairs of tensors.
    """
    with unnoticed(), restored(given):
        if isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(each, Tensor) for each in given):
            return _of_tensors(given[0], given[1], most)
        if isinstance(given, Tensor):
            return _of_tensors(given, None, most)
        if isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(e, np.ndarray) for e in given):
            return _of_tensors(torch.as_tensor(given[0]), torch.as_tensor(given[1]), most)
        if isinstance(given, DataLoader):
            return _of_loader(given, most, seconds)
        if hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, (Mapping, str)):
            if isinstance(given, Sequence) and len(given) and _is_batch(given[0]):
                return _of_batches(iter(given), most, total=None)
            return _of_dataset(given, None, most, seconds)
        if isinstance(given, Iterator):
            raise Unreadable("an iterator can be gone through only once, so it is left alone")
        if hasattr(given, "__iter__"):
            again = iter(given)
            if again is given:
                raise Unreadable("it can be gone through only once, so it is left alone")
            return _of_batches(again, most, total=None)
    raise Unreadable(f"a {type(given).__name__} is no loader, data set or pair of tensors")


def pair(batch: Any) -> tuple[Tensor, Tensor | None, tuple[str, ...]]:
    """Inputs and targets of a batch or a sample, and the names of the inputs where it is a mapping.

    Raises:
        Unreadable: There are no tensors where they are looked for.
    """
    if isinstance(batch, Mapping):
        x = next((key for key in X_KEYS if key in batch), None)
        y = next((key for key in Y_KEYS if key in batch), None)
        if x is None:
            raise Unreadable(
                f"batches are mappings with {', '.join(map(str, batch))}; inputs are looked for in {X_KEYS}"
            )
        return _tensor(batch[x]), None if y is None else _tensor(batch[y]), (x,)
    if isinstance(batch, (tuple, list)) and batch:
        return _tensor(batch[0]), _tensor(batch[1]) if len(batch) > 1 else None, ()
    return _tensor(batch), None, ()


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, (bool, int, float, np.ndarray, np.generic)):
        return torch.as_tensor(value)
    raise Unreadable(f"samples hold a {type(value).__name__} where a tensor is expected")


def block(given: Any, count: int, *, seconds: float = SECONDS) -> tuple[Tensor, Tensor] | None:
    """The first samples, in the order of the data; None where they have no numbers or do not come as pairs."""
    with unnoticed():
        loader = given if isinstance(given, DataLoader) else None
        data = given if loader is None else loader.dataset
        if (
            isinstance(data, (tuple, list))
            and len(data) == 2
            and all(isinstance(e, (Tensor, np.ndarray)) for e in data)
        ):
            return torch.as_tensor(data[0][:count]).detach().cpu(), torch.as_tensor(data[1][:count]).detach().cpu()
        if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(
            data, (Mapping, str, Sequence)
        ):
            return None
        begun, drawn = time.perf_counter(), []
        for row in range(min(count, len(data))):
            drawn.append(data[row])
            if row >= FEWEST and time.perf_counter() - begun > seconds:
                break
        x, y, _ = _collated(drawn, loader)
        return None if y is None else (x, y)


def _is_batch(each: Any) -> bool:
    """Whether one entry of a list is a batch: its inputs and targets have a first axis of one length."""
    try:
        x, y, _ = pair(each)
    except Unreadable:
        return False
    return y is not None and y.dim() >= 1 and x.dim() >= 2 and len(x) == len(y)


def spread(total: int, count: int) -> list[int]:
    """``count`` different numbers below ``total``, spread evenly however early one stops."""
    if total <= count:
        step = next(each for each in (7_919, 1) if each == 1 or total % each)
        return [(index * step) % total for index in range(total)]
    return list(dict.fromkeys(int((index * 0.6180339887498949) % 1.0 * total) for index in range(count)))


def _of_tensors(x: Tensor, y: Tensor | None, most: int) -> Samples:
    if not len(x) or (y is not None and len(x) != len(y)):
        raise Unreadable(f"there are {len(x):,} inputs and {0 if y is None else len(y):,} targets")
    most = max(FEWEST, min(most, BYTES // _bytes(x[0])))
    rows = torch.tensor(spread(len(x), most))
    targets = None if y is None else y.detach()[rows.to(y.device)].cpu()
    return Samples(x.detach()[rows.to(x.device)].cpu(), targets, rows, len(x))


def _of_dataset(data: Any, loader: DataLoader[Any] | None, most: int, seconds: float) -> Samples:
    total = len(data)
    if not total:
        raise Unreadable("the data set is empty")
    begun, drawn, rows = time.perf_counter(), [], []
    for row in spread(total, most):
        drawn.append(data[row])
        rows.append(row)
        if len(rows) == FEWEST:
            most = min(most, BYTES // _bytes(drawn[0]))
        if len(rows) >= max(most, FEWEST):
            break
        if len(rows) >= FEWEST and time.perf_counter() - begun > seconds * (LONGER if len(rows) < PATIENT else 1.0):
            break
    x, y, named = _collated(drawn, loader)
    x2, y2, _ = _collated([data[row] for row in rows[:TWICE]], loader)
    ordered, shuffled = _order(data, loader, total, y, seconds)
    batch = None if loader is None else loader.batch_size
    return Samples(x, y, torch.tensor(rows), total, x2, y2, ordered, shuffled, batch, loader, named)


def _bytes(sample: Any) -> int:
    """Memory of one sample's inputs."""
    try:
        x = pair(sample)[0]
    except Unreadable:
        return 1
    return max(1, x.numel() * x.element_size())


def _collated(drawn: list[Any], loader: DataLoader[Any] | None) -> tuple[Tensor, Tensor | None, tuple[str, ...]]:
    collate = torch.utils.data.default_collate if loader is None else loader.collate_fn
    try:
        return pair(collate(drawn))
    except (RuntimeError, TypeError) as error:
        raise Unreadable(f"samples do not fit into one tensor ({str(error).splitlines()[0]})") from error


def _order(
    data: Any, loader: DataLoader[Any] | None, total: int, y: Tensor | None, seconds: float
) -> tuple[Tensor | None, bool | None]:
    """Labels in the loader's order where it goes through the data in theirs, and whether it shuffles."""
    if loader is None:
        return None, None
    sampler: Sampler[Any] | Any = loader.sampler
    inner = getattr(loader.batch_sampler, "sampler", sampler)
    if isinstance(inner, (RandomSampler, SubsetRandomSampler)) or "Random" in type(inner).__name__:
        return None, True
    if not isinstance(inner, SequentialSampler):
        return None, None
    if y is None or kind_of(y) != "classes":
        return None, False
    begun, labels = time.perf_counter(), []
    for row in range(min(total, IN_ORDER)):
        labels.append(data[row])
        if row >= FEWEST and time.perf_counter() - begun > seconds:
            break
    found = _collated(labels, loader)[1]
    return found, False


def _of_loader(loader: DataLoader[Any], most: int, seconds: float) -> Samples:
    if not isinstance(loader.dataset, IterableDataset):
        return _of_dataset(loader.dataset, loader, most, seconds)
    again: Any = iter(loader.dataset)
    if again is loader.dataset:
        raise Unreadable("the loader's data can be gone through only once, so they are left alone")
    own = loader.generator
    state = own.get_state() if own is not None else None
    try:
        plain: DataLoader[Any] = DataLoader(loader.dataset, batch_size=loader.batch_size, collate_fn=loader.collate_fn)
        return _of_batches(iter(plain), most, total=None, batch=loader.batch_size, loader=loader)
    finally:
        if own is not None and state is not None:
            own.set_state(state)


def _of_batches(
    batches: Iterator[Any], most: int, *, total: int | None, batch: int | None = None, loader: Any = None
) -> Samples:
    xs: list[Tensor] = []
    ys: list[Tensor] = []
    named: tuple[str, ...] = ()
    begun, count = time.perf_counter(), 0
    for each in islice(batches, most):
        x, y, named = pair(each)
        xs.append(x.cpu())
        if y is not None:
            ys.append(y.cpu())
        count += len(x)
        if count >= most or (count >= FEWEST and time.perf_counter() - begun > SECONDS):
            break
    if not xs:
        raise Unreadable("it gives no batch")
    try:
        return Samples(
            torch.cat(xs)[:most],
            torch.cat(ys)[:most] if len(ys) == len(xs) else None,
            total=total,
            batch=batch or len(xs[0]),
            loader=loader,
            named=named,
        )
    except RuntimeError as error:
        raise Unreadable(f"batches do not fit into one tensor ({str(error).splitlines()[0]})") from error
