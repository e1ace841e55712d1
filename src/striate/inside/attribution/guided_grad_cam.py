"""Guided Grad-CAM: the edges of guided backpropagation where Grad-CAM sees evidence for the target."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .grad_cam import grad_cam
from .guided_backprop import guided_backprop
from .maps import Maps


def guided_grad_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Guided backpropagation times the enlarged Grad-CAM map, pixel by pixel, raw and signed, (N, C, H, W).

    Costs what both cost: eight forward and two backward passes an image. The check is that of the two which comes
    nearer to its bound.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: Site of the Grad-CAM map; the last one of the feature extractor when None.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site.
        StriateError: The net has no rectifiers alone, or no maps to weigh.

    Source: Selvaraju et al. 2017, section 3.2.
    """
    edges = guided_backprop(net, images, targets, memory=memory, progress=progress)
    where = grad_cam(net, images, targets, layer=layer, memory=memory, progress=progress)
    return Maps(
        edges.values * where.values[:, None],
        units=f"guided signal times evidence at {where.layer}; drawn is the largest absolute value over the channels",
        signed=False,
        checks=tuple(_both(one, other) for one, other in zip(edges.checks, where.checks, strict=True)),
        layer=where.layer,
        share=0.995,
    )


def _both(edges: MapCheck, where: MapCheck) -> MapCheck:
    """Grad-CAM's number, which has an interval of sizes, unless the rule of the edges is broken."""
    return replace(where, what=f"{where.what}; {edges.what}") if edges.holds else edges
