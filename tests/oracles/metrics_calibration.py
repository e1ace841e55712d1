"""Calibration figures written slowly, image by image and bin by bin."""

from __future__ import annotations

from fractions import Fraction


def bins_of_width(values: list[float], bins: int) -> list[list[int]]:
    """Rows of the values in ((m - 1) / M, m / M], 0 in the first."""
    return [
        [row for row, v in enumerate(values) if (m - 1) / bins < v <= m / bins or (m == 1 and v == 0.0)]
        for m in range(1, bins + 1)
    ]


def bins_of_mass(values: list[float], bins: int) -> list[list[int]]:
    """Rows by rising value, equally many to a bin; equal values go where the middle one of them stands."""
    found: list[list[int]] = [[] for _ in range(bins)]
    for row, value in enumerate(values):
        below, same = sum(each < value for each in values), values.count(value)
        middle = Fraction(2 * below + same, 2)
        found[min(int(middle * bins / len(values)), bins - 1)].append(row)
    return found


def gaps(values: list[float], truths: list[bool], rows: list[list[int]]) -> list[tuple[int, float]]:
    """Size and distance between mean value and frequency of each bin that holds anything."""
    return [
        (len(inside), abs(sum(values[row] for row in inside) - sum(truths[row] for row in inside)) / len(inside))
        for inside in rows
        if inside
    ]


def brier_parts(probabilities: list[list[float]], labels: list[int], bins: int) -> tuple[float, float, float, float]:
    """Reliability, resolution, uncertainty and within-bin terms of Stephenson et al. 2008, class by class, summed."""
    n, classes = len(labels), len(probabilities[0])
    reliability = resolution = uncertainty = within = 0.0
    for k in range(classes):
        values, hits = [row[k] for row in probabilities], [label == k for label in labels]
        base = sum(hits) / n
        uncertainty += base * (1 - base)
        for inside in bins_of_width(values, bins):
            if not inside:
                continue
            likely = sum(values[row] for row in inside) / len(inside)
            frequent = sum(hits[row] for row in inside) / len(inside)
            reliability += len(inside) / n * (likely - frequent) ** 2
            resolution += len(inside) / n * (frequent - base) ** 2
            within += sum((values[row] - likely) ** 2 for row in inside) / n
            within -= 2 * sum((values[row] - likely) * (hits[row] - frequent) for row in inside) / n
    return reliability, resolution, uncertainty, within
