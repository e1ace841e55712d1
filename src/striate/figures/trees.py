"""Older models seen as layers: deformable parts, max-sum on a tree, patches; and two illusions, measured."""

from __future__ import annotations

from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .claims import Computed, claim, holds
from .draw import rectangle, svg
from .layers import on_meta, total_macs


def drm() -> Computed:
    """The best joint state of a tree (each part on or off, at one of four places) is a net's ReLU and max pooling.

    Source: Patel, Nguyen & Baraniuk 2016; the layer above needs weights that are not negative.
    """
    image, kernel = torch.randn(1, 1, 6, 6), torch.randn(1, 1, 3, 3)
    bias, upper = torch.randn(1) * 0.1, torch.rand(3, 4)
    net = F.max_pool2d(F.conv2d(image, kernel, bias).relu(), 2).flatten() @ upper.T
    fits = F.conv2d(image, kernel, bias)[0, 0]
    parts = [fits[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten().tolist() for i in (0, 1) for j in (0, 1)]

    def best(weights: list[float]) -> float:
        states = product(*([0.0, *part] for part in parts))  # off, or on at one of four places, for every part
        return max(float(sum(w * s for w, s in zip(weights, state, strict=True))) for state in states)

    ours = torch.tensor([best(row) for row in upper.tolist()])
    signed = torch.tensor([best(row) for row in (-upper).tolist()])
    return Computed(
        (
            claim("largest difference of three class scores", (ours - net).abs().max(), 0.0, tolerance=1e-5),
            holds("the same class wins", bool(ours.argmax() == net.argmax())),
            holds("with negative weights above they differ", float((signed + net).abs().max()) > 1e-3),
        )
    )


def dpm_cnn() -> Computed:
    """Deformable parts as layers: convolution, a max pool that pays for distance, a shifted sum.

    Source: Girshick, Iandola, Darrell & Malik 2015, sections 3.1 to 3.3.
    """
    features = torch.randn(8, 16, 18)  # a map of gradient histograms would stand here
    root, parts = torch.randn(8, 4, 4), torch.randn(3, 8, 2, 2)
    anchors, reach = [(0, 0), (2, 0), (1, 2)], 2
    costs = torch.rand(3, 4) * torch.tensor([0.1, 0.1, 1, 1])
    offsets = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]

    def price(part: int, dy: int, dx: int) -> Tensor:
        return costs[part] @ torch.tensor([dy, dx, dy**2, dx**2], dtype=torch.float32)

    rows, columns = 16 - 3, 18 - 3
    literal = torch.empty(rows, columns)
    for y, x in product(range(rows), range(columns)):
        literal[y, x] = (root * features[:, y : y + 4, x : x + 4]).sum()
        for part, (ay, ax) in enumerate(anchors):
            found = []
            for dy, dx in offsets:
                py, px = y + ay + dy, x + ax + dx
                if 0 <= py <= 16 - 2 and 0 <= px <= 18 - 2:
                    found.append((parts[part] * features[:, py : py + 2, px : px + 2]).sum() - price(part, dy, dx))
            literal[y, x] += torch.stack(found).max()

    layers = F.conv2d(features[None], root[None])[0, 0]
    maps = F.conv2d(features[None], parts)[0]
    for part, (ay, ax) in enumerate(anchors):
        wide = F.pad(maps[part][None, None], (reach,) * 4, value=-1e9)
        side = 2 * reach + 1
        moved = F.unfold(wide, side).view(side * side, *maps.shape[1:])
        paid = torch.stack([moved[i] - price(part, dy, dx) for i, (dy, dx) in enumerate(offsets)])
        layers = layers + paid.amax(0)[ay : ay + rows, ax : ax + columns]
    gap = (layers - literal).abs().max() / literal.abs().max()
    return Computed((claim("largest difference of the scores, relative", gap, 0.0, tolerance=1e-5),))


