"""Ablation-CAM: where a layer speaks for the target, each channel weighed by what the net loses without it."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.site import Site

from .cams import Place, activations_at, afresh, channel_cam
from .chunks import fast_layout
from .maps import Maps

AGAIN = 3  # channels that the check switches off again, alone
WHAT = "the three heaviest channels, each switched off again and alone, take the same from the logit"


def ablation_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The positive part of a layer's channels summed with the logit that each is worth, in input pixels, (N, H, W).

    A channel's weight is the drop of the target's logit when the channel is zero everywhere. No gradient is needed.
    One forward pass for the layer, one for each channel that is not zero already, several channels at a time, three for
    the check. The part before the layer is computed again in each.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: As in `grad_cam`.
        check: Whether the drops are checked; without, three forward passes less.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps; the message says why.

    Source: Desai & Ramaswamy 2020, section 3, equations 4 and 5. There the drop is divided by the logit, which turns
    the map over where the logit is negative; here it is not, and the map is theirs times the logit.
    """
    return channel_cam(
        net,
        images,
        targets,
        lambda place, image, target, most: _one(net, place, image, target, most=most, check=check),
        name="ablation_cam",
        layer=layer,
        units="evidence for the target at {layer}: logit lost without a channel, times the channel; "
        "negative sums are cut off",
        what=WHAT,
        memory=memory,
        progress=progress,
    )


def _one(
    net: Net, place: Place, image: Tensor, target: int, *, most: int, check: bool
) -> tuple[Tensor, MapCheck | None]:
    """The map (h, w) of one image (1, C, H, W), and its check."""
    layer, logits = activations_at(net, place, image)
    drops = torch.zeros(len(layer), dtype=torch.float64, device=layer.device)
    used = layer.abs().amax(dim=(1, 2)).nonzero().flatten()
    for part in torch.split(used, most):
        drops[part] = logits[target] - _without(net, place, image, part)[:, target]
    found = torch.einsum("k,khw->hw", drops.to(layer), layer).relu()
    if not check:
        return found, None
    heaviest = drops.abs().topk(min(AGAIN, len(drops))).indices
    again = ((float(drops[k]), float(logits[target] - _alone(net, place, image, int(k))[target])) for k in heaviest)
    return found, afresh(WHAT, pairs=again, level=float(logits.abs().max()))


def _without(net: Net, place: Place, image: Tensor, channels: Tensor) -> Tensor:
    """Logits (k, classes) of an image with one channel switched off at a time, all in one pass of k copies."""

    def ablate(_site: Site, output: Tensor, rows: Tensor) -> Tensor:
        kept = torch.zeros_like(place.maps(output))
        kept[rows, channels] = place.maps(output)[rows, channels]
        return output - place.output(kept)

    copies = fast_layout(image.expand(len(channels), -1, -1, -1))
    with net.look(edits={place.site.name: ablate}) as look:
        return net.as_logits(look(copies).output).double()


def _alone(net: Net, place: Place, image: Tensor, channel: int) -> Tensor:
    """Logits (classes,) by other means: the layer is multiplied with 0 at the channel, with 1 elsewhere."""

    def ablate(_site: Site, output: Tensor, _rows: Tensor) -> Tensor:
        maps = place.maps(output)
        off = torch.ones_like(maps)
        off[:, channel] = 0
        return output + place.output(off * maps - maps)

    with net.look(edits={place.site.name: ablate}) as look:
        return net.as_logits(look(image).output)[0].double()
