"""How alike two representations of the same images are, whatever their units are called: CKA and SVCCA."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

KEEP = 0.99  # of the variance, which SVCCA keeps, as its authors do
PER_AXIS = 5  # images that SVCCA asks for
_EXACT = "exact for these images"


def cka(x: Tensor, y: Tensor) -> Number:
    """Linear centred kernel alignment of codes (n, D) and (n, E), in [0, 1].

    1 for a code and any rotation, reflection or scaling of it by one factor. With fewer images than numbers in a code
    it is large even for independent codes; `debiased_cka` is not.

    Source: Kornblith, Norouzi, Lee & Hinton 2019, "Similarity of neural network representations revisited",
    equation 4; for linear kernels from the codes' products where these are the smaller.
    """
    a, b = _pair(x, y)
    if max(a.shape[1], b.shape[1]) < len(a):
        both, one, other = ((left.T @ right).square().sum() for left, right in ((a, b), (a, a), (b, b)))
    else:
        k, m = a @ a.T, b @ b.T
        both, one, other = ((left * right).sum() for left, right in ((k, m), (k, k), (m, m)))
    if not float(one) or not float(other):
        return Number(None, n=len(a), why="a code without variance")
    return Number(min(float(both / (one * other).sqrt()), 1.0), n=len(a), why=_EXACT)


def debiased_cka(x: Tensor, y: Tensor) -> Number:
    """Linear CKA from unbiased estimates of HSIC: near 0 for independent codes, however many numbers they have.

    May be below 0. Missing for fewer than 4 images.

    Source: Song, Smola, Gretton, Bedo & Borgwardt 2012, "Feature selection via dependence maximization", equation 5;
    in CKA: Nguyen, Raghu & Kornblith 2021, "Do wide and deep networks learn the same things?", section 2.
    """
    a, b = _pair(x, y)
    if len(a) < 4:
        return Number(None, n=len(a), why="fewer than 4 images")
    k, m = a @ a.T, b @ b.T
    both, one, other = (float(_hsic(left, right)) for left, right in ((k, m), (k, k), (m, m)))
    if one <= 0 or other <= 0:
        return Number(None, n=len(a), why="a code without variance that the unbiased estimate can see")
    return Number.of(both / (one * other) ** 0.5, n=len(a), why=_EXACT)


def svcca(x: Tensor, y: Tensor, *, keep: float = KEEP) -> Number:
    """Mean canonical correlation of codes after each is cut to the principal axes that hold ``keep`` of its variance.

    1 for a code and any invertible linear map of it where all variance is kept. Missing where there are fewer than
    five images an axis kept, our rule: with few images any two codes correlate.

    Source: Raghu, Gilmer, Yosinski & Sohl-Dickstein 2017, "SVCCA", section 2. The correlations are the singular values
    of the product of two orthonormal bases (Bjoerck & Golub 1973).

    Raises:
        StriateError: ``keep`` is not in (0, 1].
    """
    if not 0 < keep <= 1:
        raise StriateError(f"keep is {keep}", accepted="a share above 0, at most 1")
    a, b = _pair(x, y)
    first, second = _basis(a, keep), _basis(b, keep)
    if not first.shape[1] or not second.shape[1]:
        return Number(None, n=len(a), why="a code without variance")
    if PER_AXIS * max(first.shape[1], second.shape[1]) > len(a):
        words = f"{first.shape[1]} and {second.shape[1]} axes for {len(a)} images: with so few any codes correlate"
        return Number(None, n=len(a), why=words)
    return Number(float(torch.linalg.svdvals(first.T @ second).clamp(max=1.0).mean()), n=len(a), why=_EXACT)


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.dim() != 2 or y.dim() != 2 or len(x) != len(y) or len(x) < 2:
        raise StriateError(
            f"codes of shapes {tuple(x.shape)} and {tuple(y.shape)}", accepted="(n, D) and (n, E) of the same images"
        )
    a, b = (each.double() - each.double().mean(0) for each in (x, y))
    return a, b


def _hsic(k: Tensor, m: Tensor) -> Tensor:
    """The unbiased estimate of HSIC from two kernels (n, n), times n (n - 3)."""
    n = len(k)
    k, m = k - torch.diag(k.diagonal()), m - torch.diag(m.diagonal())
    estimate: Tensor = (
        (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) * m.sum(0)).sum()
    )
    return estimate


def _basis(centred: Tensor, keep: float) -> Tensor:
    """An orthonormal basis (n, d) of the principal axes that hold ``keep`` of the variance, as seen by the images."""
    left: Tensor
    sizes: Tensor
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    rank = int((sizes > sizes[:1] * max(centred.shape) * torch.finfo(torch.float64).eps).sum())
    if not rank or float(sizes[0]) == 0:
        return left[:, :0]
    held = sizes.square().cumsum(0) / sizes.square().sum()
    return left[:, : min(rank, int((held < keep - 1e-12).sum()) + 1)]
