"""Regions: sets of images that a search stays in. Each states the argmin that its projection solves.

What a projection returns is inside the region as the images are stored: in float32 (or float64), after the last
operation, in float64 arithmetic, without tolerance. Every library that projects in float32 alone exceeds its radius
by up to 3e-8 on most images.
"""

from .ball import Ball, BallInBox
from .box import Box
from .direction import per_image, steepest_direction
from .hyperplane import step_to_hyperplane
from .intersection import Intersection
from .mask import Mask
from .set import Region

__all__ = [
    "Ball", "BallInBox", "Box", "Intersection", "Mask", "Region", "per_image", "steepest_direction",
    "step_to_hyperplane",
]  # fmt: skip
