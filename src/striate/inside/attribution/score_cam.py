"""Score-CAM: where a layer speaks for the target, each channel weighed by the score of the image seen through it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net

from .cams import Place, activations_at, afresh, channel_cam
from .chunks import fast_layout
from .maps import Maps

AGAIN = 3  # channels that the check masks again, alone
WHAT = "the image seen through each of the three heaviest channels, masked again and alone, scores the same"


def score_cam(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    check: bool = True,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """The positive part of a layer's channels summed with weights from masked images, in input pixels, (N, H, W).

    Each channel is enlarged and scaled to 0 ... 1; the image fades to the net's mean colour where it is 0. A channel's
    weight is the softmax over channels of the target's logits of these images. No gradient is needed.
    One forward pass for the layer, one for each channel that is not flat (512 in squeezenet1_0, 1280 in mobilenet_v2),
    six for the check.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        layer: As in `grad_cam`.
        check: Whether the scores are checked; without, six forward passes less.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        UnknownNameError: No such site; the message names the nearest.
        StriateError: The site, or the whole net, has no maps; the message says why.

    Source: Wang et al. 2020, section 3, algorithm 1; the baseline's logit is the same for all channels and cancels in
    the softmax. The image is masked behind the normalisation, as the authors' code does, so that what is hidden has the
    mean colour (of the data that the net was normalised by) and not black.
    """
    return channel_cam(
        net,
        images,
        targets,
        lambda place, image, target, most: _one(net, place, image, target, most=most, check=check),
        name="score_cam",
        layer=layer,
        units="value of {layer}, mean over channels weighed by what the net says of the image seen through them; "
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
    low, high = layer.amin(dim=(1, 2)), layer.amax(dim=(1, 2))
    used = (high > low).nonzero().flatten()
    if not len(used):
        return torch.zeros_like(layer[0]), afresh(WHAT, pairs=iter(()), level=1.0) if check else None
    scaled = (layer[used] - low[used, None, None]) / (high - low)[used, None, None]
    scores = torch.cat([_scores(net, image, part, target) for part in torch.split(scaled, most)])
    weights = scores.softmax(0)
    found = torch.einsum("k,khw->hw", weights.to(layer), layer[used]).relu()
    if not check:
        return found, None
    heaviest = weights.topk(min(AGAIN, len(used))).indices.tolist()
    again = ((float(scores[k]), _alone(net, place, image, int(used[k]), target)) for k in heaviest)
    level = max(float(logits.abs().max()), float(scores.abs().max()))
    return found, afresh(WHAT, pairs=again, level=level)


def _scores(net: Net, image: Tensor, masks: Tensor, target: int) -> Tensor:
    """Logits of the target for an image seen through masks (k, h, w) from 0 to 1, (k,) float64."""
    large = F.interpolate(masks[:, None], size=image.shape[-2:], mode="bilinear", align_corners=False)
    behind = 0.0 if net.mean is None else net.mean.to(image)
    return net.logits(fast_layout(behind + (image - behind) * large))[:, target].double()


def _alone(net: Net, place: Place, image: Tensor, channel: int, target: int) -> float:
    """The same from the start for one channel, from the layer read anew."""
    with net.look(read=[place.site.name]) as look:
        layer = place.maps(look(image)[place.site.name])[0, channel].double()
    mask = (layer - layer.min()) / (layer.max() - layer.min())
    return float(_scores(net, image, mask.to(image)[None], target))
