"""How far confidence can be believed, what one temperature mends of it, and what declining to answer spares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.number import Number
from striate.metrics.calibration import BrierBins, Reliability, equal_mass, maximum_error
from striate.metrics.intervals import wilson
from striate.metrics.losses import cross_entropy
from striate.metrics.mean import Mean, mean_interval
from striate.metrics.selective import risk_coverage
from striate.metrics.temperature import fit_temperature, scaled

from .payload import BrierDecomposition, Calibration, CalibrationBin, Risk, RiskAt, Scaling
from .table import Table, in_slices

POINTS = 60
COVERAGES = (0.5, 0.8, 0.9, 0.95)
DIGITS = 6
NO_DEV = "no predictions of a dev split were given"


@dataclass(frozen=True, eq=False)
class ClassBins:
    """Images of a table counted in bins of each class's probability."""

    counted: BrierBins

    @classmethod
    def of(cls, table: Table) -> ClassBins:
        """Counted slice by slice, so that the probabilities are never held as a whole."""
        counted = BrierBins.empty(table.logits.shape[1])
        for part in in_slices(table.logits):
            if len(table.labels[part]):
                probabilities = torch.softmax(table.logits[part].to(torch.float64), 1)
                counted = counted.update(probabilities, table.labels[part])
        return cls(counted)

    def errors(self) -> tuple[Number, ...]:
        """Calibration error of each class's probability, and in ``why`` what chance alone would make of it.

        Chance is the mean of a normal's distance from its middle, bin by bin: drawing it would take 40 ms a class.
        """
        n = self.counted.n
        total = int(self.counted.score.n)
        if total == 0:
            return tuple(Number(None, n=0, why="no images") for _ in range(len(n)))
        values = (self.counted.hits - self.counted.probability).abs().sum(1) / total
        rate = (self.counted.probability / n.clamp_min(1)).clamp(0, 1)
        chance = (2 / math.pi * n * rate * (1 - rate)).sqrt().sum(1) / total
        return tuple(
            Number(value, n=total, why=f"no interval; a calibrated net would show about {by_luck:.4f} by chance")
            for value, by_luck in zip(values.tolist(), chance.tolist(), strict=True)
        )

    def reliability(self, number: int) -> Reliability:
        """The bins of one class."""
        return Reliability(self.counted.n[number], self.counted.probability[number], self.counted.hits[number])


def calibration(table: Table, dev: Table | None, *, seed: int, no_dev: str = NO_DEV) -> Calibration:
    """Calibration over all images and by class, the Brier score taken apart, and what one temperature makes of it.

    The temperature is fitted on ``dev``; ``no_dev`` says why there is none.
    """
    bins = Reliability.empty().update(table.confidence, table.correct)
    by_class = ClassBins.of(table)
    parts = by_class.counted.compute()
    errors = by_class.errors()
    known = [float(each) for each in errors if each.value is not None]
    count = len(bins.n)
    return Calibration(
        ece=bins.compute(seed=seed),
        brier=parts.score,
        confidence=mean_interval(table.confidence),
        bins=tuple(
            CalibrationBin(
                low=b / count,
                high=(b + 1) / count,
                n=int(bins.n[b]),
                confidence=_bin_confidence(float(bins.confidence[b]), int(bins.n[b])),
                accuracy=wilson(int(bins.right[b]), int(bins.n[b])),
            )
            for b in range(count)
        ),
        adaptive=equal_mass(table.confidence, table.correct).compute(seed=seed),
        classwise=Number(sum(known) / len(known), n=len(table), why="no interval: the mean over the classes")
        if known
        else Number(None, n=0, why="no images"),
        classes=errors,
        highest=maximum_error(table.confidence, table.correct, seed=seed),
        parts=BrierDecomposition(parts.reliability, parts.resolution, parts.uncertainty, parts.within),
        scaling=scaling(table, dev, seed=seed, no_dev=no_dev),
    )


def scaling(table: Table, dev: Table | None, *, seed: int, no_dev: str = NO_DEV) -> Scaling:
    """One temperature fitted on ``dev``, and calibration error and loss of the table's images after it."""
    if dev is None or len(dev) < 2:
        nothing = Number.missing(no_dev if dev is None else f"{len(dev)} images are too few to fit it on")
        return Scaling(nothing, nothing, nothing)
    fitted_on = f"dev, {len(dev):,} images"
    if not bool(dev.logits.isfinite().all()):
        nothing = Number.missing("logits of the dev split are not finite")
        return Scaling(nothing, nothing, nothing, fitted_on)
    temperature = fit_temperature(dev.logits, dev.labels).value
    if temperature.value is None:
        nothing = Number.missing("no temperature")
        return Scaling(temperature, nothing, nothing, fitted_on)
    bins, losses = Reliability.empty(), Mean()
    for part in in_slices(table.logits):
        logits = scaled(table.logits[part].to(torch.float64), temperature.value)
        confidence = torch.softmax(logits, 1).amax(1).clamp_max(1.0)
        bins = bins.update(confidence, table.correct[part])
        losses = losses.update(cross_entropy(logits, table.labels[part]))
    loss = losses.compute() if math.isfinite(losses.mean) else Number(None, why="infinite: a label has probability 0")
    return Scaling(temperature, bins.compute(seed=seed), loss, fitted_on)


def risk(table: Table) -> Risk:
    """Share wrong over the share answered, the most confident images first."""
    curve = risk_coverage(table.confidence, table.correct)
    drawn = curve.thin(POINTS)
    points = zip(drawn.coverage.tolist(), drawn.risk.tolist(), strict=True)
    return Risk(
        points=tuple((round(x, DIGITS), round(y, DIGITS)) for x, y in points),
        aurc=curve.aurc,
        excess=curve.excess,
        at=tuple(
            RiskAt(share, _threshold(curve.thresholds, curve.answered, share, curve.n), curve.risk_at(share))
            for share in COVERAGES
            if curve.n
        ),
    )


def _threshold(thresholds: Tensor, answered: Tensor, share: float, n: int) -> float:
    row = int(torch.searchsorted(answered, math.ceil(share * n - 1e-9)))
    return float(thresholds[row])


def _bin_confidence(total: float, n: int) -> Number:
    if n == 0:
        return Number(None, n=0, why="0/0: no images")
    return Number(total / n, n=n, why="no interval: the mean of what the net said, not an estimate")
