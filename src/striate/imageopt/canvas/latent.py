"""The code of a generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Region
from striate.nets.undisturbed import undisturbed

from .pixels import check_box


@dataclass(frozen=True, eq=False)
class Latent:
    """The free numbers are codes (N, *shape) of a generator, which is frozen, in eval mode, and left as it was found.

    The start draws ``tries`` normal codes for each image by its id and takes the one whose image is nearest in L2: no
    more of the given image is kept than the luckiest of so few draws. What the generator paints is clamped to [0, 1].

    Args:
        generator: Codes (n, *shape) to images (n, C, H, W).
        shape: Of one code.
        low: What the generator gives for black: -1 for one that ends in a tanh.
        high: What it gives for white.
        least: Smallest value of a code, or a tensor of them that broadcasts to ``shape``.
        most: Largest.
        tries: Codes drawn for the start.

    Source: Nguyen et al. 2016, section 2 (there codes are kept within [0, 3 standard deviations]).
    """

    generator: nn.Module
    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    least: float | Tensor = -torch.inf
    most: float | Tensor = torch.inf
    tries: int = 8

    def __post_init__(self) -> None:
        if not self.low < self.high or self.tries < 1:
            raise StriateError(
                f"range [{self.low:g}, {self.high:g}], {self.tries} tries", accepted="low < high, at least one try"
            )
        if not bool((torch.as_tensor(self.least) <= torch.as_tensor(self.most)).all()):
            raise StriateError("codes with a smallest value above the largest", accepted="least <= most")

    @property
    def words(self) -> str:
        """What the free numbers are."""
        return f"code of {type(self.generator).__name__}"

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """For each image the code of the nearest of a few random ones."""
        rows = torch.arange(len(images), device=images.device)
        best, nearest = images.new_empty(len(images), *self.shape), images.new_full((len(images),), torch.inf)
        for attempt in range(self.tries):
            drawn = rng.child("latent").normal(ids.cpu(), self.shape, step=attempt).to(images)
            codes = self._kept(drawn)
            with torch.no_grad():
                painted = self.paint(codes, rows)
            if painted.shape != images.shape:
                raise StriateError(
                    f"the generator gives {tuple(painted.shape)} for images {tuple(images.shape)}",
                    accepted="images of the same shape",
                )
            distance = (painted - images).flatten(1).square().sum(1)
            nearer = distance < nearest
            best[nearer], nearest[nearer] = codes[nearer], distance[nearer]
        return best

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """What the generator makes of the codes."""
        del rows
        with undisturbed(self.generator):
            painted: Tensor = self.generator(z)
        return ((painted - self.low) / (self.high - self.low)).clamp(0.0, 1.0)

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """Codes within their bounds, for a box that holds [0, 1]; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words)
        return self._kept(z)

    def _kept(self, z: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(z, torch.as_tensor(self.least).to(z)), torch.as_tensor(self.most).to(z))
