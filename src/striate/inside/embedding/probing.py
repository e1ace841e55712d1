"""Simple classifiers on codes: what a layer holds of the classes that a line, or a look at the nearest, can read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.measure.nearest import nearest

PENALTIES = tuple(10.0**power for power in range(-4, 4))  # times the mean variance of the codes
FOLDS = 5  # where the data have no other split to fit on


@dataclass(frozen=True)
class Labelled:
    """Codes (N, D) with labels (N,)."""

    codes: Tensor
    labels: Tensor

    def take(self, rows: Tensor) -> Labelled:
        """Some of them."""
        return Labelled(self.codes[rows], self.labels[rows])


@dataclass(frozen=True)
class Ridge:
    """Linear scores of codes: ``(codes - mean) / scale @ weights + offset``; float64."""

    mean: Tensor
    scale: Tensor
    weights: Tensor
    offset: Tensor
    penalty: float

    def __call__(self, codes: Tensor) -> Tensor:
        """Scores (n, K)."""
        return ((codes.double() - self.mean) / self.scale) @ self.weights + self.offset


@dataclass(frozen=True)
class Fitted:
    """A linear probe: which images it has right, (n,) bool; its penalty; how many it has right that chose it."""

    right: Tensor
    penalty: float
    chosen: int


def fit_ridges(fit: Labelled, classes: int, penalties: tuple[float, ...] = PENALTIES) -> list[Ridge]:
    """Ridge regression of one-hot labels for each penalty, in closed form, from one eigen-decomposition.

    Columns are centred and divided by their standard deviation over the fitted codes (constant ones by 1). A penalty
    counts in units of the mean eigenvalue of the columns' second moments, n for columns of unit variance.

    Source: Hoerl & Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems", equation 2.1.
    """
    codes = fit.codes.double()
    mean, spread = codes.mean(0), codes.std(0, correction=0)
    scale = torch.where(spread > 1e-12 * spread.max().clamp_min(1e-300), spread, 1.0)
    x = (codes - mean) / scale
    targets = torch.nn.functional.one_hot(fit.labels, classes).double()
    offset = targets.mean(0)
    y = targets - offset
    tall = len(x) >= x.shape[1]
    moments = x.T @ x if tall else x @ x.T
    values, vectors = torch.linalg.eigh(moments)
    values = values.clamp_min(0.0)
    unit = float(values.sum()) / x.shape[1] or 1.0
    inner = vectors.T @ (x.T @ y if tall else y)
    made = []
    for penalty in penalties:
        weights = vectors @ (inner / (values + penalty * unit)[:, None])
        made.append(Ridge(mean, scale, weights if tall else x.T @ weights, offset, penalty))
    return made


def linear_probe(fit: Labelled, choose: Labelled, test: Labelled, *, classes: int) -> Fitted:
    """A ridge probe whose penalty is the best on ``choose``, and which images of ``test`` it has right.

    Of equally good penalties the largest is taken.

    Source: Alain & Bengio 2017, "Understanding intermediate layers using linear classifier probes" (theirs is softmax
    regression by gradient descent, ours ridge regression, which has a closed form).
    """
    made = fit_ridges(fit, classes)
    right = [int((each(choose.codes).argmax(1) == choose.labels).sum()) for each in made]
    best = max(range(len(made)), key=lambda place: (right[place], made[place].penalty))
    return Fitted(made[best](test.codes).argmax(1) == test.labels, made[best].penalty, right[best])


def nearest_probe(fit: Labelled, test: Labelled, k: int, *, classes: int) -> Tensor:
    """Which images of ``test`` the vote of the k nearest of ``fit`` has right; of equal votes the nearest decides.

    Source: Cover & Hart 1967, "Nearest neighbor pattern classification".
    """
    k = min(k, len(fit.labels))
    labels = fit.labels[nearest(test.codes, fit.codes, k)[0]]
    votes = torch.zeros(len(labels), classes, dtype=torch.float64)
    worth = 1.0 + 0.5 ** (1.0 + torch.arange(k, dtype=torch.float64))  # the halves sum to less than a vote
    votes.scatter_add_(1, labels, worth.expand_as(labels))
    return votes.argmax(1) == test.labels


def folds_of(labels: Tensor, *, seed: int, count: int = FOLDS) -> Tensor:
    """A fold for each image, (N,): classes in proportion, their images shuffled by the seed.

    Raises:
        StriateError: Fewer images than folds.
    """
    if len(labels) < count:
        raise StriateError(f"{len(labels)} images", accepted=f"at least {count} for {count} folds")
    order = torch.tensor(Rng(seed, "embedding/folds").permutation(len(labels)).tolist())
    order = order[labels[order].argsort(stable=True)]
    folds = torch.empty(len(labels), dtype=torch.int64)
    folds[order] = torch.arange(len(labels)) % count
    return folds


def probed_by_folds(data: Labelled, k: int, *, classes: int, seed: int, count: int = FOLDS) -> tuple[Fitted, Tensor]:
    """The same where there is one split alone: each fold is measured once, the next chooses, the others are fitted.

    Gives the linear probe, with the penalty of the last fold, and which images the vote of the k nearest has right.
    """
    folds = folds_of(data.labels, seed=seed, count=count)
    linear, near = (torch.zeros(len(folds), dtype=torch.bool) for _ in range(2))
    penalty, chosen = 0.0, 0
    for fold in range(count):
        here, after = folds == fold, folds == (fold + 1) % count
        test, choose, fit = (data.take(each.nonzero()[:, 0]) for each in (here, after, ~here & ~after))
        made = linear_probe(fit, choose, test, classes=classes)
        linear[here], penalty, chosen = made.right, made.penalty, chosen + made.chosen
        near[here] = nearest_probe(fit, test, k, classes=classes)
    return Fitted(linear, penalty, chosen), near
