"""Pictures of images with their marks, and contact sheets of many of them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striate.core.image import to_bytes, to_channels

from .annotations import VOID, Annotations

# Told apart with every kind of colour vision (Okabe & Ito 2008); class 8 has the colour of class 0 again.
COLOURS = (
    (0.90, 0.62, 0.00), (0.34, 0.71, 0.91), (0.00, 0.62, 0.45), (0.94, 0.89, 0.26), (0.00, 0.45, 0.70),
    (0.84, 0.37, 0.00), (0.80, 0.47, 0.65), (0.95, 0.95, 0.95),
)  # fmt: skip
_DARK = (0.05, 0.05, 0.05)
_MASK, _REGION = 0.18, 0.35  # how much of a mask's or region's colour covers the picture
_GAP, _TEXT, _LINE = 6, 13, 18  # pixels between pictures, of letters, of a line of text
_INK, _FAINT, _PAPER = (27, 27, 27), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, with lines of words under it."""

    image: Tensor
    words: tuple[str, ...] = ()


def marked(image: Tensor, known: Annotations, *, least: int = 128) -> Tensor:
    """The image (C, H, W) with its marks, in colour, enlarged by a whole factor to a long side of ``least``.

    Masks and regions lie over it, translucent, masks with an outline; boxes are thin lines between dark ones. All have
    the colours of their classes. Pixels without a label are left as they are.
    """
    factor = max(1, math.ceil(least / max(image.shape[-2:])))
    picture = _grown(to_channels(image.detach().cpu().float(), 3), factor).clone()
    palette = torch.tensor(COLOURS)
    if known.regions is not None:
        regions = _grown(known.regions.cpu(), factor).long()
        colours = palette[regions % len(palette)].permute(2, 0, 1)
        picture = torch.where(regions == VOID, picture, (1 - _REGION) * picture + _REGION * colours)
        picture = torch.where(_edges(regions), picture.new_tensor(0.05), picture)
    kinds = known.box_classes.tolist() if known.box_classes is not None else [0] * known.objects
    if known.masks is not None:
        for mask, kind in zip(_grown(known.masks.cpu(), factor), kinds, strict=True):
            colour = palette[kind % len(palette)][:, None, None]
            picture = torch.where(mask, (1 - _MASK) * picture + _MASK * colour, picture)
            picture = torch.where(_edges(mask.long()), colour, picture)
    if known.boxes is not None:
        for box, kind in zip((known.boxes * factor).round().long().tolist(), kinds, strict=True):
            ink = COLOURS[kind % len(COLOURS)]
            for grown, paint in ((1, _DARK), (0, ink), (-1, ink), (-2, _DARK)):
                _frame(picture, box, grown, paint)
    return picture


def sheet(
    rows: Sequence[tuple[str, Sequence[Tile]]], columns: Sequence[str], *, title: str, width: int = 1900
) -> bytes:
    """A PNG of tiles: a row an image, a column a transform; the columns that do not fit go on below, in bands.

    The first column stands at the left of every band.

    Args:
        rows: Words for the row, and a tile for each column.
        columns: Words over the columns.
        title: First line.
        width: Most pixels across; a band has at least two columns.
    """
    from PIL import Image, ImageDraw, ImageFont

    wide = max((tile.image.shape[-1] for _, each in rows for tile in each), default=1)
    font: Any = ImageFont.load_default(_TEXT)
    left = 2 * _GAP + max([int(font.getlength(_cut(words))) for words, _ in rows], default=0)
    fit = max(2, (width - left) // (wide + _GAP))
    others = list(range(1, len(columns)))
    bands = [[0, *others[start : start + fit - 1]] for start in range(0, len(others), fit - 1)] or [[0]]
    highs = [[_height([each[column] for column in band]) for _, each in rows] for band in bands]
    tall = 2 * _LINE + sum(2 * _LINE + sum(high) for high in highs)
    paper = Image.new("RGB", (left + max(map(len, bands)) * (wide + _GAP) + _GAP, tall), _PAPER)
    pen = ImageDraw.Draw(paper)
    pen.text((_GAP, _GAP), title, fill=_INK, font=font)
    y = 2 * _LINE
    for band, high in zip(bands, highs, strict=True):
        for place, column in enumerate(band):
            said = _fitting(columns[column], font, wide)
            pen.text((left + place * (wide + _GAP), y), said, fill=_INK, font=font)
        y += _LINE
        for (words, each), step in zip(rows, high, strict=True):
            pen.text((_GAP, y), _cut(words), fill=_FAINT, font=font)
            for place, column in enumerate(band):
                x, tile = left + place * (wide + _GAP), each[column]
                paper.paste(_pillow(tile.image), (x, y))
                for line, said in enumerate(tile.words):
                    under = y + tile.image.shape[-2] + 1 + line * _LINE
                    pen.text((x, under), _fitting(said, font, wide), fill=_FAINT, font=font)
            y += step
        y += _LINE
    stream = io.BytesIO()
    paper.save(stream, "PNG")
    return stream.getvalue()


def _height(tiles: Sequence[Tile]) -> int:
    """Of a row of tiles with their words and the gap below."""
    return max(tile.image.shape[-2] + _LINE * len(tile.words) for tile in tiles) + _GAP


def _grown(planes: Tensor, factor: int) -> Tensor:
    """Planes with each pixel a square of ``factor`` pixels."""
    return planes.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def _pillow(image: Tensor) -> Any:
    from PIL import Image

    return Image.fromarray(to_bytes(to_channels(image, 3)).permute(1, 2, 0).contiguous().numpy())


def _edges(classes: Tensor) -> Tensor:
    """The pixels whose right or lower neighbour is of another class, (H, W) bool."""
    out = torch.zeros(classes.shape, dtype=torch.bool)
    out[:, :-1] |= classes[:, 1:] != classes[:, :-1]
    out[:-1] |= classes[1:] != classes[:-1]
    return out


def _frame(picture: Tensor, box: Sequence[int], grown: int, colour: Sequence[float]) -> None:
    """Draws the outline of a box, ``grown`` pixels outside of it, one pixel thick; what lies outside is cut."""
    height, width = picture.shape[-2:]
    x1, y1, x2, y2 = box[0] - grown, box[1] - grown, box[2] - 1 + grown, box[3] - 1 + grown
    if x2 < x1 or y2 < y1:
        return
    ink = picture.new_tensor(list(colour))[:, None]
    across, down = slice(max(x1, 0), max(min(x2, width - 1) + 1, 0)), slice(max(y1, 0), max(min(y2, height - 1) + 1, 0))
    for y in (y1, y2):
        if 0 <= y < height:
            picture[:, y, across] = ink
    for x in (x1, x2):
        if 0 <= x < width:
            picture[:, down, x] = ink


def _cut(words: str, most: int = 26) -> str:
    return words if len(words) <= most else f"{words[: most // 2 - 1]}...{words[-(most // 2 - 2) :]}"


def _fitting(words: str, font: Any, width: int) -> str:
    """The words, shortened until they are no wider than so many pixels."""
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(f"{words}...") > width:
        words = words[:-1]
    return f"{words.rstrip(' ,')}..."
