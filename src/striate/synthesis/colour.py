"""Keeping the colours of a picture whose style is changed."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import to_channels

_FLOOR = 1e-5  # variance that a colour has at least, so that a grey picture can be matched


def same_light(style: Tensor, content: Tensor) -> Tensor:
    """The luminance of a style picture (3, h, w), in three equal channels, with the content's mean and deviation.

    Clamped to [0, 1]; a style of one luminance gets the content's mean.

    Source: Gatys et al. 2016, "Preserving color in neural artistic style transfer", equation 7.
    """
    own, goal = to_channels(style, 1), to_channels(content, 1)
    spread = own.std()
    share = goal.std() / spread if float(spread) > 0 else 0.0
    return to_channels(((own - own.mean()) * share + goal.mean()).clamp(0.0, 1.0), 3)


def recoloured(light: Tensor, content: Tensor) -> Tensor:
    """Images (n, 3, H, W) with the luminance of the one and the hue of the other.

    The content's differences from its own luminance are added to the new one. Where that leaves [0, 1] they are
    shortened, all three by the same factor: hue and luminance stay, saturation falls.

    Source: Gatys et al. 2016, "Preserving color", section 3.2, in YIQ, where red, green and blue each move by what the
    luminance moves by. They say nothing of colours out of range.
    """
    new, colours = to_channels(light, 1), content - to_channels(content, 1)
    room = torch.where(colours > 0, 1.0 - new, new)
    fits = torch.where(colours != 0, room / colours.abs().clamp_min(torch.finfo(colours.dtype).tiny), torch.inf)
    return (new + fits.amin(1, keepdim=True).clamp(0.0, 1.0) * colours).clamp(0.0, 1.0)


def same_colours(style: Tensor, content: Tensor) -> Tensor:
    """A style picture (3, h, w) under the affine map of colours that gives it the content's mean and covariance.

    Not clamped: a few values may leave [0, 1]. Where the style's colours vary along fewer than three directions the
    others count as of variance 1e-5, and the covariance is not reached.

    Source: Gatys et al. 2016, "Preserving color", section 3.1, equations 1 to 6, with the symmetric square roots.
    """
    if len(style) != 3 or len(content) != 3:
        raise StriateError(f"pictures of {len(style)} and {len(content)} channels", accepted="red, green and blue")
    own, goal = style.double().flatten(1), content.double().flatten(1)
    matrix = _root(torch.cov(goal), 0.5) @ _root(torch.cov(own), -0.5)
    mapped = matrix @ (own - own.mean(1, keepdim=True)) + goal.mean(1, keepdim=True)
    return mapped.view(style.shape).to(style)


def _root(covariance: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    spread: Tensor = values.clamp_min(_FLOOR if power < 0 else 0.0).pow(power)
    root: Tensor = torch.mul(vectors, spread) @ vectors.T
    return root
