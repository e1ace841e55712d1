"""Boxes: overlaps, anchors, codes, losses, and how many there are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from striate.metrics.boxes import box_iou

from .claims import SAME, Computed, claim, holds
from .draw import boxes, curves


def iou_threshold() -> Computed:
    """A detection counts when its overlap with the object reaches the threshold."""
    truth = (0.0, 0.0, 10.0, 10.0)
    found = {"overlap .3": (0.0, 0.0, 10.0, 3.0), "overlap .7": (0.0, 0.0, 10.0, 7.0)}
    overlaps = box_iou(torch.tensor([truth]), torch.tensor(list(found.values())))[0].tolist()
    verdicts = ["true positive" if overlap >= 0.5 else "false positive" for overlap in overlaps]
    return Computed(
        (
            claim("overlaps", overlaps, [0.3, 0.7], says=SAME),
            claim("at threshold .5", verdicts, ["false positive", "true positive"], says=SAME),
        ),
        boxes("Two detections of one object", {"object": truth, **found}, size=(360, 380)),
    )


def rpn_anchors() -> Computed:
    """A region proposal network lays anchors of 3 sizes and 3 shapes at each point of its map."""
    sizes, shapes = (128, 256, 512), (0.5, 1.0, 2.0)
    anchors = [
        (16 * x, 16 * y, size * math.sqrt(shape), size / math.sqrt(shape))
        for y in range(40)
        for x in range(60)
        for size in sizes
        for shape in shapes
    ]
    areas = sorted({round(w * h) for _, _, w, h in anchors})
    note = "the lecture lays one anchor at each point; the paper nine (Ren et al. 2015, 3.1)"
    return Computed(
        (
            claim("anchors on a 60x40 map", len(anchors), 21_600, says="one a point", note=note),
            claim("areas of the anchors", areas, [size**2 for size in sizes]),
        )
    )


def box_codes() -> Computed:
    """A box relative to its anchor: offsets in anchor sizes, logarithms of the size ratios; and back."""
    xa, ya, wa, ha = 100.0, 100.0, 128.0, 128.0
    x, y, w, h = 116.0, 84.0, 160.0, 96.0
    codes = [(x - xa) / wa, (y - ya) / ha, math.log(w / wa), math.log(h / ha)]
    tx, ty, tw, th = codes
    back = [xa + tx * wa, ya + ty * ha, wa * math.exp(tw), ha * math.exp(th)]
    corners = {
        name: (cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2)
        for name, (cx, cy, wide, high) in {"anchor": (xa, ya, wa, ha), "box": (x, y, w, h)}.items()
    }
    return Computed(
        (
            claim("tx, ty, tw, th", codes, [0.125, -0.125, 0.223144, -0.287682]),
            claim("box decoded again: centre, width, height", back, [x, y, w, h], tolerance=1e-9),
        ),
        boxes("An anchor and its box", corners, size=(400, 360)),
    )


def smooth_l1() -> Computed:
    """Quadratic near zero, linear beyond one, and smooth where they meet."""
    x = torch.tensor([0.25, 0.5, 1, 2], dtype=torch.float64)
    zero = torch.zeros_like(x)
    found = F.smooth_l1_loss(x, zero, reduction="none")
    slide = torch.where(x < 1, x**2, x - 0.5)
    slide[2:] = x[2:]
    steps = [i / 20 - 2 for i in range(81)]
    line = torch.tensor(steps, dtype=torch.float64)
    smooth = F.smooth_l1_loss(line, torch.zeros_like(line), reduction="none").tolist()
    note = "the slide writes x^2 and |x|; the paper .5 x^2 and |x| - .5 (Girshick 2015, equation 3)"
    return Computed(
        (claim("loss at .25, .5, 1, 2", found, [0.03125, 0.125, 0.5, 1.5], says=slide, note=note),),
        curves(
            "Smooth L1 between square and absolute value",
            {"smooth L1": (steps, smooth), "|x|": (steps, [abs(s) for s in steps])},
            x_label="error",
            y_label="loss",
            size=(480, 320),
        ),
    )


def yolo_tensor() -> Computed:
    """YOLO divides the image in 7x7 cells; each has two boxes of five numbers, and one set of 20 classes."""
    cells, per_cell, classes = 7, 2, 20
    output = torch.zeros(1, 5 * per_cell + classes, cells, cells, device="meta")
    coordinates, empty = 5.0, 0.5
    error = torch.tensor(0.1, dtype=torch.float64)
    square = F.mse_loss(error, torch.zeros_like(error))
    note = "the lecture's sum runs j = 0..B, one box too many, and speaks of anchors, which came with version 2"
    return Computed(
        (
            claim("shape", [cells, cells, output.shape[1]], [7, 7, 30], says=SAME, note=note),
            claim("numbers", output.numel(), 1470, says=SAME),
            claim(
                "an error of .1 in x; in an empty cell's confidence",
                [coordinates * square, empty * square],
                [0.05, 0.005],
            ),
        )
    )


def haar_count() -> Computed:
    """All positions and sizes of five Haar features in a 24x24 window, and a box sum by four look-ups."""
    size = 24
    shapes = {"two across": (2, 1), "two down": (1, 2), "three across": (3, 1), "three down": (1, 3), "four": (2, 2)}
    counts = {
        name: sum(
            (size - w + 1) * (size - h + 1)
            for w in range(across, size + 1, across)
            for h in range(down, size + 1, down)
        )
        for name, (across, down) in shapes.items()
    }
    image = torch.randint(0, 256, (size, size))
    integral = F.pad(image.cumsum(0).cumsum(1), (1, 0, 1, 0))
    alike = all(
        int(integral[b, d] - integral[a, d] - integral[b, c] + integral[a, c]) == int(image[a:b, c:d].sum())
        for a, b, c, d in [(0, 24, 0, 24), (3, 9, 5, 17), (23, 24, 0, 1), (7, 7, 2, 9)]
    )
    return Computed(
        (
            claim("features by shape", list(counts.values()), [43_200, 43_200, 27_600, 27_600, 20_736]),
            claim("features in all", sum(counts.values()), 162_336),
            holds("the integral image gives any box sum with four look-ups", alike),
        )
    )
