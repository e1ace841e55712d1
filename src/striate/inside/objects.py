"""Objects: what a map points at, cut out of the image by its colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge, to_bytes
from striate.core.number import Number

from . import heatmap
from .faithfulness.scores import check_maps
from .payload import ObjectRow

FOREGROUND, BACKGROUND = 0.95, 0.30  # quantiles of the map: above is the object, below is not
ROUNDS = 5
FADED = 0.25  # of the grey image, where the object is not


@dataclass(frozen=True)
class Cut:
    """An object: its mask (H, W) bool, and its box (left, top, right, bottom), the last two exclusive, or None."""

    mask: Tensor
    box: tuple[int, int, int, int] | None


def cut_out(image: Tensor, heat: Tensor) -> Cut:
    """The largest connected part of what GrabCut takes for the object, started from a map.

    Pixels above the map's 95 % quantile are object, those below its 30 % quantile are not; the rest is found by the
    colours of the two and by where colours change. No pass through the net; some hundredths of a second.

    Args:
        image: (C, H, W) in [0, 1], one channel or three.
        heat: (H, W), high where the object is.

    Raises:
        StriateError: OpenCV is not installed, or the map says nothing (it is flat), or does not fit.

    Source: Simonyan, Vedaldi & Zisserman 2013, section 3.2 (quantiles; largest connected component), with GrabCut of
    Rother, Kolmogorov & Blake 2004 in place of Boykov & Jolly's cut. The seeds are held fixed, where the paper only
    takes its colour models from them.
    """
    cv2 = _opencv()
    values = check_maps(heat[None], image[None])[0].double()
    high, low = (float(torch.quantile(values.flatten(), share)) for share in (FOREGROUND, BACKGROUND))
    if high <= low:
        raise StriateError("the map is flat, so it points at nothing", accepted="a map with high and low values")
    labels = np.full(values.shape, cv2.GC_PR_FGD, dtype=np.uint8)
    labels[(values <= low).numpy()] = cv2.GC_BGD
    labels[(values >= high).numpy()] = cv2.GC_FGD
    pixels = np.ascontiguousarray(to_bytes(image.cpu().expand(3, -1, -1)).permute(1, 2, 0).numpy()[..., ::-1])
    cv2.setRNGSeed(0)  # its clusters start at random
    cv2.grabCut(pixels, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(found)
    if count < 2:
        return Cut(torch.zeros(values.shape, dtype=torch.bool), None)
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    left, top, width, height = (int(each) for each in statistics[largest, :4])
    return Cut(torch.from_numpy(parts == largest), (left, top, left + width, top + height))


def overlap(one: Tensor, other: Tensor) -> float:
    """Intersection over union of two masks (H, W) bool; 1 of two empty ones."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def draw_cut(image: Tensor, cut: Cut) -> bytes:
    """PNG of the object in its colours, the rest pale and grey, its box in one line of the image's own pixels."""
    pale = 1 - FADED * (1 - heatmap.grey(image))
    shown = torch.where(cut.mask, image.expand(3, -1, -1), pale)
    if cut.box is not None:
        left, top, right, bottom = cut.box
        line = shown.new_tensor([0.04, 0.35, 0.68])[:, None]
        for place in (top, bottom - 1):
            shown[:, place, left:right] = line
        for place in (left, right - 1):
            shown[:, top:bottom, place] = line
    return encode_png(enlarge(shown, heatmap.LEAST))


def object_row(
    image: Tensor, heat: Tensor, *, name: str, method: str, picture: str, mask: Tensor | None = None
) -> tuple[ObjectRow, bytes]:
    """The row of a cut-out, and its picture."""
    cut = cut_out(image, heat)
    iou = Number.missing("no mask of the object is known")
    if mask is not None:
        iou = Number.of(overlap(cut.mask, mask.cpu()), n=1, why="one image: no interval")
    share = float(cut.mask.double().mean())
    return ObjectRow(name, method, cut.box, share, picture, iou), draw_cut(image, cut)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise StriateError(
            "objects are cut out with the package opencv-python-headless, which is not there",
            accepted="it installed, or maps without objects",
            hint='pip install "striate[classical]"',
        ) from error
    return cv2
