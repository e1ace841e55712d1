"""Nearest neighbours by brute force, exact, and how often they share a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.metrics.bootstrap import bootstrapped
from striate.metrics.intervals import wilson
from striate.metrics.paired import paired_bootstrap

Metric = Literal["euclidean", "cosine"]
METRICS = ("euclidean", "cosine")
_SPARE = 16  # candidates beyond k that are measured exactly
_VALUES = 1 << 23  # numbers of a block


def nearest(
    queries: Tensor, gallery: Tensor, k: int, *, metric: Metric = "euclidean", own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Rows (Q, k) of the nearest codes of the gallery and their distances (Q, k) float64, nearest first.

    Candidates are found by float32 products of centred codes; they are ordered by distances computed in float64 from
    the differences, so a query's neighbours do not hang on the other queries. Of equal ones the first row comes first.

    Args:
        queries: (Q, D).
        gallery: (G, D).
        k: Neighbours of each.
        metric: ``euclidean``, or ``cosine``: 1 less the cosine, 1 for a code of zeros.
        own: (Q,) row of the gallery that is the query itself and does not count, -1 for none.

    Raises:
        StriateError: The gallery has fewer than k others, or the metric is unknown.
    """
    if metric not in METRICS:
        raise StriateError(f"metric is {metric!r}", accepted=", ".join(METRICS))
    left = len(gallery) - (own is not None)
    if not 1 <= k <= left:
        raise StriateError(f"{k} neighbours among {left} other images", accepted=f"1 to {max(left, 1)} neighbours")
    if metric == "cosine":
        queries, gallery = (torch.nn.functional.normalize(each, dim=1, eps=1e-30) for each in (queries, gallery))
    middle = gallery.mean(0)
    centred = gallery - middle
    squares = centred.square().sum(1)
    taken = min(k + _SPARE, left)
    block = max(1, min(_VALUES // len(gallery), len(queries)))
    rows = torch.empty(len(queries), k, dtype=torch.int64)
    distances = torch.empty(len(queries), k, dtype=torch.float64)
    # room that is used again: blocks that come and go between results that stay would tear the heap to pieces
    those, gap = gallery.new_empty(taken, gallery.shape[1]), torch.empty(taken, gallery.shape[1], dtype=torch.float64)
    for start in range(0, len(queries), block):
        part = queries[start : start + block] - middle
        scores = squares - 2 * part @ centred.T
        if own is not None:
            mine = own[start : start + block]
            there = (mine >= 0).nonzero()[:, 0]
            scores[there, mine[there]] = torch.inf
        candidates = scores.topk(taken, 1, largest=False).indices.sort(1).values
        for row, found in enumerate(candidates, start):
            torch.index_select(gallery, 0, found, out=those)
            far = gap.copy_(those).sub_(queries[row].double()).square_().sum(1)
            far = far.sqrt() if metric == "euclidean" else far / 2
            if metric == "cosine" and not bool(queries[row].any()):
                far = torch.ones_like(far)
            order = far.argsort(stable=True)[:k]
            rows[row], distances[row] = found[order], far[order]
    return rows, distances


def agreement(labels: Tensor, neighbours: Tensor, *, of: Tensor | None = None) -> Tensor:
    """For each image the share of its neighbours (N, k) that have its label, (N,) float64."""
    own = labels if of is None else of
    return (labels[neighbours] == own[:, None]).double().mean(1)


@dataclass(frozen=True)
class Agreement:
    """Label agreement in two spaces: k nearest, the single nearest, their difference, chance."""

    code: Number
    pixels: Number
    difference: Number
    code_first: Number
    pixel_first: Number
    chance: Number


def compare_agreement(labels: Tensor, by_code: Tensor, by_pixels: Tensor, *, seed: int) -> Agreement:
    """How often neighbours share the label, by code and by pixels, with intervals over the images.

    The images whose neighbours are looked at are drawn again, those among which they are found stay: neighbours are
    shared, so that the intervals are a little too narrow.
    """
    code, pixels = agreement(labels, by_code), agreement(labels, by_pixels)
    counts = torch.bincount(labels).double()
    n = len(labels)
    chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
    return Agreement(
        bootstrapped(lambda rows: code[rows].mean(1), n, seed=seed, method="percentile"),
        bootstrapped(lambda rows: pixels[rows].mean(1), n, seed=seed, method="percentile"),
        paired_bootstrap(code, pixels, seed=seed),
        wilson(int((labels[by_code[:, 0]] == labels).sum()), n),
        wilson(int((labels[by_pixels[:, 0]] == labels).sum()), n),
        Number(chance, n=n, why="counted"),
    )
