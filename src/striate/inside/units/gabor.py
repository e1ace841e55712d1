"""Gabor fits: how well each first-layer filter is one oriented wave under a Gaussian, in one colour.

>>> wave = torch.linspace(-2, 2, 9)
>>> fits = fit_gabors(torch.cos(2 * wave)[None, None, None, :] * torch.exp(-(wave[:, None] ** 2 + wave**2) / 2))
>>> bool(fits.r2[0] > 0.99)
True
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

STARTS = 4  # of each filter, the best of a grid
STEPS = 80
RATE = 0.04
FINEST = 0.5  # cycles a pixel that a grid of pixels can hold
NARROWEST = 0.4  # standard deviation in pixels


@dataclass(frozen=True)
class Gabors:
    """One fit a filter; all tensors have one entry a filter.

    Attributes:
        r2: Share of the filter's variance that the fit explains, about its mean; below 0 worse than a constant.
        centre: (row, column) of the Gaussian, in pixels from the filter's middle, (F, 2).
        sigma: Standard deviations along and across the wave, in pixels, (F, 2).
        angle: Direction in which the wave runs, radians in [0, pi), 0 along a row.
        frequency: Cycles a pixel; 0 is a blob.
        phase: Of the wave at the Gaussian's centre, radians.
        colour: How strongly each channel takes part, (F, channels), largest absolute value 1.
        fitted: The fitted filters, shape of the given ones.
    """

    r2: Tensor
    centre: Tensor
    sigma: Tensor
    angle: Tensor
    frequency: Tensor
    phase: Tensor
    colour: Tensor
    fitted: Tensor


def fit_gabors(weight: Tensor) -> Gabors:
    """The least-squares fit of one Gabor function, times one colour, to each filter (F, C, h, w).

    A Gabor function is a cosine wave times a Gaussian whose axes lie along and across the wave. Its six numbers of
    shape are searched for, by gradient descent from the four best points of a grid; for each of them phase, amplitude
    and colour follow in closed form (the best matrix of rank one in the span of the cosine and the sine).

    Source: Gabor 1946; Jones & Palmer 1987, equations 1 to 3 (there no colour, and a simplex search).
    """
    filters = weight.detach().to("cpu", torch.float64)
    count, channels, height, width = filters.shape
    flat = filters.reshape(count, channels, -1)
    rows, columns = _pixels(height, width)
    side = float(max(height, width))
    grid = _grid(height, width)
    shape = _search(flat, grid, rows, columns, side)
    basis = _orthonormal(_waves(shape, rows, columns))
    span = flat @ basis
    left, size, right = torch.linalg.svd(span, full_matrices=False)
    fitted = (left[:, :, :1] * size[:, None, :1]) @ right[:, :1] @ basis.transpose(1, 2)
    total = (flat - flat.mean((1, 2), keepdim=True)).square().sum((1, 2))
    error = (flat - fitted).square().sum((1, 2))
    r2 = torch.where(total > 0, 1 - error / total.clamp_min(1e-300), 0.0)
    colour = left[:, :, 0]
    strongest = colour.abs().argmax(1, keepdim=True)
    colour = colour / colour.gather(1, strongest)
    wave = fitted.gather(1, strongest[:, :, None].expand(-1, -1, flat.shape[2])).squeeze(1)
    angle = shape[:, 4] % math.pi
    return Gabors(
        r2, shape[:, :2], shape[:, 2:4], angle, shape[:, 5], _phase(wave, shape, rows, columns), colour,
        fitted.reshape(filters.shape),
    )  # fmt: skip


def _pixels(height: int, width: int) -> tuple[Tensor, Tensor]:
    rows = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    return rows.repeat_interleave(width), columns.repeat(height)


def _grid(height: int, width: int) -> Tensor:
    """Shapes to begin with, (G, 6): row, column, sigma along and across, angle, frequency."""
    side = max(height, width)
    places = [(y * height / 5, x * width / 5) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    sigmas = [side / 8, side / 4, side / 2]
    angles = [k * math.pi / 8 for k in range(8)]
    waves = sorted({min(FINEST - 0.02, k / (2 * side)) for k in (0.2, 1, 2, 3, 4.5, 6)})
    found = [
        (*place, sigma, sigma, angle, frequency)
        for place, sigma, angle, frequency in itertools.product(places, sigmas, angles, waves)
    ]
    return torch.tensor(found, dtype=torch.float64)


def _search(flat: Tensor, grid: Tensor, rows: Tensor, columns: Tensor, side: float) -> Tensor:
    """The best shape of each filter, (F, 6)."""
    basis = _orthonormal(_waves(grid, rows, columns))
    explained = _explained(torch.einsum("fcp,gpk->fgck", flat, basis))
    starts = grid[explained.topk(STARTS, dim=1).indices]
    free = _freed(starts, side).requires_grad_()
    energy = flat.square().sum((1, 2)).clamp_min(1e-300)[:, None]
    best, kept = torch.full(starts.shape[:2], -1.0, dtype=torch.float64), starts.clone()
    search = torch.optim.Adam([free], lr=RATE)
    for step in range(STEPS + 1):
        with torch.enable_grad():
            shape = _bound(free, side)
            basis = _orthonormal(_waves(shape.flatten(0, 1), rows, columns)).view(*shape.shape[:2], -1, 2)
            share = _explained(torch.einsum("fcp,fspk->fsck", flat, basis)) / energy
        better = share.detach() > best
        best, kept = torch.where(better, share.detach(), best), torch.where(better[..., None], shape.detach(), kept)
        if step < STEPS:
            (free.grad,) = torch.autograd.grad(-share.sum(), free)
            search.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * step / STEPS))
            search.step()
    return kept[torch.arange(len(flat)), best.argmax(1)]


def _waves(shape: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Cosine and sine under the Gaussian of each shape, (S, pixels, 2)."""
    y, x, along, across, angle, frequency = (shape[:, k, None] for k in range(6))
    down, right = rows - y, columns - x
    u, v = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
    envelope = torch.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    wave = 2 * math.pi * frequency * u
    return torch.stack([envelope * wave.cos(), envelope * wave.sin()], -1)


