"""Pooling, its reverses, and other changes of resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .claims import SAME, Computed, claim
from .draw import grids


def _image(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def pool_4x4() -> Computed:
    """Maximum and mean over 2x2 windows."""
    image = _image([1, 3, 6, 6], [20, 9, 8, 4], [2, 1, 4, 5], [1, 12, 13, 10])
    close, apart, mean = F.max_pool2d(image, 2, 1)[0, 0], F.max_pool2d(image, 2)[0, 0], F.avg_pool2d(image, 2)[0, 0]
    panels = {"image": image[0, 0], "max, stride 1": close, "max, stride 2": apart, "mean, stride 2": mean}
    return Computed(
        (
            claim("maximum, stride 1", close, [[20, 9, 8], [20, 9, 8], [12, 13, 13]], says=SAME),
            claim("maximum, stride 2", apart, [[20, 8], [12, 13]], says=SAME),
            claim("mean, stride 2", mean, [[8.25, 6], [4, 8]]),
        ),
        grids("Pooling over 2x2 windows", panels),
    )


def pool_k6() -> Computed:
    """Maximum over 2x2 windows, stride 2."""
    image = _image([2, 2, 7, 3], [9, 4, 6, 1], [8, 5, 2, 4], [3, 1, 2, 6])
    found = F.max_pool2d(image, 2)[0, 0]
    return Computed(
        (claim("maximum", found, [[9, 7], [8, 6]], says=SAME),),
        grids("Max pooling, 2x2, stride 2", {"image": image[0, 0], "maximum": found}),
    )


def upsample_2x2() -> Computed:
    """Four pixels become sixteen: nearest copies, bilinear mixes."""
    small, ramp = _image([4, 5], [10, 20]), _image([10, 20], [30, 40])
    nearest = F.interpolate(small, scale_factor=2, mode="nearest")[0, 0]
    smooth = F.interpolate(ramp, scale_factor=2, mode="bilinear", align_corners=False)[0, 0]
    aligned = F.interpolate(ramp, scale_factor=2, mode="bilinear", align_corners=True)[0, 0]
    right = [[10, 12.5, 17.5, 20], [15, 17.5, 22.5, 25], [25, 27.5, 32.5, 35], [30, 32.5, 37.5, 40]]
    return Computed(
        (
            claim("nearest", nearest, [[4, 4, 5, 5]] * 2 + [[10, 10, 20, 20]] * 2, says=SAME),
            claim("bilinear, pixels as areas", smooth, right, says=SAME),
            claim("first row, corners aligned", aligned[0], [10, 13.33, 16.67, 20], tolerance=0.005),
        ),
        grids("Up-sampling", {"small": ramp[0, 0], "bilinear": smooth, "corners aligned": aligned}, cell=52),
    )


def bilinear_point() -> Computed:
    """A value between four pixels: first along the two columns, then between them; the order does not matter."""
    corners = _image([91, 162], [210, 95])  # rows 14 and 15, columns 20 and 21
    x, y = 0.2, 0.5  # the point (20.2, 14.5)
    columns = (1 - y) * corners[0, 0, 0] + y * corners[0, 0, 1]
    found = (1 - x) * columns[0] + x * columns[1]
    place = torch.tensor([[[[2 * x - 1, 2 * y - 1]]]], dtype=torch.float64)
    sampled = F.grid_sample(corners, place, mode="bilinear", align_corners=True)
    return Computed(
        (
            claim("columns 20 and 21 at row 14.5", columns, [150.5, 128.5], says=SAME),
            claim("value at (20.2, 14.5)", found, 146.1, says=SAME),
            claim("by torch's grid_sample", sampled.flatten()[0], 146.1),
        )
    )


def max_unpool() -> Computed:
    """Max pooling remembers where each maximum stood, and unpooling puts it back there."""
    image = _image([1, 4, 3, 1], [2, 3, 5, 2], [10, 9, 2, 3], [7, 3, 4, 20])
    pooled, places = F.max_pool2d(image, 2, return_indices=True)
    back = F.max_unpool2d(pooled, places, [2, 2])[0, 0]
    spots = [[int(i) // 4, int(i) % 4] for i in places.flatten()]
    panels = {"image": image[0, 0], "pooled": pooled[0, 0], "unpooled": back}
    return Computed(
        (
            claim("pooled", pooled[0, 0], [[4, 5], [10, 20]], says=SAME),
            claim("places of the maxima", spots, [[0, 1], [1, 2], [2, 0], [3, 3]], says=SAME),
            claim("back", back, [[0, 4, 0, 0], [0, 0, 5, 0], [10, 0, 0, 0], [0, 0, 0, 20]], says=SAME),
        ),
        grids("Max unpooling", panels),
    )


def transposed_conv() -> Computed:
    """Each input value stamps the kernel, times itself, into the output; overlaps add."""
    values, kernel = _image([0, 1], [2, 3]), _image([0, 1], [2, 3])
    found = F.conv_transpose2d(values, kernel)[0, 0]
    panels = {"input": values[0, 0], "kernel": kernel[0, 0], "output": found}
    return Computed(
        (claim("output", found, [[0, 0, 1], [0, 4, 6], [4, 12, 9]], says=SAME),),
        grids("Transposed convolution", panels),
    )


def transposed_size() -> Computed:
    """A strided convolution maps 3x3 and 4x4 to the same size, so its transpose must be told which."""
    small = torch.zeros(1, 1, 2, 2)
    sizes = [
        nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=extra)(small).shape[-1] for extra in (0, 1)
    ]
    formula = [(2 - 1) * 2 - 2 * 1 + 3 + extra for extra in (0, 1)]
    return Computed(
        (
            claim("pixels out with output_padding 0, 1", sizes, [3, 4]),
            claim("by (n - 1) stride - 2 padding + kernel + extra", formula, [3, 4]),
        )
    )


def one_hot_planes() -> Computed:
    """A map of labels becomes one plane a class."""
    labels = torch.tensor([[2, 1], [1, 0]])
    planes = F.one_hot(labels, 3).permute(2, 0, 1)
    right = [[[0, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 0], [0, 0]]]
    panels = {"labels": labels, **{f"class {c}": planes[c] for c in range(3)}}
    return Computed((claim("planes of classes 0, 1, 2", planes, right, says=SAME),), grids("One plane a class", panels))


def roi_pool() -> Computed:
    """A region of any size becomes 3x3: bins from floor(i h/3) to ceil((i + 1) h/3), which may overlap by a row."""
    region = torch.arange(24, dtype=torch.float64).view(1, 1, 4, 6)
    found = F.adaptive_max_pool2d(region, 3)[0, 0]
    lost = F.max_pool2d(region[..., :3, :], (1, 2))[0, 0]
    note = "the slide cuts 4 rows into bins of 4/3 = 1 row and drops the last; bins overlap (Girshick 2015, 2.1)"
    panels = {"region": region[0, 0], "overlapping bins": found, "last row lost": lost}
    return Computed(
        (
            claim("maxima", found, [[7, 9, 11], [13, 15, 17], [19, 21, 23]], says=lost, note=note),
            claim("as on the slide", lost, [[1, 3, 5], [7, 9, 11], [13, 15, 17]]),
        ),
        grids("Region of interest pooling, 4x6 to 3x3", panels, cell=36),
    )
