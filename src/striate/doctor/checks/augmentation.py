"""Checks of what is drawn at random of a sample: too much, in the test, the same every time or in every worker."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson, wilson_bounds

from ..alike import directions
from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..samples import Samples, pair, unnoticed

NEIGHBOURS = 5
TRANSFORMS = ("transform", "transforms", "augment", "augmentation", "change", "aug", "train_transform")
TRIED = 3  # samples that are drawn again under other seeds


def differs(samples: Samples) -> bool:
    """Whether samples are other ones when they are drawn a second time."""
    again = samples.again
    if again is None or again.shape != samples.x[: len(again)].shape:
        return False
    return not torch.equal(again.float().nan_to_num(), samples.x[: len(again)].float().nan_to_num())


def _votes(x: Tensor, among: Tensor, labels: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
    """For each direction the class that most of its 5 nearest have, and the share of them that have it."""
    inner = x @ among.t()
    if same:
        inner.fill_diagonal_(-2.0)
    rows = inner.topk(NEIGHBOURS, dim=1).indices
    counts = torch.nn.functional.one_hot(labels[rows], int(labels.max()) + 1).sum(1)
    return counts.argmax(1), counts.amax(1) / NEIGHBOURS


def _labelled(case: Case) -> tuple[Samples, Samples] | None:
    train, test = case.train, case.test
    if train is None or test is None or test.targets != "classes" or min(len(train), len(test)) < 100:
        return None
    if train.x.shape[1:] != test.x.shape[1:] or not bool(train.x.isfinite().all() & test.x.isfinite().all()):
        return None
    return train, test


def _common(samples: Samples) -> float:
    """Mean correlation of two draws of an image: what noise leaves of it."""
    assert samples.again is not None
    first, second = directions(samples.x[: len(samples.again)]), directions(samples.again)
    return float((first * second).sum(1).mean())


@check(
    "augmentation-destroys-label",
    what="what augmentation leaves of an image no longer shows its class",
    why="labels of images that show nothing, or another class, are noise",
    phase="data",
    needs=("train", "test", "labels", "images", "again"),
    symptom="slow",
    mend="Look at a sheet of augmented images; make noise, crops and erased boxes smaller until you can name each.",
    code="save_image(next(iter(train_loader))[0], 'augmented.png', normalize=True)",
    thresholds=(
        Threshold(
            "share of what neighbours tell that augmentation leaves", 0.25,
            "flips, crops, turns by 15 degrees, boxes of a quarter, jitter leave .6 to 1",
        ),
        Threshold("the same, where two draws of an image have nothing in common", 0.5, "the same leave .6 to 1"),
        Threshold("correlation of two draws", 0.12, "the same show .26 to 1, noise of five deviations .05"),
        Threshold("samples that look like another class, above the test's own", 0.11, "the same show up to .07"),
    ),
    cost="two tables of correlations of at most 1,000 inputs of 16 x 16",
    source="Cover & Hart 1967; Cubuk et al. 2020, 'RandAugment', on magnitudes that are too large",
    else_=("images whose nearness says little of their class",),
    leads_to=("underfitting", "labels-shuffled", "label-noise"),
)  # fmt: skip
def augmentation_destroys_label(case: Case, limits: Limits) -> Iterator[Seen]:
    splits = _labelled(case)
    if splits is None or not differs(splits[0]):
        return
    train, test = splits
    a, b = directions(train.x), directions(test.x)
    y, ty = train.labels, test.labels
    counts = torch.bincount(ty)
    chance = float(counts.max() / len(ty))
    own, sure_own = _votes(b, b, ty, same=True)
    voted, sure = _votes(a, b, ty, same=False)
    among, _ = _votes(a, a, y, same=True)
    clean = float((own == ty).float().mean())
    left = max(float((voted == y).float().mean()), float((among == y).float().mean()))
    if clean < chance + 6 * math.sqrt(chance * (1 - chance) / len(ty)):
        return  # neighbours say nothing of these data
    share = (left - chance) / (clean - chance)
    evidence = Evidence("right by 5 neighbours, test images", Number.of(clean, n=len(ty)))
    pictures = ("training images as they are drawn", train.x[:16])
    alike = _common(train)
    bound = limits["share of what neighbours tell that augmentation leaves"]
    if alike < limits["correlation of two draws"]:
        bound = limits["the same, where two draws of an image have nothing in common"]
    if share < bound:
        yield Seen(
            f"Of augmented training images neighbours name {left:.0%} right, of test images {clean:.0%} "
            f"({chance:.0%} is chance): augmentation leaves little of them.",
            sure=0.85,
            evidence=(
                Evidence(
                    "share of what neighbours tell that augmentation leaves",
                    Number.of(max(share, 0.0)),
                    limit="above .25",
                ),
                evidence,
                Evidence("correlation of two draws of an image", Number.of(alike)),
            ),
            subject="train",
            images=pictures,
        )
        return
    wrong, usual = (voted != y) & (sure == 1), (own != ty) & (sure_own == 1)
    excess = float(wrong.float().mean()) - wilson_bounds(int(usual.sum()), len(ty))[1]
    if excess < limits["samples that look like another class, above the test's own"]:
        return
    pairs = torch.stack((y[wrong], voted[wrong]), 1)
    kinds, times = torch.unique(pairs, dim=0, return_counts=True)
    first, second = kinds[times.argmax()].tolist()
    yield Seen(
        f"{float(wrong.float().mean()):.0%} of augmented training images look wholly like another class, most often "
        f"{first} like {second}; of test images {float(usual.float().mean()):.0%} do.",
        severity="warning",
        sure=0.75,
        evidence=(
            Evidence(
                "share whose 5 neighbours all have one other class",
                wilson(int(wrong.sum()), len(y)),
                limit="at most .11 above the test's",
            ),
            evidence,
        ),
        subject="train",
        mend="Leave out turns and flips that make one class of another (6 and 9, 2 and 5, left and right).",
        code="transforms.RandomRotation(15)  # not 180; no RandomVerticalFlip for digits",
        images=("training images that look like another class", train.x[wrong][:16]),
    )


@check(
    "augmentation-in-test",
    what="test inputs are other ones each time they are drawn",
    why="the test measures augmented images, and its result differs from one reading to the next",
    phase="data",
    needs=("test",),
    symptom="shift",
    mend="Give the test data a transform of their own without random parts: resize, crop in the middle, normalise.",
    code="test = ImageFolder(path, transform=Compose([Resize(256), CenterCrop(224), ToTensor(), normalize]))",
    cost="48 test samples drawn a second time",
    else_=("several draws of each test image that are averaged on purpose",),
    leads_to=("preprocessing-differs", "train-test-shift", "labels-shuffled"),
)
def augmentation_in_test(case: Case, limits: Limits) -> Iterator[Seen]:
    test = case.test
    assert test is not None
    if not differs(test) or test.again is None:
        return
    count = len(test.again)
    other = (test.again != test.x[:count]).flatten(1).any(1)
    yield Seen(
        f"{int(other.sum())} of {count} test inputs were other ones when they were drawn a second time.",
        severity="warning",
        sure=0.97,
        evidence=(Evidence("share that differs", wilson(int(other.sum()), count, of="inputs"), limit="0"),),
        subject="test",
        images=("test images, then the same drawn again", torch.cat((test.x[:8], test.again[:8])))
        if test.images
        else None,
    )


def _seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


@contextmanager
def _apart() -> Iterator[None]:
    """Inside, a worker's own settings may be made; random numbers, threads, environment are put back."""
    threads, environment = torch.get_num_threads(), dict(os.environ)
    with unnoticed():
        try:
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            if dict(os.environ) != environment:
                os.environ.clear()
                os.environ.update(environment)


