"""What L-BFGS remembers of the curvature, for each row by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 1e-10  # curvature below this share of the squared change of gradient is rounding


@dataclass(eq=False)
class Curvature:
    """The last pairs of steps and falls of the gradient, (N, memory, D) each, as rings; ``counts`` (N,) pairs made."""

    steps: Tensor
    falls: Tensor
    counts: Tensor

    @staticmethod
    def empty(z: Tensor, memory: int) -> Curvature:
        """No pairs, for free numbers shaped like ``z``."""
        ring = z.new_zeros(len(z), memory, z[0].numel())
        return Curvature(ring, ring.clone(), torch.zeros(len(z), dtype=torch.int64, device=z.device))

    def add(self, rows: Tensor, step: Tensor, fall: Tensor) -> None:
        """Remembers a pair of each row whose gradient fell along the step, as a concave score's does."""
        s, y = step.flatten(1), fall.flatten(1)
        curved = _dot(s, y) > LEAST * _dot(y, y)
        at = rows[curved]
        place = self.counts[at] % self.steps.shape[1]
        self.steps[at, place], self.falls[at, place] = s[curved], y[curved]
        self.counts[at] += 1

    def direction(self, grad: Tensor, free: Tensor, rows: Tensor) -> Tensor:
        """The two-loop recursion on the numbers that are free, 0 elsewhere; the gradient itself where none is known.

        Pairs are cut to the free numbers, and those whose product is not positive there are left out, so that the
        result always ascends.
        """
        flat, mask = grad.flatten(1), free.flatten(1).to(grad.dtype)
        q, counts = flat * mask, self.counts[rows]
        used: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        scale = torch.zeros(len(rows), dtype=torch.float64, device=grad.device)
        for back in range(1, min(self.steps.shape[1], int(counts.max())) + 1):
            place = (counts - back) % self.steps.shape[1]
            s, y = self.steps[rows, place] * mask, self.falls[rows, place] * mask
            product, square = _dot(s, y), _dot(y, y)
            valid = (back <= counts) & (product > LEAST * square)
            rho = torch.where(valid, 1 / torch.where(valid, product, 1.0), 0.0)
            alpha = rho * _dot(s, q)
            q = q - _column(alpha, q) * y
            used.append((s, y, rho, alpha))
            scale = torch.where((scale == 0) & valid, product / torch.where(valid, square, 1.0), scale)
        r = q * _column(torch.where(scale > 0, scale, 1.0), q)
        for s, y, rho, alpha in reversed(used):
            beta = rho * _dot(y, r)
            r = r + _column(torch.where(rho > 0, alpha - beta, 0.0), r) * s
        return r.view_as(grad)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.to(torch.float64) * b.to(torch.float64)).sum(1)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, None]
