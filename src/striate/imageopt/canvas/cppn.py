"""Images as functions of coordinates: a small network of each image's own, whose weights are free."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Region

from .pixels import check_box

_INPUTS = 4  # x, y, distance from the middle, 1
_HAIR = 1e-2  # images are fitted so far inside of [0, 1]
_RIDGE = 1e-4  # of the fit, relative to the mean square of the features


@dataclass(frozen=True)
class CPPN:
    """A compositional pattern-producing network for each image: coordinates in, a colour out, at any resolution.

    Fully connected, ``depth`` hidden layers of ``width`` units which in turn are sines, Gaussians ``exp(-a^2)`` and
    hyperbolic tangents, then a sigmoid for each channel. Coordinates run from -1 to 1 along the longer side. The free
    numbers are all weights, (N, P).

    The start draws hidden weights for each image by its id; its last layer is, with ``fitted``, that which brings the
    image nearest before the sigmoid (least squares, with a small ridge): it approaches images as far as so few smooth
    functions can. Otherwise it is drawn too, and images do not count.

    Args:
        channels: Of the images.
        size: (H, W) of the images.
        width: Units of a hidden layer.
        depth: Hidden layers.
        gain: Standard deviation of what reaches a hidden unit at the start, about; more is busier.
        fitted: Whether the start approaches the images.

    Source: Stanley 2007, section 3, who evolves the topology too; ours is fixed.
    """

    channels: int
    size: tuple[int, int]
    width: int = 16
    depth: int = 3
    gain: float = 1.5
    fitted: bool = True

    def __post_init__(self) -> None:
        if min(self.channels, *self.size, self.width, self.depth) < 1 or not self.gain > 0:
            raise StriateError(
                f"CPPN of {self.channels} channels, {self.size}, width {self.width}, depth {self.depth}, "
                f"gain {self.gain:g}",
                accepted="numbers above 0",
            )

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return f"weights of a CPPN of {self.depth} layers of {self.width}"

    @property
    def numbers(self) -> int:
        """How many weights an image has, P."""
        return sum(math.prod(shape) for shape in self._shapes)

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """Random hidden layers, and the last one fitted to the images."""
        if tuple(images.shape[1:]) != (self.channels, *self.size):
            raise StriateError(
                f"start of shape {tuple(images.shape)}",
                accepted=f"(N, {self.channels}, {self.size[0]}, {self.size[1]})",
            )
        drawn = rng.child("cppn").normal(ids.cpu(), (self.numbers,)).to(images.device, torch.float64)
        layers = [layer * (self.gain / math.sqrt(layer.shape[2])) for layer in self._layers(drawn)]
        if self.fitted:
            # One image after the other: sums over a batch may round otherwise than those over one image.
            wanted = images.double().flatten(2).clamp(_HAIR, 1 - _HAIR).logit()
            fits = [
                _fit(self._features([layer[row : row + 1] for layer in layers[:-1]])[0], wanted[row])
                for row in range(len(images))
            ]
            layers[-1] = torch.stack(fits)
        return torch.cat([layer.flatten(1) for layer in layers], 1).to(images)

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images."""
        del rows
        *hidden, last = self._layers(z)
        return torch.sigmoid(last @ self._features(hidden)).view(len(z), self.channels, *self.size)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """The numbers themselves, for a box that holds [0, 1]; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words)
        return z

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        inner = [(self.width, self.width + 1)] * (self.depth - 1)
        return [(self.width, _INPUTS), *inner, (self.channels, self.width + 1)]

    def _layers(self, z: Tensor) -> list[Tensor]:
        parts = torch.split(z, [math.prod(shape) for shape in self._shapes], 1)
        return [part.view(-1, *shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def _features(self, hidden: list[Tensor]) -> Tensor:
        """What the last hidden layer says and a 1, (n, width + 1, H * W)."""
        count, like = len(hidden[0]), hidden[0]
        values = self._coordinates(like).expand(count, -1, -1)
        kinds = torch.arange(self.width, device=like.device)[:, None] % 3
        for layer in hidden:
            sums = layer @ values
            made = torch.where(kinds == 0, sums.sin(), torch.where(kinds == 1, (-sums.square()).exp(), sums.tanh()))
            values = torch.cat([made, torch.ones_like(made[:, :1])], 1)
        return values

    def _coordinates(self, like: Tensor) -> Tensor:
        """x, y, distance from the middle and 1 at the middle of each pixel, (4, H * W)."""
        height, width = self.size
        longer = max(self.size)
        y, x = (
            ((2 * torch.arange(side, device=like.device, dtype=torch.float64) + 1 - side) / longer)
            for side in (height, width)
        )
        down, across = torch.meshgrid(y, x, indexing="ij")
        distance = (down.square() + across.square()).sqrt()
        return torch.stack([across, down, distance, torch.ones_like(down)]).flatten(1).to(like)


def _fit(features: Tensor, wanted: Tensor) -> Tensor:
    """The weights (C, F) whose products with features (F, P) are nearest to what is wanted (C, P)."""
    square = features @ features.T
    ridge = _RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype, device=square.device)
    weights: Tensor = torch.linalg.solve(square + ridge, features @ wanted.T)
    return weights.T
