"""Images under filters made by hand, edges by Canny, regions by normalized cuts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import to_channels
from striate.nets.own.filters import bank_of, gabor, gaussian, laplacian, laplacian_of_gaussian, sobel

SIGMA = 2.0  # of the edges by Canny, pixels
PIECES, COMPACT = 250, 12.0  # superpixels that the cuts are made among, and how square they are
CUT = 0.06  # normalized cut below which a region is divided further


@dataclass(frozen=True)
class Made:
    """One map: name, what it is, values (H, W), or colours (3, H, W) in [0, 1] where it is a picture."""

    name: str
    said: str
    values: Tensor
    signed: bool = False


def filtered(image: Tensor) -> list[Made]:
    """The image (C, H, W) in [0, 1] under each filter; edges repeat the outermost pixels.

    Gabor energies are the largest over the angles, of each scale: where there is a wave or an edge of that size.
    """
    light = to_channels(image[None], 1)
    right, down = (_under(light, kernel) for kernel in sobel())
    made = [
        Made("Gaussian", "Gaussian of 2 px", _under(light, gaussian(2.0))),
        Made("Sobel right", "slope to the right, levels a pixel", right, signed=True),
        Made("Sobel down", "slope downwards, levels a pixel", down, signed=True),
        Made("Sobel size", "length of the slope", (right.square() + down.square()).sqrt()),
        Made("Laplacian", "sum of second differences", _under(light, laplacian()), signed=True),
        Made("Laplacian of Gaussian", "of 2 px", _under(light, laplacian_of_gaussian(2.0)), signed=True),
    ]
    bank = bank_of("gabor")
    responses = torch.stack([_under(light, kernel) for kernel in bank.kernels])
    even = responses[0]
    made.append(Made("Gabor, simple cell", bank.names[0], even, signed=True))
    half = len(bank.pairs) // 2
    for pairs, word in ((bank.pairs[:half], "fine"), (bank.pairs[half:], "coarse")):
        energy = torch.stack([(responses[a].square() + responses[b].square()).sqrt() for a, b in pairs])
        made.append(Made(f"Gabor, complex cells, {word}", "largest energy over 8 angles", energy.amax(0)))
    return made


def canny_edges(image: Tensor) -> Made:
    """Edges one pixel wide, 1 or 0: Gaussian of 2 px, largest slopes across the edge, two thresholds (0.1, 0.2).

    Source: Canny 1986, as scikit-image has it.
    """
    feature = _skimage("feature")
    light = to_channels(image[None], 1)[0, 0].double().numpy()
    found = torch.from_numpy(feature.canny(light, sigma=SIGMA)).float()
    return Made("Canny", f"edges, Gaussian of {SIGMA:g} px", found)


def cut_regions(image: Tensor) -> Made:
    """Regions of a normalized cut of superpixels, each in its mean colour, (3, H, W).

    Random: none; the solver starts from a vector that is always the same.

    Source: Shi & Malik 2000, section 3, of a graph of SLIC superpixels (Achanta et al. 2012), as scikit-image has it.
    """
    segmentation, graph, color = _skimage("segmentation"), _skimage("graph"), _skimage("color")
    pixels = to_channels(image[None], 3)[0].permute(1, 2, 0).double().numpy()
    pieces = segmentation.slic(pixels, n_segments=PIECES, compactness=COMPACT, start_label=1)
    if pieces.max() < 3:
        regions = pieces
    else:
        near = graph.rag_mean_color(color.rgb2lab(pixels), pieces, mode="similarity", sigma=20.0)
        regions = graph.cut_normalized(pieces, near, thresh=CUT, rng=0)
    drawn = color.label2rgb(regions, pixels, kind="avg", bg_label=-1)
    count = len(set(regions.ravel().tolist()))
    lines = segmentation.find_boundaries(regions, mode="inner")
    drawn[lines] = 1.0
    return Made("Normalized cuts", f"{count} regions", torch.from_numpy(drawn).float().permute(2, 0, 1).clamp(0, 1))


def templates(side: int) -> tuple[list[str], Tensor]:
    """Filters made by hand in a window of ``side`` pixels, (T, side, side), for comparison with learnt ones.

    Gaussians and their Laplacians of four sizes; Gabor functions of 12 angles, four sizes, four wave lengths and four
    phases, whose odd ones of long waves are slopes.
    """
    names: list[str] = []
    kernels: list[Tensor] = []
    for share in (0.09, 0.14, 0.22, 0.34):
        sigma = max(share * side, 0.5)
        names += [f"Gaussian {sigma:.1f} px", f"Laplacian of Gaussian {sigma:.1f} px"]
        kernels += [gaussian(sigma, side=side), laplacian_of_gaussian(sigma, side=side)]
        for turn in range(12):
            for waves in (0.12, 0.22, 0.33, 0.5):  # that fit into one deviation
                for phase, word in ((0.0, "even"), (0.25, "between"), (0.5, "odd"), (0.75, "between")):
                    frequency = min(waves / sigma, 0.45)
                    angle, radians = math.pi * turn / 12, 2 * math.pi * phase / 2
                    kernel = gabor(side, sigma=sigma, frequency=frequency, angle=angle, phase=radians)
                    names.append(f"Gabor {15 * turn}°, {1 / frequency:.1f} px, {word}")
                    kernels.append(kernel)
    return names, torch.stack(kernels)


def _under(light: Tensor, kernel: Tensor) -> Tensor:
    """(1, 1, H, W) under a kernel, (H, W)."""
    edge = kernel.shape[-1] // 2
    padded = F.pad(light, (edge, edge, edge, edge), mode="replicate")
    found: Tensor = F.conv2d(padded, kernel[None, None].to(light))[0, 0]
    return found


def _skimage(part: str) -> Any:
    try:
        from skimage import color, feature, graph, segmentation
    except ImportError as error:
        raise StriateError(
            "Canny edges and normalized cuts need scikit-image, which is not installed",
            accepted="the other filters, without it",
            hint='pip install "striate[classical]"',
        ) from error
    return {"color": color, "feature": feature, "graph": graph, "segmentation": segmentation}[part]
