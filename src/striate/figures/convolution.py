"""Convolutions: what they compute, how large their output is, what they cost."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .claims import SAME, Computed, claim, holds
from .draw import grids
from .layers import count, field, on_meta, parameters, total_macs


def conv_sum() -> Computed:
    """A 3x3 window slides over a 5x5 image; each stop is one weighted sum."""
    image = torch.tensor(
        [[10, 20, 30, 15, 12], [11, 200, 34, 23, 45], [32, 35, 255, 255, 10], [10, 33, 6, 7, 59], [13, 43, 13, 45, 3]],
        dtype=torch.float64,
    )
    kernel = torch.tensor([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], dtype=torch.float64)
    correlated = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    convolved = F.conv2d(image[None, None], kernel.flip(0, 1)[None, None])[0, 0]
    right = [[262, 480, 463], [-196, -211, -30], [-253, -444, -459]]
    note = "these sums are a correlation, as in torch; the formula's convolution turns the kernel round, and every sign"
    return Computed(
        (
            claim("first two sums", correlated[0, :2], [262, 480], says=SAME),
            claim("all sums", correlated, right, note=note),
            claim("convolution by the formula", convolved, [[-value for value in row] for row in right]),
        ),
        grids("A horizontal edge filter on 25 pixels", {"image": image, "kernel": kernel, "sums": correlated}),
    )


KERNELS: dict[str, list[list[int]]] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "shift": [[0, 0, 0], [1, 0, 0], [0, 0, 0]],
    "box / 9": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    "binomial": [[1, 2, 1], [2, 4, 2], [1, 2, 1]],
    "gauss / 273": [[1, 4, 7, 4, 1], [4, 16, 26, 16, 4], [7, 26, 41, 26, 7], [4, 16, 26, 16, 4], [1, 4, 7, 4, 1]],
    "sobel x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "laplace 4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplace 8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
}
DIVISORS = {"box / 9": 9, "gauss / 273": 273}


def filters_effect() -> Computed:
    """A filter whose weights add to 1 keeps the brightness, one whose weights add to 0 sees only change."""
    kernels = {name: torch.tensor(rows, dtype=torch.float64) / DIVISORS.get(name, 1) for name, rows in KERNELS.items()}
    flat = torch.full((1, 1, 9, 9), 0.5, dtype=torch.float64)
    levels = [float(F.conv2d(flat, kernel[None, None])[0, 0, 1, 1]) / 0.5 for kernel in kernels.values()]
    step = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    step[..., 3:] = 1
    panels = {"vertical edge": step[0, 0]}
    for name in ("shift", "box / 9", "sobel x", "sobel y", "laplace 4"):
        panels[name] = F.conv2d(F.pad(step, (1, 1, 1, 1), mode="replicate"), kernels[name][None, None])[0, 0]
    moved = torch.equal(panels["shift"][:, 1:], step[0, 0, :, :-1])
    note = "the lecture's fourth kernel lacks its 1/16, so it brightens 16 times"
    return Computed(
        (
            claim("brightness kept by each of the nine", levels, [1, 1, 1, 16, 1, 0, 0, 0, 0], note=note),
            holds("a 1 at the left shifts the image to the right by a pixel", moved),
            holds("Sobel y does not see a vertical edge", not panels["sobel y"].any()),
            claim("Sobel x at the edge, rows 1 to 6", panels["sobel x"][:, 2], [4] * 6),
        ),
        grids("Filters on a vertical edge", {name: each for name, each in panels.items() if name != "shift"}, cell=36),
    )


def out_size(size: int, kernel: int, *, stride: int = 1, padding: int = 0) -> int:
    """Places at which a window fits: floor((size + 2 padding - kernel) / stride) + 1."""
    return (size + 2 * padding - kernel) // stride + 1


def conv_sizes() -> Computed:
    """Output sizes by the formula and by torch."""
    layer = on_meta(lambda: nn.Conv2d(3, 8, 5))
    shape = count(layer, (3, 32, 32))[0].shape
    seven = torch.zeros(1, 1, 7, 7)
    small = [F.conv2d(seven, torch.zeros(1, 1, 3, 3), padding=pad).shape[-1] for pad in (0, 1)]
    same = [F.conv2d(seven, torch.zeros(1, 1, k, k), padding=(k - 1) // 2).shape[-1] for k in (1, 3, 5, 7)]
    uneven = F.conv2d(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3), stride=2).shape[-1]
    note = "the lecture's formula has no floor; torch rounds (8 - 3) / 2 + 1 = 3.5 down"
    return Computed(
        (
            claim("8 filters 5x5x3 on 32x32x3: channels, height, width", shape, [8, 28, 28], says=SAME),
            claim("parameters of one such filter", parameters(layer) // 8, 76, says=SAME),
            claim("7x7 by 3x3, padding 0 and 1", small, [5, 7]),
            claim("7x7 with padding (F - 1)/2 for F = 1, 3, 5, 7", same, [7, 7, 7, 7]),
            claim("8x8 by 3x3, stride 2", [uneven, out_size(8, 3, stride=2)], [3, 3], note=note),
        )
    )


def conv_quiz() -> Computed:
    """The lecture's five questions, answered."""
    padded = F.pad(torch.zeros(1, 5, 27, 27), (2, 2, 2, 2)).shape
    deep = [parameters(on_meta(lambda s=s: nn.Conv2d(3, 10, 5, stride=s))) for s in (1, 2)]  # type: ignore[misc]
    by_depth = [parameters(on_meta(lambda d=d: nn.Conv2d(d, 10, 5))) for d in (1, 3)]  # type: ignore[misc]
    volume = count(on_meta(lambda: nn.Conv2d(16, 32, 7, stride=2)), (16, 63, 63))[0].shape
    hidden = parameters(on_meta(lambda: nn.Linear(300 * 300 * 3, 100)))
    note = "the question gives no depth D of the input; the answer is 10 (25 D + 1)"
    return Computed(
        (
            claim("27x27x5 with padding 2", [padded[2], padded[3], padded[1]], [31, 31, 5]),
            claim("10 filters 5x5, D = 1 and 3", by_depth, [10 * (25 * 1 + 1), 10 * (25 * 3 + 1)], note=note),
            claim("10 filters 5x5 on 32x32x3, stride 1 and 2", deep, [760, 760]),
            claim("63x63x16 by 32 filters 7x7, stride 2", volume, [32, 29, 29]),
            claim("100 neurons on a 300x300 colour image", hidden, 27_000_100),
        )
    )


