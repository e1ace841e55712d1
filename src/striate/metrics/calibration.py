"""How far confidence can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.rng import Rng

from .confusion import multinomial_interval
from .inputs import check_probabilities, score_vectors
from .losses import brier
from .mean import Mean
from .sampling import drawn_gaps, error_interval

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Images counted in bins of confidence of equal width (low, high]; every update gives a new value.

    Attributes:
        n: Images in each bin, shape (bins,), float64.
        confidence: Sum of their confidences.
        right: How many of them are right.
        spread: Sum of c (1 - c) over all confidences c: the variance of the number right of a calibrated net.
    """

    n: Tensor
    confidence: Tensor
    right: Tensor
    spread: float = 0.0

    @classmethod
    def empty(cls, bins: int = BINS) -> Reliability:
        """Nothing counted yet."""
        if bins < 1:
            raise StriateError(f"bins is {bins}", accepted="a whole number of at least 1")
        zero = torch.zeros(bins, dtype=torch.float64)
        return cls(zero, zero, zero)

    def update(self, confidence: Tensor, correct: Tensor) -> Reliability:
        """With these images added: the probability of the predicted class, and whether it is the label.

        Raises:
            StriateError: A confidence is outside [0, 1], or the two differ in length.
        """
        if confidence.shape != correct.shape or confidence.dim() != 1:
            raise StriateError(
                f"confidence has shape {tuple(confidence.shape)} and correct {tuple(correct.shape)}",
                accepted="two vectors of one length",
            )
        exact = confidence.detach().cpu().to(torch.float64)
        if not bool(((exact >= 0) & (exact <= 1)).all()):  # also refuses NaN
            raise StriateError("confidence is not in [0, 1]", accepted="probabilities; for logits a softmax")
        bins = len(self.n)
        where = ((exact * bins).ceil().to(torch.int64) - 1).clamp(0, bins - 1)
        right = correct.detach().cpu().to(torch.float64)

        def summed(weights: Tensor) -> Tensor:
            return torch.bincount(where, weights=weights, minlength=bins)

        return Reliability(
            self.n + torch.bincount(where, minlength=bins),
            self.confidence + summed(exact),
            self.right + summed(right),
            self.spread + float((exact * (1 - exact)).sum()),
        )

    def merge(self, other: Reliability) -> Reliability:
        """Both counted together."""
        if len(other.n) != len(self.n):
            raise StriateError(f"{len(self.n)} bins and {len(other.n)} do not add up", accepted="one number of bins")
        return Reliability(
            self.n + other.n,
            self.confidence + other.confidence,
            self.right + other.right,
            self.spread + other.spread,
        )

    def compute(self, *, seed: int = 0) -> Number:
        """The expected calibration error, as `expected_calibration_error` has it."""
        total = int(self.n.sum())
        if total == 0:
            return Number(None, n=0, why="no images")
        value = float((self.right - self.confidence).abs().sum()) / total
        chance = chance_error(self, seed=seed)
        low, high = error_interval(self.n, self.confidence, self.right, Rng(seed, "calibration/interval"))
        why = (
            f"95 % by inverting its sampling over {len(self.n)} bins; "
            f"a calibrated net with these confidences would show {chance.mean:.4f} by chance"
        )
        return Number(value, low, high, total, why)


@dataclass(frozen=True)
class ChanceError:
    """The calibration error that a calibrated net with these confidences shows by chance.

    Attributes:
        mean: On average.
        high: Exceeded in 2.5 % of the draws.
        p: Share of draws at or above the error that was measured: small where the net is not calibrated.
    """

    mean: float
    high: float
    p: float


def chance_error(bins: Reliability, *, seed: int = 0) -> ChanceError:
    """What sampling alone makes of the expected calibration error, from 1,000 draws of the number right in each bin.

    Draws are binomial with the bin's mean confidence, which spreads a little wider than the confidences themselves
    would (Hoeffding 1956): a net is called uncalibrated a little too seldom, never too often.

    Source: Broecker & Smith 2007, "Increasing the reliability of reliability diagrams", section 3.
    """
    total = float(bins.n.sum())
    if total == 0:
        raise StriateError("no images were counted", accepted="at least one")
    rates = bins.confidence / bins.n.clamp_min(1)
    drawn = drawn_gaps(bins.n, bins.confidence, rates, Rng(seed, "calibration/chance")).sum(1) / total
    measured = float((bins.right - bins.confidence).abs().sum()) / total
    above = int((drawn >= measured).sum())
    return ChanceError(float(drawn.mean()), float(drawn.quantile(0.975)), (1 + above) / (1 + len(drawn)))


