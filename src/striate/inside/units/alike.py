"""Units that do the same: correlation of activations over places and images, cosine of filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.nets.net import Net

from .layers import UnitLayer, source_of

SIDE = 4  # places on a side of the grid that is compared in every image
AT_ONCE = 512  # places whose products are taken at once
MOST_UNITS = 2048  # of a layer whose units are compared: their products take 32 MB
SAME = 0.99  # correlation from which two units count as duplicates


@dataclass
class Moments:
    """Sums from which the correlations of a layer's units follow; their size depends on the units alone.

    Of every image 4 x 4 places, evenly spread, count (all where there are fewer).
    """

    layer: UnitLayer
    count: int = 0
    centre: Tensor | None = None
    at: Tensor | None = None
    waiting: list[Tensor] = field(default_factory=list)
    sums: Tensor = field(default_factory=lambda: torch.zeros(0))
    products: Tensor = field(default_factory=lambda: torch.zeros(0))

    def add(self, values: Tensor) -> None:
        """Takes in activations (n, places, units)."""
        if self.at is None:
            self.at = self._places().to(values.device)
        rows = values if len(self.at) == values.shape[1] else values[:, self.at]
        self.waiting.append(rows.reshape(-1, values.shape[2]))
        if sum(map(len, self.waiting)) >= AT_ONCE:
            self._settle()

    def variances(self) -> Tensor:
        """Variance of each unit, (units,) float64."""
        return self._covariance().diagonal().clamp_min(0)

    def correlations(self) -> Tensor:
        """Correlation of each pair of units, (units, units) float64; 0 where a unit does not vary."""
        covariance = self._covariance()
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        scale = deviation[:, None] * deviation
        least = 1e-12 * float(self.products.diagonal().max() / self.count)
        return torch.where(scale > least, covariance / scale.clamp_min(1e-300), 0.0).clamp(-1, 1).cpu()

    def _covariance(self) -> Tensor:
        self._settle()
        mean = self.sums / self.count
        return self.products / self.count - mean[:, None] * mean

    def _settle(self) -> None:
        """Adds what waits: products of many rows at once cost the least."""
        if not self.waiting:
            return
        flat = torch.cat(self.waiting)
        self.waiting.clear()
        if self.centre is None:  # near the mean, so that float32 products lose nothing
            self.centre = flat.mean(0)
            self.sums = torch.zeros_like(self.centre, dtype=torch.float64)
            self.products = torch.zeros(len(self.sums), len(self.sums), dtype=torch.float64, device=flat.device)
        moved = flat - self.centre
        self.count += len(moved)
        self.sums += moved.sum(0, dtype=torch.float64)
        self.products += moved.T @ moved

    def _places(self) -> Tensor:
        height, width = self.layer.grid
        rows, columns = (_even(length, SIDE if min(height, width) > 1 else SIDE**2) for length in (height, width))
        return (rows[:, None] * width + columns).flatten()


def _even(length: int, count: int) -> Tensor:
    if length <= count:
        return torch.arange(length)
    return ((torch.arange(count) + 0.5) * length / count).long()


def cosines(net: Net, layer: UnitLayer) -> Tensor | None:
    """Cosine of each pair of filters (units, units), or None where the layer's units are no filters."""
    site = source_of(net, layer)
    if site is None:
        return None
    weight = getattr(dict(net.module.named_modules()).get(site.module), "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() < 2 or weight.shape[0] != layer.units:
        return None
    flat = weight.detach().flatten(1).to("cpu", torch.float64)
    norms = flat.norm(dim=1, keepdim=True)
    return torch.where(norms * norms.T > 0, flat @ flat.T / (norms * norms.T).clamp_min(1e-300), 0.0)


def pairs_above(correlations: Tensor, least: float = SAME, *, without: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Pairs of units with a correlation above ``least``, highest first, none of them in ``without``."""
    found = correlations.triu(1)
    if without:
        found[list(without)] = 0
        found[:, list(without)] = 0
    one, other = (found > least).nonzero(as_tuple=True)
    order = found[one, other].argsort(descending=True, stable=True)
    return list(zip(one[order].tolist(), other[order].tolist(), strict=True))
