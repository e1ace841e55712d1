"""Whether an attack can be what was asked for, said before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net

from .method import Method, norm_name

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table

RADII = {math.inf: 8 / 255, 2.0: 0.5, 1.0: 12.0, 0.0: 1.0}  # usual for photographs (RobustBench; L1: Croce & Hein 2021)


def check_radius(radius: float, norm: float | None = None, shape: Sequence[int] = ()) -> float:
    """The radius; raises where no image could be within such a one, or any image (of that shape C, H, W) would be."""
    if not math.isfinite(radius) or radius < 0:
        raise StriateError(f"radius is {radius:g}", accepted="a finite number of at least 0, in units of [0, 1] pixels")
    if radius > 1 and norm is not None and math.isinf(norm):
        raise StriateError(
            f"radius is {radius:g}",
            accepted="at most 1 in the inf norm: pixels lie in [0, 1]",
            hint=f"{radius:g}/255, if grey levels of 255 were meant",
        )
    if norm is not None and shape and not math.isinf(norm):
        values = math.prod(shape)
        most = {0.0: values / shape[0], 1.0: float(values), 2.0: math.sqrt(values)}[norm]
        if radius > most:
            raise StriateError(
                f"radius is {radius:g}",
                accepted=f"at most {most:.6g} in the {norm_name(norm)} norm: further apart no two images of "
                f"{' x '.join(map(str, shape))} are",
            )
    return radius


def check_method(name: str, method: Method, *, norm: float, steps: int | None, target: int | None) -> int:
    """The steps to take; raises where the method cannot hold the norm, aim at a class or take so many steps."""
    if norm not in method.norms:
        raise StriateError(
            f"norm is {norm_name(norm)}", accepted=f"{', '.join(map(norm_name, method.norms))}: those {name} can hold"
        )
    if target is not None and not method.targeted:
        raise StriateError(
            f"target is {target} for {name}",
            accepted="none: it takes images to any wrong class",
            hint="pgd, apgd_ce, cw",
        )
    if steps is None:
        return method.steps
    if steps < 1:
        raise StriateError(f"steps is {steps}", accepted="at least 1")
    if steps > method.most_steps:
        raise StriateError(f"steps is {steps}", accepted=f"at most {method.most_steps:g} for {name}", hint="pgd")
    return steps


def checked_labels(net: Net, images: Tensor, labels: Tensor, target: int | None) -> Tensor:
    """The labels as int64 beside the images; raises where they, the images or the target do not fit the net."""
    net.check(images)
    if images.numel() == 0 or not bool(((images >= 0) & (images <= 1)).all()):
        span = "no images" if images.numel() == 0 else f"pixels from {float(images.min()):g} to {float(images.max()):g}"
        raise StriateError(span, accepted="pixels in [0, 1]", hint="normalisation belongs into the Net")
    if not isinstance(labels, Tensor) or labels.shape != images.shape[:1] or labels.dtype.is_floating_point:
        shape = f"{tuple(labels.shape)} {labels.dtype}" if isinstance(labels, Tensor) else type(labels).__name__
        raise StriateError(f"labels are {shape}", accepted=f"({len(images)},) integers: one class an image")
    check_classes(len(net.classes), labels, target)
    if target is not None and bool((labels == target).any()):
        row = int((labels == target).nonzero()[0])
        raise StriateError(
            f"image {row} is of the target class {target}", accepted="images of other classes", hint="leave it out"
        )
    return labels.to(images.device, torch.int64)


def check_classes(count: int, labels: Tensor, target: int | None) -> None:
    """Raises where a label or the target is no class of a net with so many (0: unknown, then only negatives are)."""
    last = count - 1 if count else math.inf
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > last:
        raise StriateError(f"label {low if low < 0 else high} is out of range", accepted=f"0 to {last:g}")
    if target is not None and not 0 <= target <= last:
        raise StriateError(f"target is {target}", accepted=f"0 to {last:g}: the net has {count} classes")


def check_table(data: Dataset, table: Table) -> None:
    """Raises where a table of predictions is not about these data."""
    if len(data) != len(table.labels) or not torch.equal(data.labels.to(torch.int64), table.labels):
        raise StriateError(
            f"a table of {len(table.labels)} predictions for data of {len(data)} images",
            accepted="a table made by predict(net, data) of these data",
        )
