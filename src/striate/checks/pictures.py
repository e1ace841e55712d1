"""Pictures of what the checks speak of: single images, copies side by side, boxes drawn on."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import ImageError
from striate.core.finding import Evidence, Finding
from striate.core.image import encode_webp, from_bytes, to_channels

from .case import Case, Noticed, listed

HEIGHT = 128  # pixels of a picture
_WIDEST = 3.0  # times as wide as high, beyond which a picture is made lower
_GAP = 6
_INK = torch.tensor([1.0, 0.12, 0.12])  # boxes


def illustrate(case: Case, noticed: list[Noticed], *, pictures: bool) -> tuple[list[Finding], dict[str, bytes]]:
    """The findings with what each speaks of as evidence, and their album, which is empty without ``pictures``."""
    album: dict[str, bytes] = {}
    findings = []
    for each in noticed:
        evidence = list(each.finding.evidence)
        for number, images in enumerate(each.shown):
            key = None
            if pictures:
                key = f"{each.finding.check}-{len(album)}.webp"
                album[key] = side_by_side(case, images, each.boxes[number] if number < len(each.boxes) else ())
            known = number < len(each.facts)
            what = each.facts[number] if known else listed(tuple(map(case.name, images)))
            evidence.append(Evidence(what, picture=key))
        findings.append(replace(each.finding, evidence=tuple(evidence)))
    return findings, album


def side_by_side(
    case: Case, images: tuple[int, ...], boxes: tuple[tuple[float, float, float, float], ...] = ()
) -> bytes:
    """A WebP of images of the data side by side, equally high; boxes are drawn on the first."""
    parts = []
    for number, image in enumerate(images):
        picture, scale = _fitted(_stored(case, image))
        if number == 0 and boxes:
            picture = _boxed(picture, boxes, scale)
        parts.append(picture)
    height = max(part.shape[1] for part in parts)
    padded = [F.pad(part, (0, _GAP, 0, height - part.shape[1]), value=1.0) for part in parts]
    return encode_webp(torch.cat(padded, dim=2)[:, :, :-_GAP], quality=85)


def _stored(case: Case, image: int) -> Tensor:
    number, row = case.place(image)
    part = case.parts[number]
    try:
        pixels = part.store.read(part.places[[row]], part.store.channels, None)
    except ImageError:  # it was there when the data were looked at; its picture is left grey
        return torch.full((3, HEIGHT, HEIGHT), 0.5)
    return to_channels(from_bytes(pixels)[0], 3)


def _fitted(image: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """The image at `HEIGHT`, lower where it is very wide, and by how much it was scaled down and across."""
    height, width = image.shape[1:]
    goal = min(HEIGHT, round(_WIDEST * HEIGHT * height / width)) or 1
    across = max(1, round(width * goal / height))
    mode = "bilinear" if goal < height else "nearest-exact"
    options = {"align_corners": False, "antialias": True} if mode == "bilinear" else {}
    done = F.interpolate(image[None], size=(goal, across), mode=mode, **options)[0].clamp(0, 1)
    return done, (goal / height, across / width)


def _boxed(picture: Tensor, boxes: tuple[tuple[float, float, float, float], ...], scale: tuple[float, float]) -> Tensor:
    """With boxes drawn on; the ground is widened by a margin so that boxes that reach outside are seen."""
    margin = 16
    out = F.pad(picture, (margin, margin, margin, margin), value=1.0)
    height, width = out.shape[1:]
    for left, top, right, bottom in boxes:
        x0, x1 = (int(max(0, min(width - 1, round(x * scale[1]) + margin))) for x in (left, right))
        y0, y1 = (int(max(0, min(height - 1, round(y * scale[0]) + margin))) for y in (top, bottom))
        x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        for rows, columns in (
            (slice(y0, y0 + 2), slice(x0, x1 + 1)),
            (slice(y1, y1 + 2), slice(x0, x1 + 1)),
            (slice(y0, y1 + 1), slice(x0, x0 + 2)),
            (slice(y0, y1 + 1), slice(x1, x1 + 2)),
        ):
            out[:, rows, columns] = _INK[:, None, None]
    return out
