"""What every measure of faithfulness takes and gives, and what it makes of a method's maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng, image_ids
from striate.inside import heatmap

if TYPE_CHECKING:
    from striate.core.progress import Progress
    from striate.nets.net import Net


@dataclass(frozen=True)
class Scores:
    """What a measure says of each map.

    Attributes:
        values: One score a map, float64: shape (N,) of maps (N, H, W), (K, N) of K maps of each image (K, N, H, W).
        higher: Whether higher is better.
    """

    values: Tensor
    higher: bool


class Measure(Protocol):
    """Images (N, C, H, W), targets (N,) and maps (N, H, W), or K of them for each image (K, N, H, W), to scores.

    Several maps of an image share the passes that do not depend on the map. A score depends on no other image. The net
    is left bit for bit as found. Options are keywords with defaults.
    """

    def __call__(
        self,
        net: Net,
        images: Tensor,
        targets: Tensor,
        maps: Tensor,
        /,
        *,
        memory: int,
        progress: Progress,
        **options: object,
    ) -> Scores:
        """The scores, in the order of the maps."""
        ...


def planes(values: Tensor, *, signed: bool) -> Tensor:
    """What pixels are ordered by, (N, H, W): values with channels are summed where signed, else as they are drawn.

    Signed values keep their sign: what speaks against the target comes last.
    """
    if values.dim() == 3:
        return values
    return values.sum(1) if signed else torch.stack([heatmap.plane(each) for each in values])


def sums(values: Tensor) -> Tensor:
    """What is added up over pixels, (N, H, W): the sum over the channels."""
    return values if values.dim() == 3 else values.sum(1)


def ranks(maps: Tensor, images: Tensor, *, seed: int = 0) -> Tensor:
    """The place of each pixel when they are taken from the highest value on, shape (..., N, H * W), int64 from 0.

    Equal values (a map may be zero over half of the image) come in a random order that belongs to the image.
    """
    flat = check_maps(maps, images).flatten(-2).double()
    shuffle = Rng(seed, "faithfulness/ties").uniform(image_ids(images), (flat.shape[-1],)).cpu().argsort(dim=-1)
    shuffle = shuffle.expand(flat.shape)
    order = shuffle.gather(-1, flat.gather(-1, shuffle).argsort(dim=-1, descending=True, stable=True))
    places = torch.empty_like(order)
    return places.scatter_(-1, order, torch.arange(flat.shape[-1]).expand(order.shape))


def check_maps(maps: Tensor, images: Tensor) -> Tensor:
    """The maps on the CPU, shape (..., N, H, W).

    Raises:
        StriateError: They are not maps of these images, or hold a value that is not finite.
    """
    wanted = (len(images), *images.shape[-2:])
    if maps.dim() not in (3, 4) or tuple(maps.shape[-3:]) != wanted:
        raise StriateError(
            f"maps of shape {tuple(maps.shape)} for images of shape {tuple(images.shape)}",
            accepted=f"one value a pixel, shape {wanted}, or (K, {', '.join(map(str, wanted))}) for K maps of each",
        )
    if not bool(maps.isfinite().all()):
        raise StriateError("a map holds a value that is not finite", accepted="finite numbers")
    return maps.detach().cpu()
