"""Pictures of many small maps in rows and columns, all with one colour scale."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.image import encode_png
from striate.inside.heatmap import colour

GAP = 2  # pixels of neutral grey between tiles
LEAST = 28  # pixels of a tile's short side


def tiled(values: Tensor, limits: tuple[float, float], *, signed: bool, least: int = LEAST) -> bytes:
    """PNG of maps (rows, columns, h, w), each enlarged by a whole factor to at least ``least`` pixels a side."""
    rows, columns, height, width = values.shape
    flat = colour(values.reshape(-1, width), limits, signed=signed)
    return _sheet(flat.view(3, rows, columns, height, width).permute(1, 2, 0, 3, 4), least)


def tiled_colours(pictures: Tensor, across: int, *, least: int = LEAST) -> bytes:
    """PNG of pictures (k, 3, h, w) in [0, 1], row by row, ``across`` in a row; what is missing in the last is grey."""
    rows = -(-len(pictures) // across)
    whole = pictures.new_full((rows * across, *pictures.shape[1:]), 0.5)
    whole[: len(pictures)] = pictures
    return _sheet(whole.view(rows, across, *pictures.shape[1:]), least)


def _sheet(tiles: Tensor, least: int) -> bytes:
    rows, columns, _, height, width = tiles.shape
    factor = max(1, -(-least // min(height, width)))
    large = tiles.repeat_interleave(factor, 3).repeat_interleave(factor, 4)
    high, wide = height * factor, width * factor
    sheet = torch.full((3, rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP), 0.5)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (high + GAP), column * (wide + GAP)
            sheet[:, top : top + high, left : left + wide] = large[row, column]
    return encode_png(sheet)
