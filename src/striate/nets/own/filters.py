"""Filters made by hand: Gaussian, Sobel, Laplacian, Laplacian of Gaussian, Gabor; and a net of them."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import UnknownNameError
from striate.nets.site import Pair

from .blueprint import Blueprint, within

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
ANGLES = 8
SCALES = ((1.5, 0.22), (3.0, 0.11))  # standard deviation in pixels, cycles a pixel: about one octave and a half wide
POOLED = 4  # cells of a side over which the net averages


@dataclass(frozen=True)
class Bank:
    """Kernels of one size, as cross-correlation takes them.

    Attributes:
        names: What each is.
        kernels: (F, side, side).
        pairs: Two kernels in quadrature, whose energy is one complex cell.
    """

    names: tuple[str, ...]
    kernels: Tensor
    pairs: tuple[tuple[int, int], ...] = ()


def gaussian(sigma: float, *, side: int | None = None) -> Tensor:
    """A Gaussian of sum 1, (side, side); by default it ends three deviations from its middle."""
    line = _line(side or 2 * math.ceil(3 * sigma) + 1)
    bell = torch.exp(-0.5 * (line / sigma) ** 2)
    return torch.outer(bell, bell) / bell.sum() ** 2


def sobel() -> tuple[Tensor, Tensor]:
    """Slope to the right and slope downwards, (3, 3) each, a grey level a pixel.

    Source: Sobel & Feldman 1968; divided by 8, so that a ramp of 1 a pixel gives 1.
    """
    right = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])) / 8
    return right, right.T.contiguous()


def laplacian() -> Tensor:
    """Sum of the second differences along rows and columns, (3, 3)."""
    return torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])


def laplacian_of_gaussian(sigma: float, *, side: int | None = None) -> Tensor:
    """The Laplacian of a Gaussian, of sum 0: negative in its middle, positive around it.

    Source: Marr & Hildreth 1980, equation 5.
    """
    bell = gaussian(sigma, side=side or 2 * math.ceil(4 * sigma) + 1)
    line = _line(len(bell))
    far = line[:, None] ** 2 + line**2
    curved = (far / sigma**2 - 2) / sigma**2 * bell
    return curved - curved.mean()


def gabor(side: int, *, sigma: float, frequency: float, angle: float, phase: float) -> Tensor:
    """A cosine wave under a Gaussian, its sum taken off, absolute values of sum 1, (side, side).

    ``angle`` is where the wave runs, radians from the row; ``frequency`` is in cycles a pixel; phase 0 is even about
    the middle, pi/2 odd.

    Source: Gabor 1946; as simple cells: Jones & Palmer 1987.
    """
    line = _line(side)
    along = line * math.cos(angle) + line[:, None] * math.sin(angle)
    bell = torch.exp(-0.5 * (line**2 + line[:, None] ** 2) / sigma**2)
    wave = bell * torch.cos(2 * math.pi * frequency * along + phase)
    balanced = wave - bell * (wave.sum() / bell.sum())
    return balanced / balanced.abs().sum()


def _gaussians() -> Bank:
    side = 13
    return Bank(("Gaussian 1 px", "Gaussian 2 px"), torch.stack([gaussian(sigma, side=side) for sigma in (1.0, 2.0)]))


def _sobels() -> Bank:
    return Bank(("Sobel right", "Sobel down"), torch.stack(sobel()), ((0, 1),))


def _laplacians() -> Bank:
    return Bank(("Laplacian",), laplacian()[None])


def _logs() -> Bank:
    names = ("Laplacian of Gaussian 1 px", "Laplacian of Gaussian 2 px")
    return Bank(names, torch.stack([laplacian_of_gaussian(sigma, side=17) for sigma in (1.0, 2.0)]))


def _gabors() -> Bank:
    names, kernels, pairs = [], [], []
    side = 2 * math.ceil(2.5 * SCALES[-1][0]) + 1
    for sigma, frequency in SCALES:
        for turn in range(ANGLES):
            for phase, word in ((0.0, "even"), (math.pi / 2, "odd")):
                names.append(f"Gabor {180 * turn / ANGLES:g}°, {1 / frequency:.0f} px, {word}")
                angle = math.pi * turn / ANGLES
                kernels.append(gabor(side, sigma=sigma, frequency=frequency, angle=angle, phase=phase))
            pairs.append((len(kernels) - 2, len(kernels) - 1))
    return Bank(tuple(names), torch.stack(kernels), tuple(pairs))


_BANKS = {"gabor": _gabors, "sobel": _sobels, "gaussian": _gaussians, "laplacian": _laplacians, "log": _logs}


def bank_of(name: str) -> Bank:
    """The bank of this name: gabor, sobel, gaussian, laplacian, log.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in _BANKS:
        raise UnknownNameError("bank of filters", name, list(_BANKS))
    return _BANKS[name]()


class Simple(nn.Module):
    """Fixed filters of the lightness: simple cells, but for their rectifier. Nothing here is trained.

    Source: Hubel & Wiesel 1962.
    """

    weight: Tensor

    def __init__(self, bank: Bank, channels: int) -> None:
        super().__init__()
        shares = torch.tensor(LUMA if channels == 3 else (1.0 / channels,) * channels)
        self.register_buffer("weight", bank.kernels[:, None] * shares[None, :, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, filters, H, W)."""
        return F.conv2d(images, self.weight, padding=self.weight.shape[-1] // 2)


class Complex(nn.Module):
    """Energy of each pair in quadrature, size of each filter alone: complex cells, whatever the phase.

    Source: Hubel & Wiesel 1962; Adelson & Bergen 1985, section 4 (its root here).
    """

    def __init__(self, bank: Bank) -> None:
        super().__init__()
        self.pairs = bank.pairs

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, pairs, H, W), or of every filter where there are no pairs."""
        if not self.pairs:
            return maps.abs()
        one, other = (maps[:, [pair[side] for pair in self.pairs]] for side in (0, 1))
        square = one.square() + other.square()
        # a root has no slope at 0: there it is 0, and so is its gradient
        return torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


def filters(classes: int, channels: int, size: Pair, *, bank: str = "gabor") -> Blueprint:
    """Fixed filters, their energies averaged over 4 x 4 places, and a linear layer: the only one that learns.

    ``bank`` is gabor (8 angles, 2 scales, 2 phases), sobel, gaussian, laplacian or log.

    Source: our own, after Hubel & Wiesel 1962: simple cells, complex cells, then a linear readout.
    """
    within("filters", size, 8)
    chosen = bank_of(bank)
    width = len(chosen.pairs) or len(chosen.names)
    layers = OrderedDict(
        simple=Simple(chosen, channels),
        complex=Complex(chosen),
        pool=nn.AdaptiveAvgPool2d(POOLED),
        flatten=nn.Flatten(),
        linear=nn.Linear(width * POOLED**2, classes),
    )
    return Blueprint(nn.Sequential(layers), any_size=True, least_size=8)


def _line(side: int) -> Tensor:
    return torch.arange(side, dtype=torch.float32) - (side - 1) / 2
