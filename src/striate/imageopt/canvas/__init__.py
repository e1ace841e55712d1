"""Canvases: how free numbers become an image."""

from __future__ import annotations

from .chosen import ChosenPixels
from .cppn import CPPN
from .delta import Delta
from .fourier import Fourier, colour_factor
from .grey import Grey
from .latent import Latent
from .levels import Levels
from .masked import Masked, Spread
from .moved import Moved
from .patch import Patch, Placement
from .pixels import Canvas, Pixels
from .tanh import TanhBox

__all__ = [
    "CPPN", "Canvas", "ChosenPixels", "Delta", "Fourier", "Grey", "Latent", "Levels", "Masked", "Moved", "Patch",
    "Pixels", "Placement", "Spread", "TanhBox", "colour_factor",
]  # fmt: skip
