"""Grad-CAM: where a layer speaks for the target, its channels weighed by their mean gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.site import Site
from striate.nets.undisturbed import undisturbed

from .chunks import chunks, target_scores
from .layers import default_layer, spatial_layer
from .maps import Maps
from .slope import BOUND, DOUBLE, central_slope, checked_again, slope_checks

STEPS = (3e-3, 1e-3, 3e-4)  # of the check, as shares of each channel's mean
WHAT = "moving each channel by a share of its mean changes the logit as the channel weights say"


def grad_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The positive part of a layer's channels summed with their mean gradients, in input pixels, (N, H, W).

    One forward pass and a backward pass down to the layer, and six forward passes for the check: moving every channel
    by a share of its mean, in the direction of its weight, must change the logit as the weights say (an image that
    fails takes six more, in float64).

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: A site with spatial extent; the last one of the feature extractor when None.
        check: Whether the maps are checked.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps to weigh; the message says why.

    Source: Selvaraju et al. 2017, section 3, equations 1 and 2. The map is enlarged bilinearly, pixel centres aligned.
    """
    size = (images.shape[-2], images.shape[-1])
    site = default_layer(net, size) if layer is None else spatial_layer(net, size, layer)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with undisturbed(net), progress.task("grad_cam", len(images)) as step:
        for part, wanted in chunks(net, images, targets, memory=memory, backward=True):
            maps, found = _maps(net, site, part, wanted, check=check)
            values.append(F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0])
            checks.extend(found)
            step(len(part))
    return Maps(
        torch.cat(values).float().cpu(),
        units=f"evidence for the target at {site.name}: logit change by one unit of a channel, times the channel; "
        "negative sums are cut off",
        signed=False,
        checks=tuple(checks),
        layer=site.name,
    )


def _maps(net: Net, site: Site, images: Tensor, targets: Tensor, *, check: bool) -> tuple[Tensor, tuple[MapCheck, ...]]:
    """Maps (n, h, w) at the layer, and their checks."""
    seen: dict[str, Tensor] = {}

    def listen(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
        seen["layer"] = output.detach()
        seen["shift"] = torch.zeros_like(output).requires_grad_()
        return output + seen["shift"]

    with net.look(edits={site.name: listen}) as look:
        logits = net.as_logits(look(images, None).output)
    score = target_scores(logits, targets)
    depends = score.requires_grad
    slopes = torch.autograd.grad(score.sum(), seen["shift"], allow_unused=True)[0] if depends else None
    if slopes is None:
        raise StriateError(f"the net's output does not depend on {site.name}", hint="another --layer")
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    maps = (weights * seen["layer"]).sum(1).relu()
    if not check:
        return maps, (MapCheck.left_out(WHAT, BOUND),) * len(maps)
    level = logits.detach().abs().amax(1)
    checks = _checks(net, site, images, targets, values=seen["layer"], weights=weights, level=level, steps=STEPS)

    def again(double: Net, i: int) -> MapCheck:
        one = slice(i, i + 1)
        (found,) = _checks(
            double, site, images[one].double(), targets[one], values=seen["layer"][one].double(),
            weights=weights[one].double(), level=level[one], steps=[DOUBLE * step for step in STEPS],
        )  # fmt: skip
        return found

    return maps, checked_again(net, checks, again)


def _checks(
    net: Net,
    site: Site,
    images: Tensor,
    targets: Tensor,
    *,
    values: Tensor,
    weights: Tensor,
    level: Tensor,
    steps: Sequence[float],
) -> tuple[MapCheck, ...]:
    """Sum over channels of |weight x mean|, times the pixels: that must be the slope along sign(weight) x |mean|."""
    means = values.mean(dim=(2, 3), keepdim=True)
    direction = weights.sign() * means.abs()
    predicted = (weights * direction).double().sum(dim=(1, 2, 3)) * values[0, 0].numel()

    def score(share: float) -> Tensor:
        def move(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
            return output + share * direction

        with torch.no_grad(), net.look(edits={site.name: move}) as look:
            logits = net.as_logits(look(images, None).output)
        return target_scores(logits, targets).cpu()

    return slope_checks(
        WHAT,
        found=central_slope(score, steps),
        predicted=predicted.cpu(),
        level=level.cpu(),
        step=STEPS[1],  # what float32 can show: the gradient itself is float32
    )
