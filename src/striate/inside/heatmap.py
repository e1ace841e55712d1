"""Heat-map pictures: values to colours, alone and over the grey image.

Signed values are blue, white, red with white at zero and symmetric limits; unsigned values are viridis from 0. A value
beyond the limits has the colour of the end. The limits are part of every map's row, and the page draws the colour bar.
"""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.image import encode_png, enlarge

from .colours import OPACITY, anchors

LEAST = 128  # pixels: smaller images are enlarged by a whole factor
HAIRLINE = 2  # pixels of neutral grey between the two halves of a picture
LUMA = (0.2126, 0.7152, 0.0722)  # shares of red, green and blue in lightness (ITU-R BT.709)


def plane(values: Tensor, *, signed: bool = False) -> Tensor:
    """What is drawn of ``values``: (H, W) as it is; of (C, H, W) the largest absolute value over the channels.

    Of signed (C, H, W) it is the sum over the channels: what a pixel as a whole adds to the score.

    Source: Simonyan, Vedaldi & Zisserman 2013, section 3.1.
    """
    if values.ndim == 2:
        return values
    return values.sum(0) if signed else values.abs().amax(0)


def limits_of(values: Tensor, *, signed: bool, share: float = 1.0) -> tuple[float, float]:
    """Ends of the colour scale for a plane (H, W): symmetric where signed, from 0 where not.

    They hold ``share`` of the pixels; where that would leave no scale at all, every pixel. A plane of zeros gets 1.
    """
    sizes = values.detach().abs().flatten().to(torch.float64)
    end = float(torch.quantile(sizes, share, interpolation="higher")) if share < 1 else float(sizes.max())
    end = end or float(sizes.max()) or 1.0
    return (-end if signed else 0.0, end)


def colour(values: Tensor, limits: tuple[float, float], *, signed: bool) -> Tensor:
    """Colours (3, H, W) in [0, 1] of a plane (H, W), between the anchors of the scale in straight lines."""
    table = torch.tensor(anchors(signed), dtype=torch.float64) / 255
    low, high = limits
    place = ((values.to(torch.float64) - low) / (high - low)).clamp(0, 1) * (len(table) - 1)
    lower = place.floor().clamp(max=len(table) - 2).long()
    part = (place - lower).unsqueeze(-1)
    mixed = table[lower] * (1 - part) + table[lower + 1] * part
    return mixed.permute(2, 0, 1).to(torch.float32)


def grey(image: Tensor) -> Tensor:
    """The image (C, H, W) without its colours, (3, H, W)."""
    if image.shape[0] == 3:
        image = (image * image.new_tensor(LUMA)[:, None, None]).sum(0, keepdim=True)
    return image.mean(0, keepdim=True).clamp(0, 1).expand(3, -1, -1)


def over(colours: Tensor, image: Tensor) -> Tensor:
    """The colours over the grey image at `OPACITY`, (3, H, W)."""
    return OPACITY * colours + (1 - OPACITY) * grey(image)


def draw(values: Tensor, image: Tensor, limits: tuple[float, float], *, signed: bool) -> bytes:
    """PNG of the map alone (left) and over the grey image (right), enlarged by a whole factor where it is small."""
    colours = colour(plane(values, signed=signed), limits, signed=signed)
    halves = [enlarge(half, LEAST) for half in (colours, over(colours, image))]
    line = torch.full((3, halves[0].shape[1], HAIRLINE), 0.5)
    return encode_png(torch.cat([halves[0], line, halves[1]], dim=2))


def draw_input(image: Tensor) -> bytes:
    """PNG of the image that the net got, enlarged by the same factor as its maps."""
    return encode_png(enlarge(image, LEAST))