def expected_calibration_error(confidence: Tensor, correct: Tensor, *, bins: int = BINS, seed: int = 0) -> Number:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by images, in [0, 1].

    The figure is above 0 by chance even for a calibrated net, and `chance_error` says how much. The interval takes
    that away: it holds the errors under which a figure like the measured one is no surprise, the gap of every bin
    being shrunk or stretched alike; it reaches to 0 where the net may well be calibrated.

    Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", equation 3; 15 bins.
    """
    return Reliability.empty(bins).update(confidence, correct).compute(seed=seed)


def adaptive_error(confidence: Tensor, correct: Tensor, *, bins: int = BINS, seed: int = 0) -> Number:
    """Calibration error over bins of equally many images, in [0, 1]: fine where confidences crowd.

    Images of one confidence share a bin, so that the order of images changes nothing; where many share one, bins are
    unequal, and some may be empty.

    Source: Nguyen & O'Connor 2015, "Posterior calibration and exploratory analysis for natural language processing
    models"; adaptive calibration error of Nixon, Dusenberry, Zhang, Jerfel & Tran 2019, "Measuring
    calibration in deep learning", of the predicted class alone.
    """
    return equal_mass(confidence, correct, bins=bins).compute(seed=seed)


def equal_mass(confidence: Tensor, correct: Tensor, *, bins: int = BINS) -> Reliability:
    """Images counted in bins of equally many, by rising confidence; ties share the bin of their middle place."""
    checked = Reliability.empty(bins).update(confidence, correct)
    exact, right = score_vectors(confidence, correct, names=("confidence", "correct"))
    _, place, size = torch.unique(exact, return_inverse=True, return_counts=True)
    middle = size.cumsum(0) - size / 2
    where = (middle * bins / max(len(exact), 1)).floor().to(torch.int64).clamp(0, bins - 1)[place]

    def summed(weights: Tensor) -> Tensor:
        return torch.bincount(where, weights=weights, minlength=bins).to(torch.float64)

    return Reliability(summed(torch.ones_like(exact)), summed(exact), summed(right.to(torch.float64)), checked.spread)


def maximum_error(confidence: Tensor, correct: Tensor, *, bins: int = BINS, seed: int = 0) -> Number:
    """Distance between confidence and accuracy in the worst bin of equal width, in [0, 1].

    A bin with few images is easily the worst: ``why`` holds what a calibrated net would show by chance.

    Source: Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    counted = Reliability.empty(bins).update(confidence, correct)
    total = int(counted.n.sum())
    if total == 0:
        return Number(None, n=0, why="no images")
    n = counted.n.clamp_min(1)
    drawn = drawn_gaps(counted.n, counted.confidence, counted.confidence / n, Rng(seed, "calibration/chance"))
    chance = float((drawn / n).amax(1).mean())
    value = float(((counted.right - counted.confidence).abs() / n).max())
    why = f"no interval for the worst of {bins} bins; a calibrated net would show {chance:.4f} by chance"
    return Number(value, n=total, why=why)


def class_reliability(probabilities: Tensor, labels: Tensor, *, bins: int = BINS) -> tuple[Reliability, ...]:
    """Bins of each class's probability, from probabilities (N, K) and labels (N,): is it as frequent as it is likely.

    Raises:
        StriateError: Rows are no probabilities, or a label is outside ``range(K)``.
    """
    check_probabilities(probabilities, labels)
    empty = Reliability.empty(bins)
    exact = probabilities.detach().cpu().to(torch.float64).clamp_max(1.0)
    return tuple(empty.update(exact[:, k], labels.cpu() == k) for k in range(exact.shape[1]))


def classwise_error(probabilities: Tensor, labels: Tensor, *, bins: int = BINS, seed: int = 0) -> tuple[Number, ...]:
    """Calibration error of each class's probability over bins of equal width, over all images; 40 ms a class.

    Source: Kull, Perello-Nieto, Kaengsepp, Silva Filho, Song & Flach 2019, "Beyond temperature scaling";
    its mean over classes is the static calibration error of Nixon et al. 2019.
    """
    return tuple(each.compute(seed=seed) for each in class_reliability(probabilities, labels, bins=bins))


def classwise_mean(probabilities: Tensor, labels: Tensor, *, bins: int = BINS, seed: int = 0) -> Number:
    """Mean of the classes' calibration errors, and what chance makes of it."""
    counted = class_reliability(probabilities, labels, bins=bins)
    n = len(labels)
    if n == 0 or not counted:
        return Number(None, n=n, why="no images")
    chance = sum(chance_error(each, seed=seed).mean for each in counted) / len(counted)
    value = sum(float((each.right - each.confidence).abs().sum()) for each in counted) / n / len(counted)
    return Number(value, n=n, why=f"no interval; a calibrated net would show {chance:.4f} by chance")


