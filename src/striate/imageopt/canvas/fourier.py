"""Images by their spectrum, with the colours of photographs."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.imageopt.region import Region

from .pixels import check_box

# A square root of the covariance of red, green and blue over ImageNet, to two digits: Olah et al. 2017, the code
# published with it. The columns are light, blue to yellow and green to magenta.
IMAGENET_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


@dataclass(frozen=True, eq=False)
class Fourier:
    """Images as ``sigmoid(M F(s z))``: F the inverse real DFT, s falling as ``1 / f^power``, M the colours' mixing.

    The free numbers are real and imaginary parts (N, C, H, W // 2 + 1, 2). With f in cycles a pixel, no lower than one
    cycle over the longer side, s has a mean square of 1 / 2 over the whole spectrum and F is orthonormal, so that free
    numbers of variance 1 give values of variance about 1 before M. M is divided by the length of its longest column.
    The start reproduces images to rounding; values nearer than ``hair`` to 0 or 1 begin at that distance.

    Args:
        size: (H, W).
        power: Of the spectrum's fall: 1 as in photographs, 0 for none.
        colours: M, (C, C), such as `colour_factor` measures; by default that of ImageNet for three channels, and no
            mixing for other numbers.
        hair: Above 0, below .5.

    Source: Olah et al. 2017, "Preconditioning and parameterization", whose code scales by ``sqrt(H W) / 4`` instead.
    """

    size: tuple[int, int]
    power: float = 1.0
    colours: Tensor | None = None
    hair: float = 1e-4

    def __post_init__(self) -> None:
        if min(self.size) < 1 or not 0 < self.hair < 0.5:
            raise StriateError(f"size {self.size}, hair {self.hair:g}", accepted="sides above 0, hair between 0 and .5")
        if self.colours is not None and (
            self.colours.ndim != 2 or int(torch.linalg.matrix_rank(self.colours)) < len(self.colours.T)
        ):
            raise StriateError("the colours' matrix cannot be inverted", accepted="(C, C) of full rank")

    @property
    def words(self) -> str:
        """What the free numbers are."""
        mixed = "colours of ImageNet" if self.colours is None else "given colours"
        return f"spectrum falling as 1 / f^{self.power:g}, {mixed}"

    def scale(self) -> Tensor:
        """s, (H, W // 2 + 1) float64."""
        height, width = self.size
        down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]

        def fall(across: Tensor) -> Tensor:
            return torch.pow((down.square() + across.square()).sqrt().clamp_min(1.0 / max(self.size)), -self.power)

        whole = fall(torch.fft.fftfreq(width, dtype=torch.float64))
        return fall(torch.fft.rfftfreq(width, dtype=torch.float64)) / (2.0 * whole.square().mean()).sqrt()

    def mixing(self, channels: int) -> Tensor:
        """M, (C, C) float64."""
        if self.colours is None:
            matrix = (
                torch.tensor(IMAGENET_COLOURS, dtype=torch.float64) if channels == 3 else torch.eye(channels).double()
            )
        else:
            matrix = self.colours.detach().cpu().double()
        if len(matrix) != channels:
            raise StriateError(f"colours of {len(matrix)} channels for images of {channels}", accepted="as many")
        return matrix / matrix.square().sum(0).sqrt().max()

    def start(self, images: Tensor, *, ids: Tensor, rng: Rng) -> Tensor:
        """The spectra of the images; nothing is random."""
        del ids, rng
        if tuple(images.shape[-2:]) != tuple(self.size):
            raise StriateError(f"start of {tuple(images.shape[-2:])} for a canvas of {self.size}", accepted="that size")
        values = images.double().clamp(self.hair, 1.0 - self.hair).logit()
        plain = torch.einsum("dc,nchw->ndhw", torch.linalg.inv(self.mixing(images.shape[1])).to(images.device), values)
        return torch.view_as_real(torch.fft.rfft2(plain, norm="ortho") / self.scale().to(images.device)).to(images)

    def paint(self, z: Tensor, rows: Tensor) -> Tensor:
        """The images."""
        del rows
        scaled = z * _scale(self.size, self.power, z.dtype, z.device)
        plain = torch.fft.irfft2(torch.view_as_complex(scaled.contiguous()), s=self.size, norm="ortho")
        return torch.einsum("dc,nchw->ndhw", self.mixing(z.shape[1]).to(z), plain).sigmoid()

    def hold(self, z: Tensor, region: Region, rows: Tensor) -> Tensor:
        """The numbers themselves, for a box that holds [0, 1]; other regions cannot be projected onto."""
        del rows
        check_box(region, self.words)
        return z


@functools.lru_cache(maxsize=4)
def _scale(size: tuple[int, int], power: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The scale s for numbers (..., H, W // 2 + 1, 2), kept for the next step."""
    return Fourier(size, power).scale()[..., None].to(device, dtype)


def colour_factor(images: Tensor) -> Tensor:
    """A square root M of the covariance of the channels over all pixels, ``M M^T = cov``, (C, C) float64.

    Its columns are the principal colours, strongest first, as long as their standard deviations.

    Raises:
        StriateError: The channels are linearly dependent, as in grey pictures stored in colour.
    """
    pixels = images.detach().cpu().double().transpose(0, 1).flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(pixels).reshape(len(pixels), len(pixels)))
    if not bool((values > 1e-12).all()):
        raise StriateError("the channels of these images depend on each other linearly", accepted="coloured images")
    return torch.mul(vectors, values.sqrt()).flip(1)
