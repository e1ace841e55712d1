"""IoU: best overlap of the map's highest pixels with the object."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.nets.net import Net

from .pointing_game import check_masks
from .scores import Scores, ranks


def iou(
    net: Net,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    masks: Tensor | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Scores:
    """Intersection over union of the object with the map's highest pixels, at the threshold that serves the map best.

    From 0 to 1, higher is better. As the whole image is one of the thresholds it is never below the object's share of
    the image. No pass through the net.

    Args:
        net: Not looked at.
        images: (N, C, H, W).
        targets: Not looked at.
        maps: (N, H, W) or (K, N, H, W).
        masks: The objects, (N, H, W) bool; of a box, its rectangle.
        seed: Of the order of equal values.
        memory: Of no use here.
        progress: Of no use here.

    Raises:
        StriateError: No masks, masks or maps that do not fit, an empty mask.

    Source: the intersection over union of Everingham et al. 2010, equation 3; the threshold is the best one, so that no
    method is helped or harmed by a common one.
    """
    del net, targets, memory, progress
    objects = check_masks(masks, images, "iou").flatten(1)
    order = ranks(maps, images, seed=seed).argsort(dim=-1)
    hits = objects.expand(order.shape).gather(-1, order).double().cumsum(-1)
    taken = torch.arange(1, order.shape[-1] + 1, dtype=torch.float64)
    area = objects.sum(1).double()[:, None]
    return Scores((hits / (area + taken - hits)).amax(-1), higher=True)
