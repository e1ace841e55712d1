"""Multi-label figures written slowly from their definitions, label by label."""

from __future__ import annotations

from fractions import Fraction

Rows = list[list[bool]]


def quotient(above: int, below: int) -> Fraction:
    return Fraction(above, below) if below else Fraction(0)


def averages(decided: Rows, true: Rows) -> dict[str, tuple[Fraction, Fraction, Fraction] | None]:
    """Precision, recall and F1 in four averages; classes and images without any label are left out of theirs."""
    cells = [(i, k) for i in range(len(true)) for k in range(len(true[0]))]

    def three(inside: list[tuple[int, int]]) -> tuple[Fraction, Fraction, Fraction]:
        hits = sum(decided[i][k] and true[i][k] for i, k in inside)
        called, own = sum(decided[i][k] for i, k in inside), sum(true[i][k] for i, k in inside)
        return quotient(hits, called), quotient(hits, own), quotient(2 * hits, called + own)

    def any_label(inside: list[tuple[int, int]]) -> bool:
        return any(decided[i][k] or true[i][k] for i, k in inside)

    def mean(groups: list[list[tuple[int, int]]], weights: list[int]) -> tuple[Fraction, Fraction, Fraction] | None:
        if not sum(weights):
            return None
        each = [three(inside) for inside in groups]
        first, second, third = (
            sum((w * one[at] for w, one in zip(weights, each, strict=True)), Fraction(0)) / sum(weights)
            for at in range(3)
        )
        return first, second, third

    columns = [[(i, k) for i in range(len(true))] for k in range(len(true[0]))]
    lines = [[(i, k) for k in range(len(true[0]))] for i in range(len(true))]
    return {
        "micro": three(cells),
        "macro": mean(columns, [int(any_label(inside)) for inside in columns]),
        "weighted": mean(columns, [sum(true[i][k] for i, k in inside) for inside in columns]),
        "samples": mean(lines, [int(any_label(inside)) for inside in lines]),
    }


def ranking_figures(scores: list[float], true: list[bool]) -> tuple[Fraction | None, int, Fraction]:
    """Of one image with a true label: ranking loss (ties are wrong), coverage error, label ranking precision."""
    labels = range(len(true))
    pairs = [(a, b) for a in labels for b in labels if true[a] and not true[b]]
    loss = Fraction(sum(scores[a] <= scores[b] for a, b in pairs), len(pairs)) if pairs else None
    ranks = {a: sum(each >= scores[a] for each in scores) for a in labels if true[a]}
    precise = [Fraction(sum(true[b] and scores[b] >= scores[a] for b in labels), rank) for a, rank in ranks.items()]
    return loss, max(ranks.values()), sum(precise, Fraction(0)) / len(precise)