@dataclass(frozen=True)
class BrierParts:
    """The Brier score taken apart: ``score = reliability - resolution + uncertainty + within``.

    Attributes:
        reliability: Squared distance between probability and frequency, bin by bin; 0 is best.
        resolution: Squared distance between the bins' frequencies and that of the class; higher is better.
        uncertainty: What the labels' frequencies alone would score; no net changes it.
        within: Spread of the probabilities inside their bins, less twice their covariance with the labels there.
        score: The Brier score summed over classes, in [0, 2].
    """

    reliability: Number
    resolution: Number
    uncertainty: Number
    within: Number
    score: Number


@dataclass(frozen=True)
class BrierBins:
    """What `brier_parts` needs of a stream; every update gives a new value.

    Attributes:
        n: Images in each bin of each class's probability, shape (K, bins), float64.
        probability: Sum of those probabilities.
        hits: How many of the images are of the class.
        squares: Sum of all squared probabilities.
        own: Sum of the probabilities of the labels.
        score: Mean of the Brier scores.
    """

    n: Tensor
    probability: Tensor
    hits: Tensor
    squares: float = 0.0
    own: float = 0.0
    score: Mean = field(default_factory=Mean)

    @classmethod
    def empty(cls, classes: int, bins: int = BINS) -> BrierBins:
        """Nothing counted yet."""
        if bins < 1:
            raise StriateError(f"bins is {bins}", accepted="a whole number of at least 1")
        zero = torch.zeros(classes, bins, dtype=torch.float64)
        return cls(zero, zero, zero)

    def update(self, probabilities: Tensor, labels: Tensor) -> BrierBins:
        """With these images added, from probabilities (N, K) and labels (N,)."""
        classes, bins = self.n.shape
        counted = class_reliability(probabilities, labels, bins=bins)
        if len(counted) != classes:
            raise StriateError(f"probabilities are of {len(counted)} classes", accepted=f"{classes} classes")
        exact = probabilities.detach().cpu().to(torch.float64)
        return BrierBins(
            self.n + torch.stack([each.n for each in counted]),
            self.probability + torch.stack([each.confidence for each in counted]),
            self.hits + torch.stack([each.right for each in counted]),
            self.squares + float(exact.square().sum()),
            self.own + float(exact.gather(1, labels.cpu()[:, None]).sum()),
            self.score.merge(Mean().update(brier(exact, labels.cpu()))),
        )

    def merge(self, other: BrierBins) -> BrierBins:
        """Both counted together."""
        if other.n.shape != self.n.shape:
            raise StriateError(
                f"{tuple(self.n.shape)} classes and bins and {tuple(other.n.shape)} do not add up", accepted="the same"
            )
        return BrierBins(
            self.n + other.n,
            self.probability + other.probability,
            self.hits + other.hits,
            self.squares + other.squares,
            self.own + other.own,
            self.score.merge(other.score),
        )

    def compute(self) -> BrierParts:
        """The four parts and their sum."""
        total = self.score.n
        score = self.score.compute()
        if total == 0:
            return BrierParts(score, score, score, score, score)
        n = self.n.clamp_min(1)
        likely, frequent = self.probability / n, self.hits / n
        base = self.hits.sum(1) / total
        reliability = float((self.n * (likely - frequent).square()).sum()) / total
        resolution = float((self.n * (frequent - base[:, None]).square()).sum()) / total
        spread = self.squares - float((self.n * likely.square()).sum())
        together = self.own - float((self.n * likely * frequent).sum())
        by_chance = f"no interval; over {n.shape[1]} bins it is above 0 by chance alone"
        return BrierParts(
            Number(reliability, n=total, why=by_chance),
            Number(resolution, n=total, why=by_chance),
            multinomial_interval(float((base * (1 - base)).sum()), base, -2 * base, total, floor=0.0),
            Number((spread - 2 * together) / total, n=total, why="no interval: what the width of the bins leaves"),
            score,
        )


def brier_parts(probabilities: Tensor, labels: Tensor, *, bins: int = BINS) -> BrierParts:
    """The Brier score of probabilities (N, K) and labels (N,), taken apart over bins of equal width of each class.

    Parts are summed over classes. The terms inside the bins make the sum exact, which the three of Murphy alone are
    only where all probabilities of a bin are equal.

    Source: Murphy 1973, "A new vector partition of the probability score"; within-bin terms of Stephenson, Coelho &
    Jolliffe 2008, "Two extra components in the Brier score decomposition".
    """
    check_probabilities(probabilities, labels)
    return BrierBins.empty(probabilities.shape[1], bins).update(probabilities, labels).compute()