def _orthonormal(basis: Tensor) -> Tensor:
    """The two columns made orthonormal; one that vanishes or is a multiple of the other becomes zero."""
    first, second = basis[..., 0], basis[..., 1]
    first = first / first.square().sum(-1, keepdim=True).clamp_min(1e-24).sqrt()
    rest = second - (first * second).sum(-1, keepdim=True) * first
    size = rest.square().sum(-1, keepdim=True)
    second = torch.where(size > 1e-12, rest / size.clamp_min(1e-12).sqrt(), 0.0)
    return torch.stack([first, second], -1)


def _explained(span: Tensor) -> Tensor:
    """Square of the largest singular value of each (channels, 2): the energy that one colour of the wave holds."""
    one, other = span[..., 0].square().sum(-1), span[..., 1].square().sum(-1)
    mixed = (span[..., 0] * span[..., 1]).sum(-1)
    return (one + other) / 2 + ((one - other).square() / 4 + mixed.square() + 1e-30).sqrt()


def _freed(shape: Tensor, side: float) -> Tensor:
    """Numbers without bounds for shapes within theirs."""
    place = torch.atanh((shape[..., :2] / (0.6 * side)).clamp(-0.95, 0.95))
    sigma = ((shape[..., 2:4] - NARROWEST) / (side - NARROWEST)).clamp(0.01, 0.99).logit()
    frequency = (shape[..., 5:] / FINEST).clamp(0.01, 0.99).logit()
    return torch.cat([place, sigma, shape[..., 4:5], frequency], -1)


def _bound(free: Tensor, side: float) -> Tensor:
    place = 0.6 * side * free[..., :2].tanh()
    sigma = NARROWEST + (side - NARROWEST) * free[..., 2:4].sigmoid()
    return torch.cat([place, sigma, free[..., 4:5], FINEST * free[..., 5:].sigmoid()], -1)


def _phase(wave: Tensor, shape: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    cosine, sine = _waves(shape, rows, columns).unbind(-1)
    gram = torch.stack([torch.stack([(a * b).sum(1) for b in (cosine, sine)], 1) for a in (cosine, sine)], 1)
    right = torch.stack([(cosine * wave).sum(1), (sine * wave).sum(1)], 1)
    weights = torch.linalg.lstsq(gram + 1e-12 * torch.eye(2, dtype=gram.dtype), right[..., None]).solution[..., 0]
    return torch.atan2(-weights[:, 1], weights[:, 0])
