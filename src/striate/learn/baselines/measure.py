"""Features times classifiers on one split: fitted on train, chosen on dev, measured once on test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress, Step
from striate.core.rng import Rng
from striate.data.batches import batches
from striate.data.dataset import Dataset

from . import CLASSIFIERS, FEATURES
from .contract import Candidates, Features

IMAGES = 10_000  # of train that are learnt from
CHOOSING = 2_500  # of dev that choose
_COPIES = 3  # of the training codes that fitting holds at once, float32
_CHUNK = 500  # images whose codes are made at once, where memory allows


@dataclass(frozen=True)
class Baseline:
    """One feature with one classifier.

    Attributes:
        feature: A name of `FEATURES`; "" for the majority class, which needs none.
        classifier: A name of `CLASSIFIERS`, or ``"majority"``.
        predicted: Class of each test image, (N,).
        correct: Whether that is its label, (N,) bool.
        chosen: The setting that was best on dev, in words; "" where there is nothing to choose.
        dev: Share of the dev images that this setting has right.
        width: Numbers of a code.
        seconds: CPU seconds of fitting the classifier, and of its predictions for dev and test.
    """

    feature: str
    classifier: str
    predicted: Tensor
    correct: Tensor
    chosen: str
    dev: float
    width: int
    seconds: float

    @property
    def name(self) -> str:
        """``"hog, svm"``, or ``"majority"``."""
        return f"{self.feature}, {self.classifier}" if self.feature else self.classifier


@dataclass(frozen=True)
class Described:
    """One feature as it was made: what it is, how wide, the CPU seconds of making it and of all codes."""

    name: str
    said: str
    width: int
    seconds: float
    train: int


@dataclass(frozen=True)
class Measured:
    """All baselines on one test split.

    Attributes:
        rows: The majority class first, then feature by feature.
        features: Each feature, as it was made.
        labels: Of the test images that were measured, (N,).
        test: Their rows in the split, (N,).
        train: Images learnt from, at most; a feature that would not fit the memory learns from fewer, and says so.
        dev: Images that chose.
        linear: Weights (width, K) of the chosen linear classifier on the pixels, where there is one; centred pixels.
        linear_name: Its classifier.
    """

    rows: tuple[Baseline, ...]
    features: tuple[Described, ...]
    labels: Tensor
    test: Tensor
    train: int
    dev: int
    linear: Tensor | None = None
    linear_name: str = ""

    @property
    def best(self) -> Baseline:
        """The baseline that is best on dev, of equal ones the first: the test split chooses nothing."""
        return max(self.rows, key=lambda row: row.dev)

    @property
    def majority(self) -> Baseline:
        """The most frequent class of train for every image."""
        return self.rows[0]

    def of(self, feature: str, classifier: str) -> Baseline:
        """One of them."""
        found = [row for row in self.rows if (row.feature, row.classifier) == (feature, classifier)]
        if not found:
            raise StriateError(
                f"no baseline {feature}, {classifier}", accepted=", ".join(row.name for row in self.rows)
            )
        return found[0]


@dataclass
class _Kind:
    """One feature's codes of train and what was learnt from them."""

    candidates: dict[str, Candidates] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def measure_baselines(
    train: Dataset,
    dev: Dataset,
    test: Dataset,
    *,
    features: Sequence[str] = tuple(FEATURES),
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    images: int = IMAGES,
    choosing: int = CHOOSING,
    memory: int = 1 << 30,
    workers: int = 0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Measured:
    """Every feature with every classifier, fitted on train, its setting chosen on dev, measured on test.

    The images of train and of dev, where there are more than ``images`` and ``choosing``, are drawn once, whatever the
    seed, so that two calls learn from the same ones. Test images come in chunks: their codes are never all in memory.

    Args:
        train: Labelled images of one size.
        dev: Of the same size and classes.
        test: Likewise; it chooses nothing.
        features: Names of `FEATURES`.
        classifiers: Names of `CLASSIFIERS`; the majority class is always there.
        images: Training images at most; fewer where their codes would not fit ``memory``.
        choosing: Dev images at most.
        memory: Bytes for codes.
        workers: Processes that decode.
        seed: Of k-means and of the perceptron's orders.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such feature or classifier.
        StriateError: A split is empty, sizes, channels or classes differ, or a feature cannot be made.

    >>> from striate.data.load import load_splits
    >>> found = measure_baselines(*load_splits("digits"), features=("pixels",), classifiers=("means",))
    >>> [(row.name, round(float(row.correct.double().mean()), 2)) for row in found.rows]
    [('majority', 0.1), ('pixels, means', 0.91)]
    """
    for name in features:
        FEATURES[name]
    for name in classifiers:
        CLASSIFIERS[name]
    _check(train, dev, test)
    learnt, chosen = _some(train, images), _some(dev, choosing)
    # codes of every image, and each fit as many images as it learns from
    total = len(features) * ((1 + len(classifiers)) * len(learnt) + len(chosen) + len(test))
    rows: list[Baseline] = []
    made: list[Described] = []
    linear: tuple[Tensor, str] | None = None
    places, labels = torch.arange(len(test)), test.labels
    with progress.task("baselines", max(total, 1)) as step:
        for name in features:
            found, said, places, labels, weights = _measured(
                name, learnt, chosen, test, classifiers, memory=memory, workers=workers, seed=seed, step=step
            )
            rows += found
            made.append(said)
            linear = weights if name == "pixels" else linear
    rows.insert(0, _majority(train, dev, labels))
    template, which = linear if linear is not None else (None, "")
    return Measured(tuple(rows), tuple(made), labels, places, len(learnt), len(chosen), template, which)


def _measured(
    name: str,
    train: Dataset,
    dev: Dataset,
    test: Dataset,
    classifiers: Sequence[str],
    *,
    memory: int,
    workers: int,
    seed: int,
    step: Step,
) -> tuple[list[Baseline], Described, Tensor, Tensor, tuple[Tensor, str] | None]:
    """All classifiers on one feature; the test rows and labels that came; the pixels' linear weights."""
    begun = time.process_time()
    step(0, name)
    feature = FEATURES.load(name)(train, seed=seed, memory=memory, step=step)
    fitting = _some(train, max(len(test.classes), memory // (4 * _COPIES * feature.width)))
    codes, truth = _codes(feature, fitting, memory=memory, workers=workers, step=step)
    spent = time.process_time() - begun
    kind = _Kind()
    for each in classifiers:
        at = time.process_time()
        step(0, f"{name}, {each}")
        fit = CLASSIFIERS.load(each)
        kind.candidates[each] = fit(codes, truth, classes=len(train.classes), seed=seed, step=step)
        kind.seconds[each] = time.process_time() - at
        step(len(train))
    step(len(train) - len(codes), f"{name}, dev and test")
    on_dev, dev_labels, _, more = _predicted(feature, kind, dev, memory=memory, workers=workers, step=step)
    right = {each: (found == dev_labels).double().mean(1) for each, found in on_dev.items()}
    # argmax gives the first of equal ones, the simplest setting
    best = {each: int(share.argmax()) for each, share in right.items()}
    on_test, labels, places, again = _predicted(feature, kind, test, memory=memory, workers=workers, step=step)
    rows = [
        Baseline(
            feature=name,
            classifier=each,
            predicted=on_test[each][best[each]],
            correct=on_test[each][best[each]] == labels,
            chosen=kind.candidates[each].settings[best[each]],
            dev=float(right[each][best[each]]),
            width=feature.width,
            seconds=kind.seconds[each],
        )
        for each in classifiers
    ]
    said = Described(name, feature.said, feature.width, spent + more + again, len(codes))
    return rows, said, places, labels, _templates(kind, best)


def _templates(kind: _Kind, best: dict[str, int]) -> tuple[Tensor, str] | None:
    """Weights (width, K) of the first classifier that is a line."""
    from .linear import Linear

    for each, found in kind.candidates.items():
        if isinstance(found, Linear):
            return found.weights[best[each]] / found.scale, each
    return None


def _codes(feature: Features, data: Dataset, *, memory: int, workers: int, step: Step) -> tuple[Tensor, Tensor]:
    codes, labels, filled = torch.empty(len(data), feature.width), torch.empty(len(data), dtype=torch.int64), 0
    for rows, images, truth in batches(data, _chunk(feature, data, memory), workers=workers):
        codes[filled : filled + len(rows)] = feature(images)
        labels[filled : filled + len(rows)] = truth
        filled += len(rows)
        step(len(rows))
    return codes[:filled], labels[:filled]


def _predicted(
    feature: Features, kind: _Kind, data: Dataset, *, memory: int, workers: int, step: Step
) -> tuple[dict[str, Tensor], Tensor, Tensor, float]:
    """Classes (settings, N) by every classifier, labels, rows, and the CPU seconds of the codes alone."""
    parts: dict[str, list[Tensor]] = {each: [] for each in kind.candidates}
    labels, places, spent = [], [], 0.0
    for rows, images, truth in batches(data, _chunk(feature, data, memory), workers=workers):
        begun = time.process_time()
        codes = feature(images)
        spent += time.process_time() - begun
        for each, found in kind.candidates.items():
            at = time.process_time()
            parts[each].append(found(codes))
            kind.seconds[each] += time.process_time() - at
        labels.append(truth)
        places.append(rows)
        step(len(rows))
    joined = {each: torch.cat(found, 1) for each, found in parts.items()}
    return joined, torch.cat(labels).long(), torch.cat(places), spent


def _chunk(feature: Features, data: Dataset, memory: int) -> int:
    """Images at a time: their codes, and the pixels several times over, within an eighth of the memory."""
    height, width = data.size or (1, 1)
    one = 4 * (4 * feature.width + 40 * data.channels * height * width)
    return max(1, min(_CHUNK, memory // 8 // one))


def _some(data: Dataset, count: int) -> Dataset:
    """At most so many images, the same ones in every call; where there are no more, all of them."""
    if len(data) <= count:
        return data
    return data.take(Rng(0, "baselines/rows").permutation(len(data))[:count].sort().values)


def _majority(train: Dataset, dev: Dataset, labels: Tensor) -> Baseline:
    counts = torch.bincount(train.labels, minlength=len(train.classes))
    most = int(counts.argmax())
    share = float((dev.labels == most).double().mean())
    return Baseline("", "majority", torch.full_like(labels, most), labels == most, train.classes[most], share, 0, 0.0)


def _check(train: Dataset, dev: Dataset, test: Dataset) -> None:
    for data in (train, dev, test):
        data.classified()
        data.ready()
        if not len(data):
            raise StriateError(
                f"{data.name} has no {data.split} images", accepted="images in train, dev and test", hint="--shares"
            )
        if (data.size, data.channels, data.classes) != (train.size, train.channels, train.classes):
            raise StriateError(
                f"{data.split} images of {data.size}, {data.channels} channels, {len(data.classes)} classes",
                accepted=f"what train has: {train.size}, {train.channels} channels, {len(train.classes)} classes",
            )
