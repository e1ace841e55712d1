"""What of a patch a printer can print."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from striate.core.errors import StriateError

# How the overprints of process inks look on coated paper, as sRGB in 255ths (the usual conversion of SWOP inks).
INKS: dict[tuple[int, int, int], tuple[int, int, int]] = {
    (0, 0, 0): (255, 255, 255),
    (1, 0, 0): (0, 174, 239),  # cyan
    (0, 1, 0): (236, 0, 140),  # magenta
    (0, 0, 1): (255, 242, 0),  # yellow
    (0, 1, 1): (237, 28, 36),
    (1, 0, 1): (0, 166, 81),
    (1, 1, 0): (46, 49, 146),
    (1, 1, 1): (54, 54, 57),
}
BLACK = (35, 31, 32)
AREAS = (0.0, 0.5, 1.0)  # of the paper that an ink covers


def printable_colours() -> Tensor:
    """Colours (28, 3) in [0, 1] that a printer with process inks has: each ink on none, half or all of the paper.

    No printer was measured: measured colours, printed and scanned, can be given in their place.

    Source: Neugebauer 1937: light from a halftone is the mean of that from its overprints, by area; taken in linear
    light (IEC 61966-2-1).
    """
    solid = _linear(torch.tensor(list(INKS.values()), dtype=torch.float64) / 255)
    which = torch.tensor(list(INKS), dtype=torch.float64)
    covers = torch.tensor(list(product(AREAS, repeat=3)), dtype=torch.float64)[:, None]
    shares = torch.where(which == 1, covers, 1 - covers).prod(2)
    black = torch.tensor([BLACK], dtype=torch.float64) / 255
    return torch.cat([_gamma(shares @ solid), black]).clamp(0, 1)


def non_printability(patch: Tensor, colours: Tensor | None = None) -> tuple[float, float]:
    """The non-printability score of a patch (3, h, w), and its mean distance to the nearest printable colour.

    The score of a pixel p is ``prod over printable c of |p - c|`` (0 where p is printable), here its mean over the
    pixels, where the paper takes the sum, so that patches of any size compare. The product of many numbers says
    little to people; the second number, in [0, 1] pixels, is the length of the vector to the nearest colour.

    Raises:
        StriateError: The patch is not of three channels.

    Source: Sharif et al. 2016, section 4.3.2; the nearest instead of the product: Thys et al. 2019, section 3.
    """
    if patch.ndim != 3 or patch.shape[0] != 3:
        raise StriateError(f"a patch of shape {tuple(patch.shape)}", accepted="(3, h, w): printers print colours")
    known = (printable_colours() if colours is None else colours).to(torch.float64)
    pixels = patch.detach().cpu().to(torch.float64).flatten(1).T
    away = torch.cdist(pixels, known, compute_mode="donot_use_mm_for_euclid_dist")
    return float(away.prod(1).mean()), float(away.amin(1).mean())


def _linear(colours: Tensor) -> Tensor:
    return torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _gamma(light: Tensor) -> Tensor:
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-12) ** (1 / 2.4) - 0.055)
