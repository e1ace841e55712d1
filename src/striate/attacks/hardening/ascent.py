"""The attack within: a few steps up a loss, in a ball and [0, 1], as cheap as they can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from striate.imageopt.region import Ball, BallInBox, Box, per_image
from striate.imageopt.region.direction import steepest_direction

Loss = Callable[[Tensor], Tensor]  # images (n, C, H, W) -> one number an image


@dataclass(frozen=True, eq=False)
class Cube:
    """The Linf ball of a radius about images (n, C, H, W), within [0, 1]: what `Ball` & `Box` hold, far cheaper.

    Its radius is smaller by 2^-23: sums of float32 below 1 are rounded by at most 2^-25, so no value goes too far.
    """

    centre: Tensor
    radius: float

    def project(self, x: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """Each value clamped."""
        return torch.clamp(x, self._low, self._high)

    def steepest(self, grad: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The sign of the gradient."""
        return steepest_direction(grad, math.inf)

    @cached_property
    def _low(self) -> Tensor:
        return (self.centre - max(0.0, self.radius - 2.0**-23)).clamp_(min=0.0)

    @cached_property
    def _high(self) -> Tensor:
        return (self.centre + max(0.0, self.radius - 2.0**-23)).clamp_(max=1.0)


Near = Cube | BallInBox


def ball_about(images: Tensor, radius: float, norm: float) -> Near:
    """The images that an attacker may make of these."""
    centre = images.detach()
    return Cube(centre, radius) if math.isinf(norm) else Ball(centre, radius, norm) & Box()


def random_point(region: Near) -> Tensor:
    """A random image of each ball: uniform in it, then brought into [0, 1].

    The draws come from torch's own generator, as dropout's do: in a run the loop seeds it by run and epoch, so that a
    resumed run draws the same. (`Ball.sample`, keyed by image, costs a fifth of a training step of a small net.)
    """
    if isinstance(region, Cube):
        centre, radius = region.centre, region.radius
        return region.project(torch.rand_like(centre).mul_(2.0 * radius).sub_(radius).add_(centre), _rows(centre))
    centre, norm = region.ball.centre, region.ball.norm
    radii = per_image(region.ball.radii, centre).to(centre)
    length = torch.rand(len(centre), device=centre.device, dtype=centre.dtype) ** (1 / centre[0].numel())
    offset = steepest_direction(torch.randn_like(centre), norm) * per_image(length, centre)
    return region.project(centre + radii * offset, _rows(centre))


def climbed(loss: Loss, start: Tensor, region: Near, *, steps: int, step: float) -> Tensor:
    """Images after so many steps of length ``step`` along the steepest direction of the ball's norm.

    ``x <- project(x + step * steepest(grad loss(x)))``, one forward and one backward pass each; only the images get
    gradients. The last image is returned, not the worst.
    """
    images, rows = start, _rows(start)
    for _ in range(steps):
        images = images.detach().requires_grad_(True)
        (grad,) = torch.autograd.grad(loss(images).sum(), images)
        images = region.project(images.detach() + step * region.steepest(grad, rows), rows)
    return images.detach()


@contextmanager
def mode_of(nets: Mapping[str, nn.Module], *, training: bool) -> Iterator[None]:
    """Inside, every net is in this mode; afterwards each is in the one that it came in."""
    before = {name: net.training for name, net in nets.items()}
    for net in nets.values():
        net.train(training)
    try:
        yield
    finally:
        for name, net in nets.items():
            net.train(before[name])


def _rows(images: Tensor) -> Tensor:
    return torch.arange(len(images), device=images.device)
