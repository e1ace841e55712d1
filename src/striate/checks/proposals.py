"""Which pairs of images may show the same: coarse descriptors of each picture and of cuts of it, compared in blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress

CELLS = 8  # a side of a descriptor: as coarse as the classic perceptual hashes, but not reduced to bits
CUTS: tuple[tuple[float, float], ...] = ((0, 0), (0.1, 0), (0, 0.1), (0.2, 0), (0.1, 0.1), (0, 0.2))
PROPOSED = 0.8  # least correlation of two descriptors where one image may be cut from the other
ALIKE = 0.98  # and where not: the pixels of copies correlate by .995 at least
MOST = 8  # partners proposed for an image
_QUERIES = 512  # images asked about at once


def descriptors(pictures: Tensor, cuts: tuple[tuple[float, float], ...] = CUTS) -> Tensor:
    """Means over 8x8 cells of each cut of pictures (n, T, T): (n, cuts squared, 64), of mean 0 and norm 1.

    A cut takes such shares of a side away at its two ends; every cut across comes with every cut down, those across
    counted fastest. The first is the whole picture. Flat pictures give zeros.
    """
    side = pictures.shape[-1]
    weights = torch.cat([_means(side, *cut) for cut in cuts])
    means = weights @ pictures.to(torch.float32) @ weights.T
    shape = (len(pictures), len(cuts), CELLS, len(cuts), CELLS)
    flat = means.view(shape).permute(0, 1, 3, 2, 4).reshape(len(pictures), len(cuts) ** 2, CELLS * CELLS)
    flat = flat - flat.mean(-1, keepdim=True)
    norm = flat.norm(dim=-1, keepdim=True)
    return torch.where(norm > 1e-3, flat / norm.clamp_min(1e-3), 0.0)


def boxes(cuts: tuple[tuple[float, float], ...] = CUTS) -> Tensor:
    """Left, top, right, bottom of each cut as shares of the side, in the order of `descriptors`."""
    return torch.tensor([[left, top, 1 - right, 1 - low] for top, low in cuts for left, right in cuts])


def propose(
    pictures: Tensor, *, cut: bool, memory: int = 1 << 28, progress: Progress = SILENT
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs that may show the same: (m, 2) rows of pictures (n, T, T), (m, 4) boxes to start from, pairs asked (m,).

    The first of a pair may be a copy of what lies in the box of the second. For each image the `MOST` others whose
    descriptors correlate best are proposed, where that is at least `ALIKE`; with ``cut``, the 36 cuts of the others are
    compared too, and `PROPOSED` is enough. Cost: n squared times 64 multiply-adds, 36 times as many with cuts.
    """
    count, hypotheses = len(pictures), CUTS if cut else CUTS[:1]
    per = len(hypotheses) ** 2
    whole = torch.cat([descriptors(part, CUTS[:1])[:, 0] for part in torch.split(pictures, 4096)] or [torch.empty(0)])
    most = min(MOST, count - 1)
    if most < 1:
        return torch.empty(0, 2, dtype=torch.int64), torch.empty(0, 4), torch.empty(0)
    step = max(16, memory // (4 * per * max(_QUERIES, CELLS * CELLS)))
    likeness = torch.full((count, most), -1.0)
    partner = torch.zeros(count, most, dtype=torch.int64)
    blocks = math.ceil(count / step)
    with progress.task("compare pictures", count * blocks) as tell:
        for start in range(0, count, step):
            there = descriptors(pictures[start : start + step], hypotheses).flatten(0, 1)
            width = len(there) // per
            for first in range(0, count, _QUERIES):
                asked = whole[first : first + _QUERIES]
                alike = (asked @ there.T).view(len(asked), width, per).amax(2)
                _without_self(alike, first, start)
                new = alike.topk(min(most, width), dim=1)
                best = torch.cat([likeness[first : first + _QUERIES], new.values], dim=1).topk(most, dim=1)
                known = torch.cat([partner[first : first + _QUERIES], new.indices + start], dim=1)
                likeness[first : first + _QUERIES] = best.values
                partner[first : first + _QUERIES] = known.gather(1, best.indices)
                tell(len(asked))
    good = likeness >= (PROPOSED if cut else ALIKE)
    pairs = torch.stack([torch.arange(count)[:, None].expand(-1, most)[good], partner[good]], dim=1)
    if not cut:  # then the order of a pair does not matter
        pairs, kept = _once(pairs, count)
        return pairs, boxes(hypotheses).expand(len(pairs), -1), likeness[good][kept]
    return pairs, _starts(pictures, whole, pairs, hypotheses), likeness[good]


def _starts(pictures: Tensor, whole: Tensor, pairs: Tensor, cuts: tuple[tuple[float, float], ...]) -> Tensor:
    """The box of the cut that fits best, for each pair."""
    found = [
        torch.einsum("nd,nkd->nk", whole[part[:, 0]], descriptors(pictures[part[:, 1]], cuts)).argmax(1)
        for part in torch.split(pairs, 2048)
    ]
    return boxes(cuts)[torch.cat(found)] if found else torch.empty(0, 4)


def _once(pairs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Each pair once, the lower number first, and where it stood first."""
    low, high = pairs.amin(1), pairs.amax(1)
    keys, places = torch.unique(low * count + high, return_inverse=True)
    first = torch.full((len(keys),), len(pairs)).scatter_reduce(0, places, torch.arange(len(pairs)), "amin")
    return torch.stack([keys // count, keys % count], dim=1), first


def _without_self(alike: Tensor, first: int, start: int) -> None:
    rows = torch.arange(len(alike)) + first - start
    inside = (rows >= 0) & (rows < alike.shape[1])
    alike[inside.nonzero().reshape(-1), rows[inside]] = -1.0


def _means(side: int, left: float, right: float) -> Tensor:
    """Weights (CELLS, side) that average the pixels of equal cells between the two ends, parts of pixels counted."""
    edges = torch.linspace(left * side, (1 - right) * side, CELLS + 1, dtype=torch.float64)
    pixel = torch.arange(side, dtype=torch.float64)
    share = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    share = share.clamp_min(0.0)
    return (share / share.sum(1, keepdim=True)).to(torch.float32)
