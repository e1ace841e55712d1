"""Operating points of a classifier of two classes: where to call an image positive, and what that gives."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.operating import OperatingPoint, at_threshold, points

from .ordering import column_of
from .payload import NOT_COMPUTED, Operating, Operation
from .table import Table


@dataclass(frozen=True)
class Costs:
    """What a false positive and a false negative cost; the second class is the positive one.

    Raises:
        StriateError: A cost is negative, or both are 0.
    """

    false_positive: float = 1.0
    false_negative: float = 1.0

    def __post_init__(self) -> None:
        both = (self.false_positive, self.false_negative)
        if not all(0 <= each < float("inf") for each in both) or max(both) == 0:
            raise StriateError(
                f"costs are {self.false_positive:g} and {self.false_negative:g}",
                accepted="two numbers of at least 0, not both 0: of a false positive and of a false negative",
            )


def operating(table: Table, dev: Table | None, costs: Costs | None) -> Operating | None:
    """Thresholds chosen on ``dev`` where it is given, else on the table itself, and measured on the table.

    None for more than two classes.

    Raises:
        StriateError: Costs are given for data of more than two classes.
    """
    classes = table.logits.shape[1]
    if classes != 2:
        if costs is not None:
            raise StriateError(
                f"costs of two kinds of mistakes for {classes} classes", accepted="costs with data of two classes"
            )
        return None
    priced = costs or Costs()
    source = table if dev is None else dev
    chosen = points(
        column_of(source, 1),
        source.labels == 1,
        false_positive=priced.false_positive,
        false_negative=priced.false_negative,
    )
    scores, truths = column_of(table, 1), table.labels == 1

    def measured(name: str, threshold: float | None) -> OperatingPoint:
        return at_threshold(
            scores,
            truths,
            threshold,
            name=name,
            false_positive=priced.false_positive,
            false_negative=priced.false_negative,
        )

    rows = [_operation(measured("probability 0.5", 0.5), Number(0.5, why="given"), costs)]
    for one in chosen:
        named = f"least cost ({priced.false_positive:g} a false positive, {priced.false_negative:g} a false negative)"
        name = named if one.name == "least cost" else one.name
        rows.append(_operation(measured(name, one.threshold.value), one.threshold, costs))
    return Operating(table.names[1], "the measured split" if dev is None else "dev", tuple(rows))


def _operation(point: OperatingPoint, threshold: Number, costs: Costs | None) -> Operation:
    counts = point.counts
    return Operation(
        rule=point.name,
        threshold=threshold,
        true_positives=counts.tp,
        false_positives=counts.fp,
        false_negatives=counts.fn,
        true_negatives=counts.tn,
        recall=counts.recall,
        precision=counts.precision,
        false_positive_rate=counts.false_positive_rate,
        accuracy=counts.accuracy,
        f1=counts.f1,
        cost=NOT_COMPUTED if costs is None else point.cost,
    )
