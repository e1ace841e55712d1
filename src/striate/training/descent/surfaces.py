"""Surfaces over two numbers, each with its lowest points, a start and a window to draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from .payload import Place


def quadratic(w: Tensor) -> Tensor:
    """A bowl, (x^2 + 4 y^2) / 2: curvatures 1 and 4."""
    return (w[0] ** 2 + 4 * w[1] ** 2) / 2


def valley(w: Tensor) -> Tensor:
    """A long valley, (x^2 + 25 y^2) / 2: 25 times as steep in y."""
    return (w[0] ** 2 + 25 * w[1] ** 2) / 2


def saddle(w: Tensor) -> Tensor:
    """x^2 - y^2 + y^4 / 4: flat at (0, 0), lowest where y is the root of 2."""
    return w[0] ** 2 - w[1] ** 2 + w[1] ** 4 / 4


def rosenbrock(w: Tensor) -> Tensor:
    """(1 - x)^2 + 100 (y - x^2)^2: a bent, narrow valley.

    Source: Rosenbrock 1960, equation 1 of his example.
    """
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def beale(w: Tensor) -> Tensor:
    """(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: a flat plain between cliffs.

    Source: Beale 1958, the last example.
    """
    x, y = w[0], w[1]
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


@dataclass(frozen=True)
class Surface:
    """A loss of two numbers with what is known of it.

    Attributes:
        loss: From a tensor (2,), or (2, ...) for many points, to the height.
        formula: The same in words.
        minima: Its lowest points.
        lowest: Its height there.
        start: Where a race begins.
        window: x from, x to, y from, y to.
    """

    loss: Callable[[Tensor], Tensor]
    formula: str
    minima: tuple[Place, ...]
    lowest: float
    start: Place
    window: tuple[float, float, float, float]

    def grid(self, side: int) -> tuple[tuple[float, ...], ...]:
        """Heights at side x side points of the window, six digits each."""
        left, right, low, high = self.window
        y, x = torch.meshgrid(
            torch.linspace(low, high, side, dtype=torch.float64),
            torch.linspace(left, right, side, dtype=torch.float64),
            indexing="ij",
        )
        heights = self.loss(torch.stack([x, y]))
        return tuple(tuple(float(f"{each:.6g}") for each in row) for row in heights.tolist())


_ROOT = 2.0**0.5
SURFACES: Mapping[str, Surface] = MappingProxyType(
    {
        "quadratic": Surface(quadratic, "(x² + 4 y²) / 2", ((0.0, 0.0),), 0.0, (-4.0, 2.5), (-5.0, 5.0, -3.5, 3.5)),
        "valley": Surface(valley, "(x² + 25 y²) / 2", ((0.0, 0.0),), 0.0, (10.0, 1.0), (-4.0, 11.0, -2.0, 2.0)),
        "saddle": Surface(
            saddle, "x² - y² + y⁴ / 4", ((0.0, _ROOT), (0.0, -_ROOT)), -1.0, (1.0, 1e-3), (-1.5, 1.5, -2.2, 2.2)
        ),
        "rosenbrock": Surface(
            rosenbrock, "(1 - x)² + 100 (y - x²)²", ((1.0, 1.0),), 0.0, (-1.2, 1.0), (-2.0, 2.0, -1.0, 3.0)
        ),
        "beale": Surface(
            beale,
            "(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²",
            ((3.0, 0.5),),
            0.0,
            (1.0, 1.5),
            (-1.0, 4.5, -2.0, 2.0),
        ),
    }
)
