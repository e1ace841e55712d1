"""Two nets on the same images: which is better, and could it be chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .bootstrap import DRAWS, bootstrapped
from .inputs import exact_truths
from .intervals import wilson
from .significance import binomial_tail


@dataclass(frozen=True)
class Paired:
    """Images counted by which of two nets is right on them.

    Attributes:
        only_a: Images that only the first net has right.
        only_b: Images that only the second has right.
        both: Images that both have right.
        neither: Images that both have wrong.
        p: Chance of a table at least as uneven if both are equally good: the exact test, never too small.
        mid_p: The same with half the chance of the table itself, which the exact test counts in full.
        difference: Accuracy of the first less that of the second.
    """

    only_a: int
    only_b: int
    both: int
    neither: int
    p: float
    mid_p: float
    difference: Number


@dataclass(frozen=True)
class PairedCounts:
    """The four counts of `Paired`, batch by batch; every update gives a new value."""

    only_a: int = 0
    only_b: int = 0
    both: int = 0
    neither: int = 0

    def update(self, correct_a: Tensor, correct_b: Tensor) -> PairedCounts:
        """With these images added: whether each net is right on each.

        Raises:
            StriateError: The two differ in length, or are no truths.
        """
        if correct_a.dim() != 1 or correct_a.shape != correct_b.shape:
            raise StriateError(
                f"the nets' results have shapes {tuple(correct_a.shape)} and {tuple(correct_b.shape)}",
                accepted="two vectors of one length: the same images in the same order",
            )
        a, b = exact_truths(correct_a, name="correct_a"), exact_truths(correct_b, name="correct_b")
        seen = [int(each.sum()) for each in (a & ~b, ~a & b, a & b, ~a & ~b)]
        return self.merge(PairedCounts(*seen))

    def merge(self, other: PairedCounts) -> PairedCounts:
        """Both counted together."""
        return PairedCounts(
            self.only_a + other.only_a,
            self.only_b + other.only_b,
            self.both + other.both,
            self.neither + other.neither,
        )

    def compute(self) -> Paired:
        """The test of McNemar and the difference of the accuracies."""
        p, mid_p = _sign_test(self.only_a, self.only_b)
        return Paired(
            self.only_a,
            self.only_b,
            self.both,
            self.neither,
            p,
            mid_p,
            paired_difference(self.both, self.only_a, self.only_b, self.neither),
        )


def mcnemar(correct_a: Tensor, correct_b: Tensor) -> Paired:
    """Two nets compared on the same images, from whether each is right, (N,) and (N,).

    Images on which they agree say nothing about which is better; of the others half should fall to each by chance.

    >>> a, b = torch.tensor([True] * 9 + [False]), torch.tensor([False] * 8 + [True, False])
    >>> f"{mcnemar(a, b).p:.4f}"  # 8 images are right for one net only, all of them for the first: 2 / 2 ** 8
    '0.0078'

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; exact and
    mid-p forms of Fagerland, Lydersen & Laake 2013, "The McNemar test for binary matched-pairs data".
    """
    return PairedCounts().update(correct_a, correct_b).compute()


def paired_difference(both: int, only_a: int, only_b: int, neither: int) -> Number:
    """Difference of two proportions measured on the same images.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", method 10: Wilson intervals put together with the correlation of the two.
    """
    n = both + only_a + only_b + neither
    if n == 0:
        return Number(None, n=0, why="0/0: no images")
    one, other = wilson(both + only_a, n), wilson(both + only_b, n)
    value = (only_a - only_b) / n
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    surplus = both * neither - only_a * only_b
    towards = max(surplus - n / 2, 0.0) if surplus > 0 else float(surplus)
    phi = towards / math.sqrt(margins) if margins else 0.0
    down_a, up_a = float(one) - float(one.low or 0.0), float(one.high or 0.0) - float(one)
    down_b, up_b = float(other) - float(other.low or 0.0), float(other.high or 0.0) - float(other)
    low = math.sqrt(max(down_a**2 - 2 * phi * down_a * up_b + up_b**2, 0.0))
    high = math.sqrt(max(up_a**2 - 2 * phi * up_a * down_b + down_b**2, 0.0))
    return Number(value, max(value - low, -1.0), min(value + high, 1.0), n)


def paired_bootstrap(values_a: Tensor, values_b: Tensor, *, seed: int, draws: int = DRAWS) -> Number:
    """Mean of ``values_a`` less that of ``values_b``, one figure an image for each net; images are drawn in pairs.

    Raises:
        StriateError: The two differ in length, or a value is not finite.
    """
    if values_a.dim() != 1 or values_a.shape != values_b.shape:
        raise StriateError(
            f"the nets' values have shapes {tuple(values_a.shape)} and {tuple(values_b.shape)}",
            accepted="two vectors of one length: the same images in the same order",
        )
    gap = values_a.detach().cpu().to(torch.float64) - values_b.detach().cpu().to(torch.float64)
    if not bool(gap.isfinite().all()):
        row = int((~gap.isfinite()).nonzero()[0, 0])
        raise StriateError(f"row {row} holds {float(values_a[row])} and {float(values_b[row])}", accepted="numbers")
    return bootstrapped(lambda rows: gap[rows].mean(1), len(gap), seed=seed, draws=draws)


def _sign_test(one: int, other: int) -> tuple[float, float]:
    """Two-sided chance that one of two equal sides has so many more, exact and mid-p."""
    n, most = one + other, max(one, other)
    if n == 0 or one == other:
        # an even table is the likeliest: the exact chance is 1, and its mid-p leaves out half of that one table
        equal = math.exp(math.lgamma(n + 1) - 2 * math.lgamma(one + 1) - n * math.log(2))
        return 1.0, 1.0 - equal / 2 if n else 1.0
    tail = binomial_tail(most, n, 0.5)
    own = math.exp(math.lgamma(n + 1) - math.lgamma(most + 1) - math.lgamma(n - most + 1) - n * math.log(2))
    return min(2 * tail, 1.0), min(2 * tail - own, 1.0)
