"""A race as a film: the surface in shades with lines of equal height, the paths growing step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from striate.core.film import encode_gif

from .payload import Place, Scene
from .surfaces import SURFACES

WIDTH, MARGIN = 420, 96  # pixels of the surface, and of the names below it
COLOURS = ("#0f5e9c", "#a8480c", "#1a7358", "#7d3f7c", "#6b5d00", "#c23b56", "#3d6fe0", "#5a8f00", "#444444", "#b07aa1")
FRAMES = 60  # at most
SHADES = 14


def film(scene: Scene, *, rate: float = 12.0) -> bytes:
    """A GIF of all paths of a scene, a frame for every few steps."""
    longest = max((len(each.places) for each in scene.paths), default=1)
    stride = max(1, math.ceil(longest / FRAMES))
    ground = shaded(scene)
    ends = [*range(1, longest, stride), longest]
    return encode_gif([_frame(scene, ground, end) for end in ends], rate=rate)


def shaded(scene: Scene) -> Tensor:
    """The surface (H, W, 3) as bytes: paler the higher, with a line where a shade ends."""
    left, right, low, high = scene.window
    height = int(WIDTH * min(max((high - low) / (right - left), 0.6), 1.3))
    y, x = torch.meshgrid(
        torch.linspace(high, low, height, dtype=torch.float64),
        torch.linspace(left, right, WIDTH, dtype=torch.float64),
        indexing="ij",
    )
    heights = SURFACES[scene.surface].loss(torch.stack([x, y])) - scene.lowest
    share = (1 + heights.clamp(min=0) / (heights.max() * 1e-3)).log()
    bands = (SHADES * share / share.max()).floor()
    pale = (0.80 + 0.19 * bands / SHADES)[..., None] * torch.tensor([0.97, 0.985, 1.0], dtype=torch.float64)
    edges = torch.zeros_like(bands, dtype=torch.bool)
    edges[1:] |= bands[1:] != bands[:-1]
    edges[:, 1:] |= bands[:, 1:] != bands[:, :-1]
    pale[edges] -= 0.12
    return (255 * pale.clamp(0, 1)).to(torch.uint8)


def _frame(scene: Scene, ground: Tensor, end: int) -> Tensor:
    from PIL import Image, ImageDraw

    tall = ground.shape[0]
    picture = Image.new("RGB", (WIDTH, tall + MARGIN), "white")
    picture.paste(Image.fromarray(ground.numpy()), (0, 0))
    pen = ImageDraw.Draw(picture)
    for x, y in _pixels(scene, scene.minima, tall):
        pen.line([(x - 4, y - 4), (x + 4, y + 4)], fill="black")
        pen.line([(x - 4, y + 4), (x + 4, y - 4)], fill="black")
    for index, each in enumerate(scene.paths):
        colour = COLOURS[index % len(COLOURS)]
        places = _pixels(scene, each.places[:end], tall)
        if len(places) > 1:
            pen.line(places, fill=colour, width=2)
        x, y = places[-1]
        if y < tall:
            pen.ellipse([(x - 4, y - 4), (x + 4, y + 4)], fill=colour)
        row, column = divmod(index, 2)
        left, top = 8 + column * (WIDTH // 2), tall + 24 + row * 14
        pen.rectangle([(left, top + 2), (left + 8, top + 9)], fill=colour)
        step = min(end, len(each.losses)) - 1
        above = max(each.losses[step] - scene.lowest, 0.0)
        pen.text((left + 14, top - 1), f"{each.optimizer} {each.rate:.3g}: {above:.2g}", fill="black")
    pen.rectangle([(0, tall), (WIDTH, tall + 20)], fill="white")
    pen.text((8, tall + 5), f"{scene.surface}, step {end - 1}; height above the lowest point", fill="black")
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)


def _pixels(scene: Scene, places: Sequence[Place], tall: int) -> list[Place]:
    left, right, low, high = scene.window
    return [
        (
            min(max((x - left) / (right - left), -1.0), 2.0) * (WIDTH - 1),
            min(max((high - y) / (high - low), -1.0), 1.0) * (tall - 1),
        )
        for x, y in places
    ]
