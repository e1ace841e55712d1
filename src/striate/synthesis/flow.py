"""Optical flow between frames: what moved where, what came into view, how much flickers.

A flow from frame a to frame b is (2, H, W), x then y, in pixels: what frame a shows at p, frame b shows at p plus the
flow at p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import to_bytes, to_channels
from striate.data.transforms.motion import Motion

CITES = ("kroeger2016fast", "sundaram2010dense")
Flow = Callable[[int, int], Tensor]  # the flow from one frame, by number, to another
LEAST = 16  # pixels a side below which DIS finds nothing
_CHANGE, _ABSOLUTE = 0.01, 0.5  # of disocclusion: share of the squared motion, squared pixels
_BEND, _STEP = 0.01, 0.002  # of motion boundaries


def dense_flow(one: Tensor, two: Tensor) -> Tensor:
    """The flow from one image (C, H, W) to another, (2, H, W), estimated on their luminance.

    By OpenCV's DIS at its medium preset; the extra ``classical`` brings it. The same at each call.

    Raises:
        StriateError: OpenCV is not installed, or the images are smaller than 16 pixels a side.

    Source: Kroeger et al. 2016.
    """
    cv2 = _opencv()
    if one.shape != two.shape or min(one.shape[-2:]) < LEAST:
        raise StriateError(
            f"flow between images of shape {tuple(one.shape)} and {tuple(two.shape)}",
            accepted=f"one shape, at least {LEAST} pixels a side",
        )
    grey = [to_bytes(to_channels(each, 1))[0].cpu().numpy() for each in (one, two)]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return torch.from_numpy(search.calc(grey[0], grey[1], None)).permute(2, 0, 1).to(one)


def warped(image: Tensor, flow: Tensor) -> Tensor:
    """The image (C, H, W) that ``flow`` leads to, as it looks from where the flow begins.

    With the flow from frame i to frame i - 1 and frame i - 1 this is what frame i should show. Between pixels linear;
    beyond the edge what is at the edge.
    """
    size = (image.shape[-2], image.shape[-1])
    eye = torch.eye(3, dtype=torch.float64)[None]
    return Motion(eye, size, field=flow[None], fill="edge").sample(image[None])[0]


def visible(forward: Tensor, backward: Tensor) -> Tensor:
    """Where the second of two frames shows what the first one showed, (1, H, W) of 0 and 1.

    Not where the two flows do not undo each other (what came into view), where the flow has an edge (its place is
    uncertain), and where it leads out of the picture.

    Args:
        forward: Flow from the first frame to the second.
        backward: Flow from the second frame to the first.

    Source: Ruder et al. 2016, section 4.2, after Sundaram et al. 2010; gradients are differences of neighbours,
    0 at the last. They say nothing of flow that leaves the picture.
    """
    height, width = backward.shape[-2:]
    there = _moved(forward, backward)
    lengths = there.square().sum(0) + backward.square().sum(0)
    appeared = (there + backward).square().sum(0) > _CHANGE * lengths + _ABSOLUTE
    across = F.pad(backward.diff(dim=2), (0, 1)).square().sum(0)
    down = F.pad(backward.diff(dim=1), (0, 0, 0, 1)).square().sum(0)
    edge = across + down > _BEND * backward.square().sum(0) + _STEP
    x = torch.arange(width).to(backward) + backward[0]
    y = torch.arange(height).to(backward)[:, None] + backward[1]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return (~(appeared | edge | outside))[None].to(backward)


def warped_errors(frames: Tensor, flow: Flow, seen: Callable[[int], Tensor]) -> Tensor:
    """How much each frame but the first differs from its predecessor along the flow, (T - 1,).

    Args:
        frames: (T, C, H, W) in [0, 1].
        flow: Gives the flow from a frame to another.
        seen: Where frame k shows what frame k - 1 showed, (1, H, W) in [0, 1].

    Returns:
        Mean squared differences of values over the places seen; 0 where there are none.

    Source: Ruder et al. 2016, section 5, who measure so with the true flow of Sintel.
    """
    errors = []
    for k in range(1, len(frames)):
        weight = seen(k).to(frames)
        far = (frames[k] - warped(frames[k - 1], flow(k, k - 1))).square() * weight
        errors.append(far.sum() / (weight.sum() * frames.shape[1]).clamp_min(1.0))
    return torch.stack(errors) if errors else frames.new_zeros(0)


def _moved(field: Tensor, along: Tensor) -> Tensor:
    """A field (2, H, W) read where another one leads, not clamped as images are."""
    height, width = field.shape[-2:]
    x = torch.arange(width).to(along) + 0.5 + along[0]
    y = torch.arange(height).to(along)[:, None] + 0.5 + along[1]
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], -1)[None]
    return F.grid_sample(field[None], grid, padding_mode="border", align_corners=False)[0]


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise StriateError(
            "optical flow without the package opencv-python-headless",
            accepted="it installed, or flows of your own",
            hint='pip install "striate[classical]"',
        ) from error
    return cv2