def local_sharing() -> Computed:
    """Seven inputs, three hidden units: full, local (each sees 3), and local with shared weights."""
    full = nn.Linear(7, 3, bias=False)
    local = nn.Unfold((1, 3), stride=(1, 2))(torch.zeros(1, 1, 1, 7))  # (1, 3 inputs, 3 places): a weight for each
    shared = nn.Conv1d(1, 1, 3, stride=2, bias=False)
    places = shared(torch.zeros(1, 1, 7)).shape[-1]
    found = [parameters(full), local[0].numel(), parameters(shared)]
    return Computed(
        (
            claim("weights: full, local, shared", found, [21, 9, 3], says=SAME),
            claim("hidden units of the shared layer", places, 3),
        )
    )


def vgg_stack() -> Computed:
    """Two 3x3 layers see 5x5, three see 7x7, with fewer weights."""
    channels = 64

    def weights(kernel: int, layers: int) -> int:
        net = on_meta(lambda: nn.Sequential(*[nn.Conv2d(channels, channels, kernel, bias=False)] * layers))
        return layers * parameters(net) // channels**2

    note = "the lecture writes 27C against 49C; with C channels in and out both are times C squared (VGG, section 2.3)"
    return Computed(
        (
            claim("receptive field of one, two, three", field([(3, 1)] * 3), [3, 5, 7], says=SAME),
            claim(
                "weights over C squared: three 3x3, one 7x7",
                [weights(3, 3), weights(7, 1)],
                [27, 49],
                says="27C, 49C",
                note=note,
            ),
            claim("two 3x3, one 5x5", [weights(3, 2), weights(5, 1)], [18, 25]),
            claim("ratio of 7x7 to three 3x3", weights(7, 1) / weights(3, 3), 1.81, tolerance=0.005),
        )
    )


