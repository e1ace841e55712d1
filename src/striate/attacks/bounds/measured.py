"""Certified accuracy of a split at the radius of an attack, by each kind of bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from striate.attacks.method import norm_name
from striate.attacks.payload import Bound
from striate.core.errors import StriateError, UnknownNameError
from striate.core.progress import SILENT, Progress
from striate.metrics.intervals import wilson
from striate.nets.net import Net

from .propagation import certified
from .smoothing import ABSTAINS, Smoothing, smoothed

if TYPE_CHECKING:
    from striate.data.dataset import Dataset

BOUNDS: Mapping[str, tuple[str, ...]] = {"ibp": ("gowal2019scalable",), "smoothing": ("cohen2019certified",)}
_TOGETHER = 256  # images that are held at once


def check_bounds(names: Sequence[str], *, norm: float, radius: float, target: int | None = None) -> None:
    """Raises where a bound does not exist or says nothing of this threat, before anything is computed."""
    for name in names:
        if name not in BOUNDS:
            raise UnknownNameError("bound", name, BOUNDS)
    if names and target is not None:
        raise StriateError("bounds are asked for with a target", accepted="no target: they hold against every class")
    if names and norm not in (1.0, 2.0, math.inf):
        raise StriateError(f"norm is {norm_name(norm)} for bounds", accepted="inf, 2, 1")
    if "smoothing" in names and radius <= 0:
        raise StriateError(f"radius is {radius:g} for smoothing", accepted="a radius above 0: the noise is as large")


def bounds_of(
    net: Net,
    data: Dataset,
    names: Sequence[str],
    *,
    norm: float,
    radius: float,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> tuple[Bound, ...]:
    """Certified accuracy at ``radius`` by each of the named bounds.

    Intervals hold in Linf, whose ball holds those of L2 and L1 of the same radius; smoothing holds in L2, whose ball of
    ``radius * sqrt(D)`` holds that of Linf in D dimensions. The noise of smoothing is as large as the L2 radius.

    Raises:
        StriateError: A bound is unknown or says nothing of this norm, or the net has an operation without a rule.
    """
    check_bounds(names, norm=norm, radius=radius)
    made: Mapping[str, Callable[[], Bound]] = {
        "ibp": lambda: _by_intervals(net, data, norm, radius, progress),
        "smoothing": lambda: _by_smoothing(net, data, norm, radius, seed=seed, memory=memory, progress=progress),
    }
    return tuple(made[name]() for name in dict.fromkeys(names))


def _by_intervals(net: Net, data: Dataset, norm: float, radius: float, progress: Progress) -> Bound:
    held = 0
    with progress.task("intervals", len(data)) as step:
        for start in range(0, len(data), _TOGETHER):
            rows = torch.arange(start, min(start + _TOGETHER, len(data)))
            held += int(certified(net, data.images(rows), data.labels[rows].long(), radius).sum())
            step(len(rows))
    wider = "" if math.isinf(norm) else f"; its Linf ball holds the L{norm_name(norm)} ball of the same radius"
    return Bound("ibp", "the net", wilson(held, len(data)), norm_name(norm), radius, f"interval propagation{wider}")


def _by_smoothing(
    net: Net, data: Dataset, norm: float, radius: float, *, seed: int, memory: int, progress: Progress
) -> Bound:
    height, width = data.size or net.a_size()
    needed = radius * math.sqrt(data.channels * height * width) if math.isinf(norm) else radius
    how, held, silent = Smoothing(needed), 0, 0
    for start in range(0, len(data), _TOGETHER):
        rows = torch.arange(start, min(start + _TOGETHER, len(data)))
        found = smoothed(net, data.images(rows), data.ids[rows], how, seed=seed, memory=memory, progress=progress)
        held += int(((found.classes == data.labels[rows].long()) & (found.radii > needed)).sum())
        silent += int((found.classes == ABSTAINS).sum())
    words = (
        f"{how.draws} draws of noise {how.sigma:.3g}, each image wrong with chance {how.alpha:g} at most, "
        f"L2 radius {needed:.3g}"
    )
    return Bound(
        "smoothing", "the net under noise", wilson(held, len(data)), norm_name(norm), radius, words,
        abstained=wilson(silent, len(data)),
    )  # fmt: skip
