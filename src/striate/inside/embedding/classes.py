"""The tree of classes: which classes a layer's codes put near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from striate.core.number import Number
from striate.measure.nearest import Metric

from .payload import ClassTree, Merge

LINKAGE = "average"  # the mean distance between members: no chains, and it needs no squares of Euclidean distances


def class_means(codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The classes with images, in ascending order, how many each has, and their mean codes (K, D) float64."""
    known, where, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(known), codes.shape[1], dtype=torch.float64).index_add_(0, where, codes.double())
    return known, counts, sums / counts[:, None]


def class_tree(
    codes: Tensor, labels: Tensor, names: Sequence[str], *, metric: Metric = "euclidean"
) -> ClassTree | None:
    """Clusters of classes by the mean distance between the mean codes of their members; None for fewer than three.

    The cophenetic correlation says how well distances along the tree stand for those of the mean codes.

    Source: Sokal & Michener 1958 (average linkage); Sokal & Rohlf 1962, "The comparison of dendrograms by objective
    methods" (cophenetic correlation); computed by SciPy, leaves ordered by Bar-Joseph, Gifford & Jaakkola 2001.
    """
    from scipy.cluster.hierarchy import cophenet, leaves_list, linkage
    from scipy.spatial.distance import pdist

    known, counts, means = class_means(codes, labels)
    if len(known) < 3:
        return None
    if metric == "cosine":  # pdist has no cosine of zeros
        means = torch.nn.functional.normalize(means, dim=1, eps=1e-30)
    apart: Any = pdist(means.numpy())
    if metric == "cosine":
        apart = apart**2 / 2
    steps = linkage(apart, method=LINKAGE, optimal_ordering=len(known) <= 200)
    found = float(cophenet(steps, apart)[0]) if apart.std() > 0 else float("nan")
    return ClassTree(
        names=tuple(names[int(each)] if int(each) < len(names) else str(int(each)) for each in known),
        counts=tuple(counts.tolist()),
        merges=tuple(Merge(int(a), int(b), float(distance), int(size)) for a, b, distance, size in steps),
        order=tuple(int(leaf) for leaf in leaves_list(steps)),
        linkage=f"{LINKAGE} linkage, {metric}",
        cophenetic=Number.of(found, n=len(known), why="exact for these classes"),
    )