def alexnet_fields() -> Computed:
    """Theoretical receptive fields of AlexNet, by arithmetic and by the pixels that get a gradient."""
    chain = {
        "conv1": (11, 4),
        "pool1": (3, 2),
        "conv2": (5, 1),
        "pool2": (3, 2),
        "conv3": (3, 1),
        "conv4": (3, 1),
        "conv5": (3, 1),
        "pool5": (3, 2),
    }
    sizes = dict(zip(chain, field(chain.values()), strict=True))
    row = torch.zeros(1, 1, 227, requires_grad=True)
    seen: Tensor = row
    for kernel, stride in chain.values():
        seen = F.avg_pool1d(seen, kernel, stride)  # an average has a gradient for every input of its window
    (gradient,) = torch.autograd.grad(seen[0, 0, 0], row)
    right = {"pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131, "conv5": 163, "pool5": 195}
    return Computed(
        (
            claim(", ".join(right), [sizes[name] for name in right], list(right.values())),
            claim("pixels with a gradient from one unit of pool5", int((gradient != 0).sum()), 195),
        )
    )


def fc_as_conv() -> Computed:
    """A linear layer on a 6x6 map is a 6x6 convolution; on a larger map the convolution gives a map of its outputs."""
    linear = nn.Linear(16 * 6 * 6, 32)
    conv = nn.Conv2d(16, 32, 6)
    conv.weight.data = linear.weight.data.view(32, 16, 6, 6)
    conv.bias = linear.bias
    maps = torch.randn(2, 16, 9, 8)
    with torch.no_grad():
        single = (linear(maps[..., :6, :6].flatten(1)) - conv(maps[..., :6, :6]).flatten(1)).abs().max()
        whole = conv(maps)
        windows = maps.unfold(2, 6, 1).unfold(3, 6, 1).permute(0, 2, 3, 1, 4, 5).flatten(3)
        everywhere = (linear(windows).permute(0, 3, 1, 2) - whole).abs().max()
    return Computed(
        (
            claim("largest difference on one window", single, 0.0, tolerance=1e-5),
            claim("on every window of a 9x8 map", everywhere, 0.0, tolerance=1e-5),
            claim("size of the map", list(whole.shape[2:]), [4, 3]),
        )
    )


def sliding_conv() -> Computed:
    """A net for 14x14 slides over larger images as one convolution: overlapping windows share their work."""

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 5), nn.MaxPool2d(2), nn.Conv2d(16, 400, 5), nn.Conv2d(400, 400, 1), nn.Conv2d(400, 4, 1)
        )

    net = on_meta(build)
    sizes = [count(net, (3, size, size))[-1].shape[-1] for size in (14, 16, 28)]
    work = [total_macs(net, (3, size, size)) for size in (14, 16, 28)]
    saved = [work[0] * windows / whole for windows, whole in zip((4, 64), work[1:], strict=True)]
    return Computed(
        (
            claim("maps for 14, 16, 28 pixels", sizes, [1, 2, 8]),
            claim("multiply-adds", work, [441_600, 1_459_200, 21_273_600]),
            claim("4 and 64 windows one by one, over one pass", saved, [1.21, 1.33], tolerance=0.005),
        )
    )


def depthwise_ratio() -> Computed:
    """Depthwise separable against full convolution: 1/N + 1/D^2 of the work."""

    def ours(outputs: int, kernel: int, inputs: int = 64, size: int = 14) -> float:
        def build() -> nn.Module:
            pad = kernel // 2
            depthwise = nn.Conv2d(inputs, inputs, kernel, padding=pad, groups=inputs)
            return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))

        full = on_meta(lambda: nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
        shape = (inputs, size, size)
        return float(Fraction(total_macs(on_meta(build), shape), total_macs(full, shape)))

    found = [ours(128, 3), ours(512, 3)]
    formula = [1 / outputs + 1 / 9 for outputs in (128, 512)]
    return Computed(
        (
            claim("work for N = 128, 512 outputs, D = 3", found, [0.118924, 0.113064], says=formula),
            claim("times fewer multiply-adds", [1 / each for each in found], [8.41, 8.84], tolerance=0.005),
        )
    )


def unet_size() -> Computed:
    """The original U-Net: valid convolutions shrink 572 pixels to 388."""
    widths = (64, 128, 256, 512, 1024)

    def double(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3)]

    def build() -> nn.ModuleList:
        parts = double(1, 64)
        for narrow, wide in pairwise(widths):
            parts += double(narrow, wide)
            parts += [nn.ConvTranspose2d(wide, narrow, 2, stride=2), *double(wide, narrow)]
        return nn.ModuleList([*parts, nn.Conv2d(64, 2, 1)])

    size = 572
    for _ in widths[1:]:
        size = out_size(out_size(size, 3), 3) // 2
    bottom = out_size(out_size(size, 3), 3)
    size = bottom
    for _ in widths[1:]:
        size = out_size(out_size(2 * size, 3), 3)
    return Computed(
        (
            claim("pixels at the bottom, pixels out", [bottom, size], [28, 388]),
            claim("parameters, 1 channel in, 2 classes", parameters(on_meta(build)), 31_030_658),
        )
    )
