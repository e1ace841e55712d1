"""Same or different: figures of scores of pairs, such as two photographs of a face.

Intervals take pairs as independent. Where one image is in many pairs they are too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .curves import RocCurve
from .inputs import score_vectors
from .intervals import normal_interval, quantile_of_normal, square_and_add, wilson_bounds
from .ranked import Ranked
from .ranking import NO_NEGATIVES, NO_POSITIVES, auc_of, roc_of

RATES = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Verification:
    """Figures of pairs.

    Attributes:
        roc: The curve: same pairs that are accepted against different ones that are.
        auc: Area under it.
        equal_error: The error rate where as large a share of same pairs is refused as of different ones accepted.
        equal_error_threshold: The threshold there.
        accepted: Share of same pairs accepted where the share of different ones is at most so much: (share, number).
        separation: Distance of the two means in standard deviations, d'.
    """

    roc: RocCurve
    auc: Number
    equal_error: Number
    equal_error_threshold: Number
    accepted: tuple[tuple[float, Number], ...]
    separation: Number


def verification(scores: Tensor, same: Tensor, *, rates: tuple[float, ...] = RATES) -> Verification:
    """Every figure of pairs from scores (N,), higher for more alike, and whether each pair is the same (N,).

    Raises:
        StriateError: A score is NaN or infinite, the two differ in length, or a rate is not in (0, 1].
    """
    exact, known = score_vectors(scores, same, names=("scores", "same"))
    ranked = Ranked.of(exact, known)
    roc = roc_of(ranked)
    error, threshold = equal_error_rate(roc)
    return Verification(
        roc,
        auc_of(ranked)[0],
        error,
        threshold,
        tuple((rate, accepted_at(roc, rate)) for rate in rates),
        separation(exact, known),
    )


def equal_error_rate(roc: RocCurve) -> tuple[Number, Number]:
    """The rate at which refused same pairs and accepted different ones are equal shares, and its threshold.

    The two shares cross between two neighbouring thresholds: both are taken to move along a straight line there, and
    the threshold with them. Where the upper of the two is infinite the lower is the threshold. The interval puts
    together the Wilson intervals of the two shares.

    Source: Bengio & Mariethoz 2004, "A statistical significance test for person authentication", with
    Wilson's interval in place of the normal one.
    """
    n = roc.positives + roc.negatives
    if roc.why:
        nothing = Number(None, n=n, why=roc.why)
        return nothing, nothing
    refused, accepted = 1 - roc.true_positive_rate, roc.false_positive_rate
    gap = accepted - refused  # from -1 to 1
    after = int((gap >= 0).nonzero()[0, 0])
    before = after - 1
    way = float(-gap[before] / (gap[after] - gap[before]))
    value = float(accepted[before] + way * (accepted[after] - accepted[before]))
    sides = []
    for count in (roc.positives, roc.negatives):
        low, high = wilson_bounds(value * count, count)
        sides.append(Number(value, low, high, count))
    low, high = square_and_add(sides, [0.5, 0.5])
    upper, lower = float(roc.thresholds[before]), float(roc.thresholds[after])
    threshold = lower if math.isinf(upper) else upper + way * (lower - upper)
    why = "95 % from those of its two error rates, the threshold taken as given"
    return (
        Number(value, max(min(low, value), 0.0), min(max(high, value), 1.0), n, why),
        Number(threshold, n=n, why="no interval: between two scores of these pairs"),
    )


def accepted_at(roc: RocCurve, rate: float) -> Number:
    """Largest share of same pairs accepted at a threshold that accepts at most this share of different ones.

    No straight lines between thresholds: it is a share that can be had. Missing where there are fewer than 1 / ``rate``
    different pairs, none of which says anything of such a rate. The interval holds the spread of the same pairs
    (Wilson) and that of the threshold, which is an order statistic of the different ones; it reaches down to 0 where
    the rate may need a threshold above all of them.

    Raises:
        StriateError: ``rate`` is not in (0, 1].

    Source: Hilgers 1991, "Distribution-free confidence bounds for ROC curves".
    """
    if not 0 < rate <= 1:
        raise StriateError(f"rate is {rate}", accepted="a share above 0, at most 1")
    n = roc.positives + roc.negatives
    if roc.why:
        return Number(None, n=n, why=roc.why)
    wanted = rate * roc.negatives
    if wanted < 1 - 1e-9:
        why = f"{roc.negatives} different pairs are too few: one of them is already more than {rate:g}"
        return Number(None, n=n, why=why)
    alarms = (roc.false_positive_rate * roc.negatives).round()

    def share(most: float) -> float:
        return float(roc.true_positive_rate[alarms <= most + 1e-9].max())

    value = share(wanted)
    low, high = wilson_bounds(round(value * roc.positives), roc.positives)
    # so many of the different pairs lie above the threshold that truly has this rate, give or take
    spread = quantile_of_normal() * math.sqrt(wanted * (1 - rate))
    fewest, most = math.floor(wanted - spread) - 1, math.ceil(wanted + spread)
    strict = share(fewest) if fewest >= 0 else 0.0
    down = math.hypot(value - low, value - strict)
    up = math.hypot(high - value, share(most) - value)
    return Number(value, max(value - down, 0.0), min(value + up, 1.0), n)


def separation(scores: Tensor, same: Tensor) -> Number:
    """d': distance between the mean scores of same and different pairs, in roots of their mean variance.

    Source: Green & Swets 1966, "Signal detection theory and psychophysics"; interval of Bonett
    2008, "Confidence intervals for standardized linear contrasts of means", for normal scores whose two
    variances may differ.
    """
    exact, known = score_vectors(scores, same, names=("scores", "same"))
    one, other = exact[known], exact[~known]
    n = len(exact)
    if not (len(one) and len(other)):
        return Number(None, n=n, why=NO_NEGATIVES if len(one) else NO_POSITIVES)
    if len(one) < 2 or len(other) < 2:
        return Number(None, n=n, why="one pair on a side has no spread")
    if not bool(exact.isfinite().all()):
        return Number(None, n=n, why="a score is infinite")
    first, second = float(one.var()), float(other.var())
    square = (first + second) / 2
    if square == 0:
        return Number(None, n=n, why="division by 0: the scores of each side are all equal")
    value = float(one.mean() - other.mean()) / math.sqrt(square)
    of_means = first / (len(one) - 1) + second / (len(other) - 1)
    of_spread = first * first / (len(one) - 1) + second * second / (len(other) - 1)
    error = math.sqrt(of_means / square + value * value * of_spread / (8 * square * square))
    return normal_interval(value, error, n, why="95 % for normal scores")