def _drawn(data: Any, row: int) -> Tensor:
    return pair(data[row])[0]


def _under(data: Any, rows: list[int], seeds: tuple[int, int], init: Callable[[int], None] | None) -> list[bool] | None:
    """For each row whether it comes out the same under two seeds, as two workers would draw it; None if it raises."""
    found = []
    try:
        for row in rows:
            drawn = []
            for worker, seed in enumerate(seeds):
                with _apart():
                    _seed(seed)
                    if init is not None:
                        init(worker)
                    drawn.append(_drawn(data, row))
            found.append(drawn[0].shape == drawn[1].shape and torch.equal(drawn[0], drawn[1]))
    except Exception:  # a worker's own function may ask for what only a worker has
        return None
    return found


@check(
    "workers-alike",
    what="every worker of the loader draws the same random numbers",
    why="samples come in groups with one and the same augmentation, and often the same again each epoch",
    phase="data",
    needs=("train", "loader"),
    symptom="gap",
    mend="Seed workers from torch.initial_seed(), which differs between workers and epochs, or leave the function out.",
    code="def worker_init(number): np.random.seed(torch.initial_seed() % 2**32)",
    cost=f"{4 * TRIED} samples",
    source="PyTorch documentation, 'Randomness in multi-process data loading'",
)
def workers_alike(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    loader = case.train.loader
    assert loader is not None
    if not len(case.train.rows):
        return
    data = loader.dataset
    init = loader.worker_init_fn
    if init is not None:
        rows = case.train.rows[:TRIED].tolist()
        without = _under(data, rows, (11, 12), None)
        seeded = _under(data, rows, (11, 12), init) if without is not None and not all(without) else None
        if seeded is not None and all(seeded):
            yield Seen(
                "The loader's worker_init_fn gives every worker the same seed: workers 0 and 1 augment a sample alike.",
                sure=0.98,
                evidence=(Evidence("samples drawn alike by two workers", Number.of(1.0, n=TRIED), limit="0"),),
                subject="worker_init_fn",
            )
        return
    held = _generator(data) if loader.num_workers > 1 else ""
    if held and differs(case.train):
        yield Seen(
            f"Each of {loader.num_workers} workers has a copy of the generator {held}, in one and the same state.",
            severity="warning",
            sure=0.9,
            evidence=(Evidence("workers", Number.of(float(loader.num_workers))),),
            subject="generator",
            mend="Make the generator in each worker, from torch.initial_seed(), not in the data set's __init__.",
            code="rng = np.random.default_rng(torch.initial_seed())  # in worker_init_fn",
        )


def _parts(data: Any) -> Iterator[Any]:
    """The data set and those within it."""
    yield data
    if isinstance(data, Subset):
        yield from _parts(data.dataset)
    elif isinstance(data, ConcatDataset):
        for each in data.datasets:
            yield from _parts(each)


def _generator(data: Any) -> str:
    """The name of an attribute that is a random generator of its own, of a data set or its transforms; or empty."""
    for part in _parts(data):
        owners = [("", part), *((f"{name}.", getattr(part, name, None)) for name in TRANSFORMS)]
        for prefix, owner in owners:
            for name, value in vars(owner).items() if hasattr(owner, "__dict__") else ():
                if isinstance(value, (np.random.Generator, np.random.RandomState, random.Random)):
                    return f"{type(part).__name__}.{prefix}{name}"
    return ""


@check(
    "augmentation-repeats",
    what="augmentation gives the same image every time",
    why="each epoch shows the same variants: they are a few more images to learn by heart",
    phase="data",
    needs=("train",),
    symptom="gap",
    mend="Draw anew in each __getitem__: no seed inside it, nothing kept of what the transform gave.",
    code="def __getitem__(self, row): return self.transform(self.images[row]), self.labels[row]",
    cost=f"{4 * TRIED} samples",
    else_=("samples that are made up from their number on purpose",),
    leads_to=("overfitting",),
)
def augmentation_repeats(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    data = train.loader.dataset if train.loader is not None else case.setup.train
    if not len(train.rows) or not hasattr(data, "__getitem__") or isinstance(data, (tuple, Tensor, np.ndarray)):
        return
    rows = train.rows[:TRIED].tolist()
    seeded = _reseeded(data, rows)
    if seeded:
        yield Seen(
            f"Drawing a sample sets the seed of {seeded} anew: each epoch draws the same numbers, and so does all that "
            "draws after it.",
            severity="warning",
            sure=0.95,
            evidence=(Evidence("state of the generator after a sample, whatever it was before", Number.of(1.0)),),
            subject="seed",
            mend="Take the seed out of __getitem__ and the transforms; seed once, at the start of the program.",
            code="torch.manual_seed(0)  # at the top of the script only",
        )
        return
    if differs(train) or train.again is None:
        return
    name = _random_transform(data, rows)
    if name:
        yield Seen(
            f"{name} changes an image anew each time, and the data set gives the same image each time.",
            severity="warning",
            sure=0.85,
            evidence=(Evidence("samples that differ when drawn again", Number.of(0.0, n=len(train.again))),),
            subject="kept",
        )


def _reseeded(data: Any, rows: list[int]) -> str:
    """Which generators have a state after drawing a sample that does not depend on the one before; or empty."""
    states: list[tuple[str, str, str]] = []
    try:
        for seed in (21, 22):
            with _apart():
                _seed(seed)
                before = _states()
                _drawn(data, rows[0])
                states.append(_states())
                if states[-1] == before:
                    return ""
    except Exception:
        return ""
    names = ("torch", "NumPy", "Python")
    return " and ".join(name for name, one, other in zip(names, *states, strict=True) if one == other)


def _states() -> tuple[str, str, str]:
    with np.printoptions(threshold=1_000_000):
        numpys = str(np.random.get_state())
    return str(torch.get_rng_state().tolist()), numpys, str(random.getstate())


def _random_transform(data: Any, rows: list[int]) -> str:
    """The name of a transform of the data set that gives two images of one where it is called twice; or empty."""
    for part in _parts(data):
        for name in TRANSFORMS:
            change = getattr(part, name, None)
            if not callable(change):
                continue
            if _varies(change, data, rows[0]):
                return f"{type(part).__name__}.{name}"
    return ""


def _varies(change: Callable[..., Any], data: Any, row: int) -> bool:
    """Whether a transform gives unlike images of one; not where it takes something else, such as pictures of PIL."""
    drawn = []
    try:
        x = _drawn(data, row)
        for seed in (31, 32, 33):
            with _apart():
                _seed(seed)
                drawn.append(pair(change(x.clone()))[0])
    except Exception:  # users' transforms may raise anything on what they do not take
        return False
    return any(each.shape != drawn[0].shape or not torch.equal(each, drawn[0]) for each in drawn)
