"""The few-shot curve: how good codes, HOG and pixels are with one, two, five images a class, over many draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.rng import Rng

from .codes import Codes
from .linear import Kind, fit_linear
from .payload import FewShot, Shots


def few_shot(
    pool: Mapping[str, Codes],
    test: Mapping[str, Codes],
    classes: int,
    *,
    shots: Sequence[int],
    draws: int,
    seed: int = 0,
    kind: Kind = "svm",
) -> FewShot:
    """Accuracy on the test codes of a linear classifier fitted to a few images a class, drawn from the pool.

    Every line sees the same images in a draw, and the same test images always, which are in no draw; the classifier
    has its usual strength, so that nothing is chosen. Intervals are Student's over the draws, and leave out what other
    test images would change; draws that take much of the pool share images, and then lie closer than new ones would.

    Args:
        pool: Codes to draw from, by name, rows in one order; the first is compared with the others.
        test: Codes of the same names to measure on.
        classes: How many there are.
        shots: Images a class.
        draws: At each number, at least 2.
        seed: Of the draws.
        kind: The classifier.

    Raises:
        StriateError: A class has fewer images than a number asks for, or there are fewer than two draws.
    """
    names = list(pool)
    labels = pool[names[0]].labels
    least = int(torch.bincount(labels, minlength=classes).min())
    numbers = sorted(set(shots))
    if draws < 2 or not numbers or numbers[0] < 1 or numbers[-1] > least:
        raise StriateError(
            f"{draws} draws of {', '.join(map(str, shots)) or 'no'} images a class",
            accepted=f"at least 2 draws of 1 to {least} images: a class has no more outside of the test split",
        )
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in numbers:
        for name in names:
            found[name].append([])
        for draw in range(draws):
            rows = drawn(labels, classes, number, seed=seed, draw=draw)
            for name in names:
                made = fit_linear(pool[name].values[rows], labels[rows], classes, kind=kind)
                right = made.right(test[name].values, test[name].labels)
                found[name][-1].append(float(right.double().mean()))
    first = found[names[0]]
    lines = []
    for name in names:
        gaps = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(first, found[name], strict=True)]
        over = tuple(over_draws(each) for each in gaps) if name != names[0] else ()
        lines.append(Shots(name, tuple(over_draws(each, share=True) for each in found[name]), over))
    return FewShot(tuple(numbers), draws, len(test[names[0]].labels), tuple(lines))


def drawn(labels: Tensor, classes: int, number: int, *, seed: int, draw: int) -> Tensor:
    """Rows of ``number`` images of each class; more images of one draw hold the fewer of the same draw."""
    rng = Rng(seed, "transfer/shots")
    rows = []
    for label in range(classes):
        own = (labels == label).nonzero()[:, 0]
        rows.append(own[rng.child(str(label)).permutation(len(own), step=draw)[:number]])
    return torch.cat(rows)


def over_draws(values: Sequence[float], *, share: bool = False) -> Number:
    """The mean with Student's 95 % interval over draws or seeds; that of a share is cut to [0, 1]."""
    from scipy.stats import t

    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Number(mean, n=n, why="one draw has no spread")
    half = float(t.ppf(0.975, n - 1)) * math.sqrt(math.fsum((each - mean) ** 2 for each in values) / (n - 1) / n)
    low, high = mean - half, mean + half
    return Number(mean, max(low, 0.0) if share else low, min(high, 1.0) if share else high, n, "over draws")
