"""Linear classifiers fitted to their optimum: support vector machine and softmax regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.core.progress import Step, idle

COSTS = (0.01, 0.1, 1.0, 10.0, 100.0)  # C, where centred codes have a mean square length of 1
ITERATIONS = 300
FLAT = 1e-6
PART = 4096  # numbers of each code that are turned at once
TOLERANCE = 1e-4  # of the objective, relative, at which a search ends: 1e-6 moves dev accuracy by .1 points on MNIST

Loss = Callable[[Tensor, Tensor], tuple[float, Tensor]]  # scores (N, K), labels -> sum of losses, slope by the scores


@dataclass(frozen=True)
class Linear:
    """Scores ``(codes - mean) / scale @ weights + offset`` for each cost; weights (costs, width, K)."""

    settings: tuple[str, ...]
    mean: Tensor
    scale: float
    weights: Tensor
    offsets: Tensor

    def __call__(self, codes: Tensor) -> Tensor:
        """Classes of the highest score, (costs, N)."""
        return self.scores(codes).argmax(2)

    def scores(self, codes: Tensor) -> Tensor:
        """Scores (costs, N, K)."""
        return (codes - self.mean) / self.scale @ self.weights + self.offsets[:, None]


def svm(codes: Tensor, labels: Tensor, *, classes: int, seed: int = 0, step: Step = idle) -> Linear:
    """One linear support vector machine a class against all others, squared hinge loss.

    Source: Cortes & Vapnik 1995; the objective is LIBLINEAR's L2-loss (Fan et al. 2008, equation 2) without a penalty
    on the bias; found by L-BFGS for all classes at once. Deterministic.
    """
    del seed
    return fit_path(codes, labels, classes=classes, loss=squared_hinge, step=step)


def softmax(codes: Tensor, labels: Tensor, *, classes: int, seed: int = 0, step: Step = idle) -> Linear:
    """Softmax regression, its weights penalised, its bias free. Deterministic.

    Source: Cox 1958, for several classes.
    """
    del seed
    return fit_path(codes, labels, classes=classes, loss=cross_entropy, step=step)


def fit_path(
    codes: Tensor,
    labels: Tensor,
    *,
    classes: int,
    loss: Loss,
    costs: tuple[float, ...] = COSTS,
    tolerance: float = TOLERANCE,
    step: Step = idle,
) -> Linear:
    """The minimum of ``|W|^2 / 2 + C sum of losses`` for each C, each search begun where the last one ended.

    Codes are centred and divided by one number, their root mean square length, so that C means the same for all
    features. Arithmetic is in the precision of the codes. The best weights are sums of codes (Schölkopf, Herbrich &
    Smola 2001, theorem 1), so codes wider than there are of them are turned into their span first: the same minimum.
    """
    mean = codes.mean(0)
    centred = codes - mean
    scale = float(centred.square().sum(1, dtype=torch.float64).mean().sqrt()) or 1.0
    centred /= scale
    span, centred = within_span(centred) if centred.shape[1] > len(centred) else (None, centred)
    start: npt.NDArray[np.float64] = np.zeros((centred.shape[1] + 1) * classes)
    weights, offsets = [], []
    for cost in costs:
        start = _minimum(start, centred, labels, classes=classes, cost=cost, loss=loss, tolerance=tolerance, step=step)
        table = torch.from_numpy(start.copy()).view(-1, classes).to(codes.dtype)
        weights.append(table[:-1] if span is None else span @ table[:-1])
        offsets.append(table[-1])
    return Linear(tuple(f"C = {cost:g}" for cost in costs), mean, scale, torch.stack(weights), torch.stack(offsets))


def within_span(codes: Tensor) -> tuple[Tensor, Tensor]:
    """An orthonormal basis (width, r) of the span of codes (N, width), and the codes in it (N, r), r at most N.

    By the eigenvectors of their products (N, N) in float64; directions shorter than `FLAT` of the longest are none.
    """
    products = torch.zeros(len(codes), len(codes), dtype=torch.float64)
    for part in torch.split(codes, PART, 1):  # a copy of all codes in float64 would be twice as large as they are
        products += part.double() @ part.double().T
    squares, turns = torch.linalg.eigh(products)
    kept = squares > FLAT**2 * squares.max().clamp_min(torch.finfo(torch.float64).tiny)
    lengths, turns = squares[kept].sqrt(), turns[:, kept]
    basis = torch.cat([(part.double().T @ (turns / lengths)).to(codes.dtype) for part in torch.split(codes, PART, 1)])
    return basis, (turns * lengths).to(codes.dtype)


def squared_hinge(scores: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Sum over images and classes of ``max(0, 1 - y s)^2`` with y = 1 for the label, else -1; and its slope."""
    sides = torch.full_like(scores, -1.0).scatter_(1, labels[:, None], 1.0)
    lacks = (1 - sides * scores).clamp_min_(0)
    return float(lacks.square().sum(dtype=torch.float64)), -2 * sides * lacks


def cross_entropy(scores: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Sum of ``-log softmax(s)[y]`` in nats; and its slope."""
    logs = scores.log_softmax(1)
    slope = logs.exp()
    slope[torch.arange(len(labels)), labels] -= 1
    return -float(logs.gather(1, labels[:, None]).sum(dtype=torch.float64)), slope


def _minimum(
    start: npt.NDArray[np.float64],
    codes: Tensor,
    labels: Tensor,
    *,
    classes: int,
    cost: float,
    loss: Loss,
    tolerance: float,
    step: Step,
) -> npt.NDArray[np.float64]:
    """Weights, the offsets in the last row, flat."""
    from scipy.optimize import minimize

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        step(0)
        table = torch.from_numpy(flat).view(-1, classes)
        weights = table[:-1].to(codes.dtype)
        lost, slope = loss(torch.addmm(table[-1].to(codes.dtype), codes, weights), labels)
        down = torch.cat([(codes.T @ slope).double() * cost + table[:-1], slope.sum(0, keepdim=True).double() * cost])
        return 0.5 * float(table[:-1].square().sum()) + cost * lost, down.flatten().numpy()

    options: dict[str, Any] = {"maxiter": ITERATIONS, "maxcor": 20, "ftol": tolerance, "gtol": 1e-12}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, dtype=np.float64)
