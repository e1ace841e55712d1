"""Neighbours: how far nearness among inputs and the classes that they carry go together.

A label that has to do with its input is likelier than chance among the nearest other inputs (Cover & Hart 1967). What
is asked here is only whether that is so at all, not how good a classifier it makes: `agreement` counts pairs of
neighbours of one class and holds them against the same count with labels in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, one_hot, pad

NEAR = 10  # neighbours whose classes are compared
ORDERS = 40  # other orders of the labels
SIDE = 16  # pixels a side that images are brought to


def nearest(x: Tensor, among: Tensor, count: int, *, same: bool) -> Tensor:
    """Rows (n, count) of the nearest of ``among`` (m, d) to each of ``x`` (n, d); ``same`` leaves out itself."""
    distance = torch.cdist(x, among)
    if same:
        distance.fill_diagonal_(math.inf)
    return distance.topk(max(1, min(count, len(among) - same)), largest=False).indices


def voted(labels: Tensor, neighbours: Tensor, classes: int) -> Tensor:
    """The class (n,) that most of the neighbours have."""
    return one_hot(labels[neighbours], classes).sum(1).argmax(1)


def agreed(labels: Tensor, neighbours: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The class (n,) that most of the neighbours have, and how many have it."""
    count, most = one_hot(labels[neighbours], classes).sum(1).max(1)
    return most, count


def agreement(labels: Tensor, neighbours: Tensor) -> tuple[float, float, float]:
    """Share of pairs of neighbours of one class; the same with labels in other orders; standard deviations between.

    Args:
        labels: Class numbers (n,).
        neighbours: Rows (n, k) of each sample's neighbours.
    """
    here = float((labels[neighbours] == labels[:, None]).float().mean())
    generator = torch.Generator().manual_seed(0)
    others = []
    for _ in range(ORDERS):
        mixed = labels[torch.randperm(len(labels), generator=generator)]
        others.append(float((mixed[neighbours] == mixed[:, None]).float().mean()))
    chance, spread = torch.tensor(others).mean(), torch.tensor(others).std()
    return here, float(chance), (here - float(chance)) / max(float(spread), 1e-9)


def told(labels: Tensor, among: Tensor, neighbours: Tensor) -> float:
    """Deviations above chance of the agreement of labels (n,) with those of their neighbours among others.

    Chance is what labels in other orders show, once those asked and once those of the neighbours; the less far counts:
    a few neighbours that many share make chance wider than it looks from one side.

    Args:
        labels: Class numbers (n,).
        among: Class numbers (m,) of those whose labels the neighbours have.
        neighbours: Rows (n, k) of these.
    """
    generator = torch.Generator().manual_seed(0)
    here = float((among[neighbours] == labels[:, None]).float().mean())
    asked, others = [], []
    for _ in range(ORDERS):
        mixed = labels[torch.randperm(len(labels), generator=generator)]
        asked.append(float((among[neighbours] == mixed[:, None]).float().mean()))
        mixed = among[torch.randperm(len(among), generator=generator)]
        others.append(float((mixed[neighbours] == labels[:, None]).float().mean()))
    chances = (torch.tensor(asked), torch.tensor(others))
    return min((here - float(each.mean())) / max(float(each.std()), 1e-9) for each in chances)


def across(x: Tensor, y: Tensor, *, test: tuple[Tensor, Tensor], enough: float) -> float:
    """`told` of test labels by their neighbours among ``x`` with labels ``y``, under the view that makes most of it."""
    best = -math.inf
    for view in VIEWS:
        seen = view(torch.cat((x, test[0].to(x.dtype))))
        if seen is not None:
            near = nearest(seen[len(x) :], seen[: len(x)], NEAR, same=False)
            best = max(best, told(test[1], y, near))
        if best >= enough:
            break
    return best


def likeness(x: Tensor, labels: Tensor, *, enough: float) -> tuple[float, float, float]:
    """`agreement` under the view of the inputs that makes most of it; views are tried until one reaches ``enough``.

    Args:
        x: Inputs (n, ...) of any shape.
        labels: Class numbers (n,).
        enough: Standard deviations at which no further view is tried.
    """
    best = (0.0, 0.0, -math.inf)
    for view in VIEWS:
        seen = view(x)
        if seen is None:
            continue
        found = agreement(labels, nearest(seen, seen, NEAR, same=True))
        best = max(best, found, key=lambda each: each[2])
        if best[2] >= enough:
            break
    return best


def small(x: Tensor) -> Tensor:
    """Images at most ``SIDE`` pixels a side."""
    high, wide = min(SIDE, x.shape[2]), min(SIDE, x.shape[3])
    return adaptive_avg_pool2d(x.float(), (high, wide)) if (high, wide) != tuple(x.shape[2:]) else x.float()


def as_given(x: Tensor) -> Tensor:
    """Inputs as they stand, images at most ``SIDE`` a side."""
    return (small(x) if x.dim() == 4 else x.float()).flatten(1)


def by_feature(x: Tensor) -> Tensor | None:
    """Each feature of mean 0 and deviation 1: columns of a table differ in their units."""
    flat = as_given(x)
    spread = flat.std(0)
    live = spread > 1e-9 * max(float(spread.max()), 1e-30)
    return (flat[:, live] - flat[:, live].mean(0)) / spread[live] if bool(live.any()) else None


def by_edges(x: Tensor) -> Tensor | None:
    """How steep images are along each of four directions, averaged over a grid of 4 x 4: light does not count."""
    if x.dim() != 4 or min(x.shape[2:]) < 8:
        return None
    grey = x.float().mean(1, keepdim=True)
    grey = adaptive_avg_pool2d(grey, (min(32, x.shape[2]), min(32, x.shape[3])))
    around = pad(grey, (1, 1, 1, 1), mode="replicate")
    dx = around[:, :, 1:-1, 2:] - around[:, :, 1:-1, :-2]
    dy = around[:, :, 2:, 1:-1] - around[:, :, :-2, 1:-1]
    turned = ((dx + dy) / 2**0.5, (dx - dy) / 2**0.5)
    steep: Tensor = adaptive_avg_pool2d(torch.cat((dx, dy, *turned), 1).abs(), 4).flatten(1)
    length: Tensor = steep.norm(dim=1, keepdim=True)
    return steep / length.clamp(min=1e-9)


def _logs(waves: Tensor) -> Tensor:
    return torch.log(waves + 1e-3 * waves.mean())


def by_waves(x: Tensor) -> Tensor | None:
    """Log amplitudes of the Fourier transform: where in the image a thing stands does not count."""
    if x.dim() != 4 or min(x.shape[2:]) < 8:
        return None
    grey = adaptive_avg_pool2d(x.float().mean(1), (min(32, x.shape[2]), min(32, x.shape[3])))
    waves = torch.fft.rfft2(grey - grey.mean((1, 2), keepdim=True)).abs()
    pooled: Tensor = avg_pool2d(_logs(waves)[:, None], 2, ceil_mode=True)
    return pooled.flatten(1)


def by_colours(x: Tensor) -> Tensor | None:
    """Mean, deviation and third moment of each channel: what is where does not count at all."""
    if x.dim() != 4:
        return None
    flat = x.float().flatten(2)
    centred = flat - flat.mean(2, keepdim=True)
    third = centred.pow(3).mean(2)
    moments = torch.cat((flat.mean(2), flat.std(2), third.sign() * third.abs().pow(1 / 3)), 1)
    return (moments - moments.mean(0)) / moments.std(0).clamp(min=1e-9)


VIEWS: tuple[Callable[[Tensor], Tensor | None], ...] = (as_given, by_feature, by_edges, by_waves, by_colours)
