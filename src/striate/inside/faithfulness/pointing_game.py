"""Pointing game: whether the map's highest pixel lies on the object."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .scores import Scores, check_maps


def pointing_game(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    masks: Tensor | None = None,
    tolerance: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """1 where the highest pixel lies on the object, 0 where not, the share of them where several are highest.

    Higher is better. No pass through the net.

    Args:
        net: Not looked at.
        images: (N, C, H, W).
        targets: Not looked at.
        maps: (N, H, W) or (K, N, H, W).
        masks: The objects, (N, H, W) bool; of a box, its rectangle.
        tolerance: How many pixels beside the object still count; 15 in the paper.
        memory: Of no use here.
        progress: Of no use here.

    Raises:
        StriateError: No masks, masks or maps that do not fit, an empty mask.

    Source: Zhang et al. 2018, section 4.1.
    """
    del net, targets, memory, progress
    wide = check_masks(masks, images, "pointing_game")
    if tolerance:
        wide = F.max_pool2d(wide[:, None].float(), 2 * tolerance + 1, stride=1, padding=tolerance)[:, 0] > 0
    heat = check_maps(maps, images)
    highest = (heat == heat.amax((-2, -1), keepdim=True)).double()
    return Scores((highest * wide).sum((-2, -1)) / highest.sum((-2, -1)), higher=True)


def check_masks(masks: Tensor | None, images: Tensor, measure: str) -> Tensor:
    """The masks, (N, H, W) bool on the CPU.

    Raises:
        StriateError: There are none, or they do not fit the images, or one is empty.
    """
    wanted = (len(images), *images.shape[-2:])
    if masks is None:
        raise StriateError(
            f"{measure} without masks of the objects", accepted=f"masks of shape {wanted}", hint="deletion,insertion"
        )
    if tuple(masks.shape) != wanted or masks.dtype != torch.bool:
        raise StriateError(f"masks are {masks.dtype} of shape {tuple(masks.shape)}", accepted=f"bool of shape {wanted}")
    if not bool(masks.flatten(1).any(1).all()):
        raise StriateError("a mask without any pixel", accepted="masks of objects that are in the image")
    return masks.cpu()
