"""Maps that know nothing of the net: what a map must beat before it is believed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.rng import Rng, image_ids

_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def random_maps(images: Tensor, *, seed: int = 0) -> Tensor:
    """Uniform noise, (N, H, W), of each image its own."""
    return Rng(seed, "faithfulness/random").uniform(image_ids(images), (images.shape[-2], images.shape[-1]))


def edge_maps(images: Tensor) -> Tensor:
    """How steep the image is at each pixel, (N, H, W): length of the Sobel gradient, root of the sum over channels.

    Many maps look like edges, so this is what they look like without the net (Adebayo et al. 2018, section 5).

    Source: Sobel & Feldman 1968; the outermost pixels are repeated beyond the image.
    """
    channels = images.shape[1]
    across = images.new_tensor(_SOBEL)
    kernels = torch.stack([across, across.T])[:, None].repeat(channels, 1, 1, 1)
    padded = F.pad(images.detach(), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernels, groups=channels).square().sum(1).sqrt().cpu()


def control_maps(images: Tensor, *, seed: int = 0) -> dict[str, Tensor]:
    """Both, by name."""
    return {"random": random_maps(images, seed=seed), "edge": edge_maps(images)}
