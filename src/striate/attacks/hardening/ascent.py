"""The attack within: a few steps up a loss, in a ball and [0, 1], as cheap as they can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from striate.imageopt.region import Ball, BallInBox, Box, per_image
from striate.imageopt.region.direction import steepest_direction

Loss = Callable[[Tensor], Tensor]  # images (n, C, H, W) -> one number an image


def ball_about(images: Tensor, radius: float, norm: float) -> BallInBox:
    """The images that an attacker may make of these."""
    return Ball(images.detach(), radius, norm) & Box()


def random_point(region: BallInBox) -> Tensor:
    """A random image of each ball: uniform in it, then brought into [0, 1].

    The draws come from torch's own generator, as dropout's do: in a run the loop seeds it by run and epoch, so that a
    resumed run draws the same. (`Ball.sample`, keyed by image, costs a fifth of a training step of a small net.)
    """
    centre, norm = region.ball.centre, region.ball.norm
    if math.isinf(norm):
        offset = torch.rand_like(centre).mul_(2.0).sub_(1.0)
    else:
        length = torch.rand(len(centre), device=centre.device, dtype=centre.dtype) ** (1 / centre[0].numel())
        offset = steepest_direction(torch.randn_like(centre), 2.0) * per_image(length, centre)
    return region.project(centre + _radius(region) * offset, _rows(centre))


def climbed(loss: Loss, start: Tensor, region: BallInBox, *, steps: int, step: float) -> Tensor:
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


def _radius(region: BallInBox) -> Tensor:
    return per_image(region.ball.radii, region.ball.centre).to(region.ball.centre)


def _rows(images: Tensor) -> Tensor:
    return torch.arange(len(images), device=images.device)
