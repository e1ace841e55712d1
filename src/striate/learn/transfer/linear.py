"""Linear classifiers of codes: softmax regression, a support vector machine, and ridge with one image left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError

Kind = Literal["softmax", "svm"]
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # of softmax regression, times half the squared weights of scaled codes
COSTS = (0.1, 1.0, 10.0)  # of the support vector machine
USUAL: dict[Kind, float] = {"softmax": 1e-3, "svm": 10.0}


@dataclass(frozen=True)
class Linear:
    """Scores of codes, ``codes @ weight.T + bias``: weight (K, D), bias (K,), float64; ``strength`` as it was asked."""

    weight: Tensor
    bias: Tensor
    kind: Kind
    strength: float

    def __call__(self, codes: Tensor) -> Tensor:
        """Scores (n, K)."""
        return codes.double() @ self.weight.T + self.bias

    def right(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Which have the highest score at their label, (n,) bool."""
        return self(codes).argmax(1) == labels


def fit_linear(codes: Tensor, labels: Tensor, classes: int, *, kind: Kind = "softmax", strength: float = 0.0) -> Linear:
    """The classifier of this kind, fitted to codes (N, D) with labels (N,), each of the classes among them.

    Codes are centred and divided by the mean length of what is left, one number for all columns, so that ``strength``
    means the same for every net; the scores are of the codes as they are. For ``softmax`` it is the penalty l of
    ``mean cross-entropy + l/2 |W|^2``, minimised by L-BFGS; for ``svm`` it is C of one machine a class against the
    others. 0 takes the usual one.

    Raises:
        StriateError: A class has no image, or there is one class alone.

    Source: Cortes & Vapnik 1995 by LIBLINEAR (Fan et al. 2008); softmax regression is Bishop 2006, section 4.3.4.
    """
    known = set(labels.tolist())
    if classes < 2 or known != set(range(classes)):
        raise StriateError(f"codes of {len(known)} of {classes} classes", accepted="some of each of two or more")
    strength = strength or USUAL[kind]
    x = codes.double()
    mean = x.mean(0)
    scale = float((x - mean).norm(dim=1).mean()) or 1.0
    fit = _softmax if kind == "softmax" else _machine
    weight, bias = fit((x - mean) / scale, labels, classes, strength)
    weight = weight / scale
    return Linear(weight, bias - weight @ mean, kind, strength)


def chosen_linear(
    codes: Tensor, labels: Tensor, classes: int, *, kind: Kind, choose: tuple[Tensor, Tensor] | None
) -> Linear:
    """The strength that is best on other codes and labels; of equal ones the gentler. The usual one without them."""
    if choose is None or not len(choose[1]):
        return fit_linear(codes, labels, classes, kind=kind)
    grid = sorted(PENALTIES, reverse=True) if kind == "softmax" else COSTS
    made = [fit_linear(codes, labels, classes, kind=kind, strength=each) for each in grid]
    right = [int(each.right(*choose).sum()) for each in made]
    return made[right.index(max(right))]


def _softmax(x: Tensor, labels: Tensor, classes: int, penalty: float) -> tuple[Tensor, Tensor]:
    # with fewer images than numbers the weights lie in the span of the images: fewer unknowns, the same minimum
    basis = torch.linalg.svd(x, full_matrices=False)[2] if len(x) < x.shape[1] else None
    z = x if basis is None else x @ basis.T
    weight = torch.zeros(classes, z.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        value = F.cross_entropy(z @ weight.T + bias, labels) + penalty / 2 * weight.square().sum()
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        search.step(loss)  # type: ignore[no-untyped-call]
    found = weight.detach()
    whole: Tensor = found if basis is None else found @ basis
    return whole, bias.detach()


def _machine(x: Tensor, labels: Tensor, classes: int, cost: float) -> tuple[Tensor, Tensor]:
    from sklearn.svm import LinearSVC

    fitted = LinearSVC(C=cost, random_state=0, max_iter=5000).fit(x.numpy(), labels.numpy())
    weight, bias = torch.from_numpy(fitted.coef_), torch.from_numpy(fitted.intercept_)
    if classes == 2:
        weight, bias = torch.cat([-weight, weight]), torch.cat([-bias, bias])
    return weight.double(), bias.double()


def left_out(codes: Tensor, labels: Tensor, classes: int, *, penalty: float = 0.1) -> Tensor:
    """Which images ridge regression has right that was fitted without them, (N,) bool; in closed form.

    Columns are centred; the penalty counts in mean eigenvalues of the codes' second moments. The score of an image
    without itself is ``(h y - H_ii y) / (1 - H_ii)``, with H the matrix that gives the fitted scores.

    Source: Allen 1974, "The relationship between variable selection and data augmentation and a method for
    prediction" (PRESS); Hoerl & Kennard 1970 for ridge regression.
    """
    x = codes.double() - codes.double().mean(0)
    kernel = x @ x.T
    level = penalty * float(kernel.diagonal().mean()) or 1.0
    # a constant column that is not penalised is in the fit too: 1/n, as x is centred
    hat = torch.linalg.solve(kernel + level * torch.eye(len(x), dtype=x.dtype), kernel).T + 1 / len(x)
    y = F.one_hot(labels, classes).double()
    own = hat.diagonal()[:, None].clamp_max(1 - 1e-9)
    without = (hat @ y - own * y) / (1 - own)
    right: Tensor = without.argmax(1) == labels
    return right
