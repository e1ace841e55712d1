"""Films in another style."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from striate.core.errors import ImageError, StriateError
from striate.core.footage import read_film
from striate.core.image import from_bytes, to_channels
from striate.synthesis.film_style import style_film as painted
from striate.synthesis.made import Made
from striate.synthesis.style import CONTENT
from striate.verbs.painting import files

from .ask import Ask
from .styles import layers

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
RATE = 12.0  # frames a second of a film from a folder of frames


def style_film(ask: Ask) -> Made:
    """A film in the style of pictures."""
    names, frames, rate = _frames(ask)
    return painted(
        ask.net,
        frames,
        ask.pictures("style")[1],
        content=CONTENT if ask["content"] is None else ask["content"],
        layers=layers(ask),
        colours="content" if ask["keep_colour"] else "style",
        search=ask["search"],
        steps=ask["steps"],
        rate=rate,
        names=names,
        memory=ask.memory,
        watch=ask.watch,
    )


def _frames(ask: Ask) -> tuple[list[str], Tensor, float]:
    """Names of the frames, their pixels (T, C, H, W) as the net takes them, and how many are shown a second.

    From a folder its pictures in the order of their names, from a file the frames of the film.
    """
    paths = [Path(each) for each in files(ask["image"])]
    if len(paths) != 1:
        raise StriateError(f"image names {len(paths)} files", accepted="one film, or one folder of frames")
    (path,) = paths
    if not path.is_dir():
        footage = read_film(path, limit=ask["count"])
        frames = torch.stack([ask.fitted(to_channels(from_bytes(each), ask.net.channels)) for each in footage.frames])
        return [f"frame-{k:04d}" for k in range(len(frames))], frames, footage.rate
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURES)[: ask["count"]]
    if not found:
        raise ImageError(f"{path.name} holds no pictures", accepted="a folder of frames, or a film")
    pictures = [ask.read(each) for each in found]
    sizes = {tuple(each.shape) for each in pictures}
    if len(sizes) > 1:
        raise StriateError(f"frames of {len(sizes)} sizes in {path.name}", accepted="frames of one size")
    return [each.stem for each in found], torch.stack(pictures), RATE
