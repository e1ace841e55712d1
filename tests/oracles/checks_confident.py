"""Confident learning and the chance that a label is right, in slow loops, from the papers.

Northcutt, Jiang & Chuang 2021, equations 1 to 3 and section 3.2; Patrini et al. 2017, equation 12 and theorem 2.
"""

from __future__ import annotations

import math


def thresholds(p: list[list[float]], labels: list[int]) -> list[float | None]:
    """Equation 2: mean probability of its own class over the images labelled with it."""
    out: list[float | None] = []
    for j in range(len(p[0])):
        own = [p[i][j] for i in range(len(p)) if labels[i] == j]
        out.append(math.fsum(own) / len(own) if own else None)
    return out


def counted(p: list[list[float]], labels: list[int], t: list[float | None]) -> list[list[int]]:
    """Equation 1."""
    classes = len(p[0])
    table = [[0] * classes for _ in range(classes)]
    for row, label in zip(p, labels, strict=True):
        reached = [j for j in range(classes) if t[j] is not None and row[j] >= t[j]]
        if reached:
            best = reached[0]
            for j in reached:
                if row[j] > row[best]:
                    best = j
            table[label][best] += 1
    return table


def joint(table: list[list[int]], labels: list[int]) -> list[list[float]]:
    """Equation 3; a label none of whose images is counted is kept."""
    classes = len(table)
    out = [[0.0] * classes for _ in range(classes)]
    for i in range(classes):
        of_label = sum(label == i for label in labels)
        total = sum(table[i])
        for j in range(classes):
            share = table[i][j] / total if total else float(i == j)
            out[i][j] = share * of_label
    whole = math.fsum(math.fsum(row) for row in out)
    return [[value / whole for value in row] for row in out]


def by_class(p: list[list[float]], labels: list[int], q: list[list[float]]) -> set[int]:
    """Method 3: for each label the n times sum of the off-diagonal of its row with the lowest self-confidence."""
    n, wrong = len(p), set()
    for i in range(len(q)):
        count = math.floor(n * math.fsum(q[i][j] for j in range(len(q)) if j != i) + 1e-9)
        rows = sorted((row for row in range(n) if labels[row] == i), key=lambda row: (p[row][i], row))
        wrong.update(rows[:count])
    return wrong


def by_noise_rate(p: list[list[float]], labels: list[int], q: list[list[float]]) -> set[int]:
    """Method 4: for each off-diagonal cell n times its share with the largest margin."""
    n, wrong = len(p), set()
    for i in range(len(q)):
        for j in range(len(q)):
            if i != j:
                rows = [row for row in range(n) if labels[row] == i]
                rows.sort(key=lambda row: (-(p[row][j] - p[row][i]), row))
                wrong.update(rows[: math.floor(n * q[i][j] + 1e-9)])
    return wrong


def self_confidence(row: list[float], label: int) -> float:
    return row[label]


def margin(row: list[float], label: int) -> float:
    """Normalised to [0, 1]."""
    return (row[label] - max(value for j, value in enumerate(row) if j != label) + 1) / 2


def weighted_entropy(row: list[float], label: int) -> float:
    """The published score is H / log K / p(label); as a quality 1 / (1 + score)."""
    entropy = -math.fsum(value * math.log(value) for value in row if value > 0) / math.log(len(row))
    return 1 / (1 + entropy / row[label])


def chances(row: list[float], label: int, inverse: list[list[float]], transition: list[list[float]]) -> list[float]:
    """Bayes: chance of each true class given the label, from probabilities of labels and the transition matrix."""
    classes = len(row)
    clean = [max(math.fsum(row[j] * inverse[j][i] for j in range(classes)), 0.0) for i in range(classes)]
    likely = [clean[i] * transition[i][label] for i in range(classes)]
    total = math.fsum(likely)
    return [value / total for value in likely]