def seg_patch_cost() -> Computed:
    """Labelling every pixel from the patch around it, one by one, or in one pass whose windows share their work."""

    def build() -> nn.Module:
        widths = (3, 8, 8, 8, 8)
        convs = [nn.Conv2d(a, b, 3) for a, b in pairwise(widths)]
        return nn.Sequential(*convs, nn.Conv2d(8, 4, 1))

    side, patch = 32, 9
    light = on_meta(build)
    single = total_macs(light, (3, patch, patch)) * side**2
    whole = total_macs(light, (3, side + patch - 1, side + patch - 1))

    def formula(pixels: int) -> int:
        layers = [(3, 8), (8, 8), (8, 8), (8, 8)]
        return sum(9 * a * b * (pixels - 2 * i) ** 2 for i, (a, b) in enumerate(layers, 1)) + 8 * 4 * (pixels - 8) ** 2

    net, image = build(), torch.randn(1, 3, side, side)
    wide = F.pad(image, (patch // 2,) * 4)
    with torch.no_grad():
        together = net(wide)[0].flatten(1)
        windows = wide.unfold(2, patch, 1).unfold(3, patch, 1)[0].permute(1, 2, 0, 3, 4).flatten(0, 1)
        apart = net(windows).flatten(1).T
    return Computed(
        (
            claim("multiply-adds of one pass", whole, formula(side + patch - 1)),
            claim("multiply-adds patch by patch", single, side**2 * formula(patch)),
            claim("times as many", single / whole, side**2 * formula(patch) / formula(side + patch - 1)),
            claim("largest difference of the outputs", (apart - together).abs().max(), 0.0, tolerance=1e-5),
        )
    )


Patch = tuple[int, int, int, int, float]  # x1, y1, x2, y2, grey


def _paint(patches: list[Patch], width: int, height: int) -> Tensor:
    image = torch.ones(height, width)
    for x1, y1, x2, y2, grey in patches:
        image[y1:y2, x1:x2] = grey
    return image


def illusions() -> Computed:
    """Two illusions drawn, and measured: equal greys that look unequal, parallel lines that look slanted."""
    contrast: list[Patch] = [(0, 0, 160, 160, 0.15), (160, 0, 320, 160, 0.85)]
    contrast += [(60, 60, 100, 100, 0.5), (220, 60, 260, 100, 0.5)]
    side, gap = 26, 2
    wall: list[Patch] = [(0, 0, 320, 6 * (side + gap), 0.5)]
    for row in range(6):
        shift = (0, side // 4, side // 2, side // 4)[row % 4]
        top = row * (side + gap)
        for tile in range(-1, 7):
            left = 2 * side * tile + shift
            wall.append((max(left, 0), top, max(min(left + side, 320), 0), top + side, 0.0))
            wall.append((max(left + side, 0), top, max(min(left + 2 * side, 320), 0), top + side, 1.0))
    seen, lines = _paint(contrast, 320, 160), _paint(wall, 320, 6 * (side + gap))
    mortar = [row for row in range(lines.shape[0]) if bool((lines[row] == 0.5).all())]
    distances = sorted({b - a for a, b in zip(mortar[::gap], mortar[gap::gap], strict=False)})
    body = "".join(
        rectangle((x1 + 12 + dx, y1 + 40, x2 + 12 + dx, y2 + 40), fill=_grey(grey), stroke="none")
        for dx, patches in ((0, contrast), (344, wall))
        for x1, y1, x2, y2, grey in patches
    )
    return Computed(
        (
            claim("greys of the two inner squares", [seen[80, 80], seen[80, 240]], [0.5, 0.5]),
            claim("rows of mortar that are one grey from end to end", len(mortar), 6 * gap),
            claim("distances of neighbouring lines", distances, [side + gap]),
        ),
        svg(
            676,
            224,
            "Equal greys, parallel lines",
            body,
            says="Two grey squares on dark and light; a wall of shifted tiles.",
        ),
    )


def _grey(level: float) -> str:
    return f"#{round(255 * level):02x}" + 2 * f"{round(255 * level):02x}"
