"""Effective receptive fields: how much each pixel counts for the unit in the middle of a layer, by its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.rng import Rng
from striate.inside.units.layers import UnitLayer
from striate.nets.net import Net

SHARE = 0.9545  # of a Gaussian's mass that lies within two standard deviations
DRAWS = 4
ITERATIONS = 30


@dataclass(frozen=True)
class Effective:
    """How much each pixel counts.

    Attributes:
        map: (H, W) float64, sums to 1.
        side: Side in pixels of the smallest square around the unit's centre that holds 95.45 % of the map.
        sigma: Standard deviations (rows, columns) of the Gaussian that fits best, in pixels.
        r2: Share of the map's variance that this Gaussian explains.
    """

    map: Tensor
    side: int
    sigma: tuple[float, float]
    r2: float


def effective_field(
    net: Net, images: Tensor, layer: UnitLayer, *, draws: int = DRAWS, seed: int = 0, units: tuple[int, ...] = ()
) -> Effective:
    """The mean size of the gradient of the middle place, over images and random directions among the units.

    In each draw the units of the place are added with random signs (or, with ``units``, those alone, without signs);
    absolute gradients are summed over the channels of the image and averaged. One forward pass and ``draws`` backward.

    Args:
        net: The net.
        images: (N, C, H, W).
        layer: The layer.
        draws: Random sign vectors an image.
        seed: Seed of the signs.
        units: The units to follow; all of them with random signs when empty.

    Source: Luo, Li, Urtasun & Zemel 2016, sections 2 and 3 (there random images, and weights drawn anew); the radius is
    theirs of two standard deviations, read off the mass instead of a threshold, so that it needs no Gaussian.
    """
    size = (images.shape[-2], images.shape[-1])
    ids = torch.arange(len(images))
    signs = torch.zeros(1, len(images), layer.units)
    if units:
        signs[:, :, list(units)] = 1.0
    else:
        drawn = Rng(seed, f"effective field/{layer.name}").signs(ids, (draws, layer.units))
        signs = drawn.transpose(0, 1)
    pixels = images.detach().clone().requires_grad_()
    total = torch.zeros(size, dtype=torch.float64)
    with net.look(read=[layer.name]) as see:
        value = layer.arranged(see(pixels)[layer.name])[:, layer.middle()]
        for k, sign in enumerate(signs):
            score = (value * sign.to(value)).sum()
            (gradient,) = torch.autograd.grad(score, pixels, retain_graph=k + 1 < len(signs))
            total += gradient.abs().double().sum((0, 1)).cpu()
    return measured(total, layer)


def measured(total: Tensor, layer: UnitLayer) -> Effective:
    """The size of a map (H, W) around the centre of a layer's middle place."""
    mass = total / total.sum().clamp_min(1e-300)
    place = layer.middle()
    if layer.field is None:
        centre = [(length - 1) / 2 for length in layer.size]
    else:
        spots = (place // layer.grid[1], place % layer.grid[1])
        centre = [field.offset + at * field.stride for field, at in zip(layer.field, spots, strict=True)]
    far = torch.maximum(
        (torch.arange(mass.shape[0], dtype=torch.float64) - centre[0]).abs()[:, None],
        (torch.arange(mass.shape[1], dtype=torch.float64) - centre[1]).abs()[None],
    )
    radii, order = far.flatten().sort(stable=True)
    held = mass.flatten()[order].cumsum(0)
    reached = int((held >= SHARE - 1e-12).nonzero()[0]) if float(total.sum()) > 0 else 0
    sigma, r2 = fit_gaussian(mass)
    return Effective(mass, round(2 * float(radii[reached])) + 1 if float(total.sum()) > 0 else 0, sigma, r2)


def fit_gaussian(mass: Tensor) -> tuple[tuple[float, float], float]:
    """Standard deviations (rows, columns) of the axis-parallel Gaussian nearest to a map, and the R^2 of the fit.

    Least squares by Gauss-Newton steps, damped, from the moments of the map.
    """
    height, width = mass.shape
    rows, columns = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    down, along = mass.sum(1), mass.sum(0)
    if float(mass.sum()) <= 0:
        return (0.0, 0.0), 0.0
    middle = [float((each * at).sum() / mass.sum()) for each, at in ((down, rows), (along, columns))]
    spread = [
        max(0.3, float((each * (at - centre) ** 2).sum() / mass.sum()) ** 0.5)
        for each, at, centre in ((down, rows, middle[0]), (along, columns, middle[1]))
    ]
    peak = float(mass.max())
    numbers = torch.tensor([1.0, *middle, *(torch.tensor(spread).log().tolist())], dtype=torch.float64)

    def model(p: Tensor) -> tuple[Tensor, Tensor]:
        """The Gaussian (H * W,) and its derivatives by its five numbers."""
        down, right = (rows - p[1]) / p[3].exp(), (columns - p[2]) / p[4].exp()
        down, right = down[:, None].expand(-1, width), right.expand(height, -1)
        bell = torch.exp(-0.5 * (down**2 + right**2))
        made = p[0] * bell
        slopes = (bell, made * down / p[3].exp(), made * right / p[4].exp(), made * down**2, made * right**2)
        return made.flatten(), torch.stack([each.flatten() for each in slopes], 1)

    target, damping = (mass / peak).flatten(), 1e-3
    made, slope = model(numbers)
    error = float((made - target).square().sum())
    for _ in range(ITERATIONS):
        gram = slope.T @ slope
        step = torch.linalg.solve(
            gram + damping * torch.diag(gram.diagonal().clamp_min(1e-12)), slope.T @ (target - made)
        )
        other, slopes = model(numbers + step)
        tried = float((other - target).square().sum())
        if tried < error:
            done = error - tried < 1e-12 * error
            numbers, made, slope, error, damping = numbers + step, other, slopes, tried, damping / 5
            if done:
                break
        else:
            damping *= 5
    total = float((target - target.mean()).square().sum())
    return (float(numbers[3].exp()), float(numbers[4].exp())), 1 - error / total if total > 0 else 0.0
