"""Flicker of films in another style, measured along flow that is known because the scenes are drawn.

    python benchmarks/steady.py PHOTO THING STYLE NET

Painted frame by frame, and as a film with flow that is estimated; both are judged by the true flow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.core.image import Geometry, read_image
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.film_style import style_film
from striate.synthesis.flow import Flow, warped_errors
from striate.synthesis.style import style_images

SIDE = 224
PAN = (3, 1)  # pixels that the window moves each frame, to the right and down
MOVE = (-4, 2)  # pixels that the object moves in the picture each frame


@dataclass(frozen=True, eq=False)
class Scene:
    """Frames (T, C, H, W) with the true flow, and where frame k shows what frame k - 1 showed, (1, H, W)."""

    frames: Tensor
    flow: Flow
    seen: Callable[[int], Tensor]


def panned(photo: Tensor, *, side: int, count: int) -> Scene:
    """A window that moves over a photograph (C, h, w) of at least ``side + 3 count`` pixels a side."""
    frames = [photo[:, PAN[1] * k : PAN[1] * k + side, PAN[0] * k : PAN[0] * k + side] for k in range(count)]

    def flow(one: int, two: int) -> Tensor:
        return torch.tensor(PAN).view(2, 1, 1).expand(2, side, side) * float(one - two)

    return Scene(torch.stack(frames), flow, lambda k: _inside(flow(k, k - 1)))


def moving(photo: Tensor, thing: Tensor, *, side: int, count: int) -> Scene:
    """The same window, with a disc of another picture (C, h, w) that moves over what it shows."""
    behind = panned(photo, side=side, count=count)
    wide = side // 3
    texture = Geometry((wide, wide), crop="none").apply(thing)
    ramp = torch.arange(wide) - (wide - 1) / 2
    disc = ramp.square() + ramp.square()[:, None] <= (wide / 2) ** 2
    frames, discs = [], []
    for k, frame in enumerate(behind.frames):
        top, left = side // 4 + MOVE[1] * k, side // 2 + MOVE[0] * k
        where, shown = torch.zeros(side, side, dtype=torch.bool), frame.clone()
        where[top : top + wide, left : left + wide] = disc
        part = shown[:, top : top + wide, left : left + wide]
        part[:, disc] = texture[:, disc]
        frames.append(shown)
        discs.append(where)

    def flow(one: int, two: int) -> Tensor:
        own = torch.tensor(MOVE).view(2, 1, 1) * float(two - one)
        return torch.where(discs[one], own, behind.flow(one, two))

    def seen(k: int) -> Tensor:
        way = flow(k, k - 1)
        x = (torch.arange(side) + way[0]).clamp(0, side - 1).long()
        y = (torch.arange(side)[:, None] + way[1]).clamp(0, side - 1).long()
        same = discs[k - 1][y, x] == discs[k]
        return _inside(way) * same

    return Scene(torch.stack(frames), flow, seen)


def measure(net: Net, scene: Scene, style: Tensor, *, steps: int) -> tuple[dict[str, float], Tensor]:
    """Mean warped errors along the true flow (scene, frame by frame, film), and the frames of all three in a row."""
    alone = style_images(net, scene.frames, [style], steps=steps).images
    film = style_film(net, scene.frames, [style], steps=steps)
    before, apart, held = (
        float(warped_errors(each, scene.flow, scene.seen).mean()) for each in (scene.frames, alone, film.images)
    )
    table = film.tables[0].rows
    return {
        "the scene itself": before,
        "frame by frame": apart,
        "as a film": held,
        "share": held / apart,
        "style of the first frame": float(table[0][1] or 0),
        "style of the last frame": float(table[-1][1] or 0),
    }, torch.cat([scene.frames, alone, film.images])


def both(net: Net, *, photo: Tensor, thing: Tensor, style: Tensor, count: int = 4, steps: int = 100) -> dict[str, Any]:
    """What is measured on both scenes, as rows of a table."""
    scenes = {
        "a photograph, panned": panned(photo, side=SIDE, count=count),
        "a disc over it": moving(photo, thing, side=SIDE, count=count),
    }
    return {"rows": [{"scene": name, **measure(net, each, style, steps=steps)[0]} for name, each in scenes.items()]}


def of_files(photo: Path, thing: Path, style: Path, net: str) -> dict[str, Any]:
    """The same, on pictures from files."""
    wide = Geometry((SIDE + 32, SIDE + 32))
    return both(
        load_net(net),
        photo=read_image(photo, channels=3, geometry=wide),
        thing=read_image(thing, channels=3),
        style=read_image(style, channels=3, geometry=Geometry((SIDE, SIDE))),
    )


def _inside(way: Tensor) -> Tensor:
    height, width = way.shape[-2:]
    x = torch.arange(width) + way[0]
    y = torch.arange(height)[:, None] + way[1]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[None].float()


if __name__ == "__main__":
    first, second, third = map(Path, sys.argv[1:4])
    for row in of_files(first, second, third, sys.argv[4])["rows"]:
        print(row)
