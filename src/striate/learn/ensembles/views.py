"""Views of an image that say the same thing: mirrored, moved by a fourteenth, nearer and farther."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.data.batches import batches
from striate.nets.site import Pair
from striate.nets.undisturbed import undisturbed

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.nets.net import Net

Kind = Literal["flip", "crops", "scales"]
KINDS: Mapping[Kind, str] = {
    "flip": "each view mirrored too",
    "crops": "four corners beside the middle, a fourteenth of the side away",
    "scales": "8/7 as near, and as far",
}
PART = 14  # corners lie a fourteenth of the side from the middle, on each side: 224 in 256, 28 in 32
CORNERS = {"top left": (-1, -1), "top right": (-1, 1), "bottom left": (1, -1), "bottom right": (1, 1)}
_AT_ONCE = 64  # images a pass where nothing else says so


@dataclass(frozen=True)
class View:
    """One view: its name, and what is seen, of the (h, w) that a net takes, of images (n, C, H, W) in [0, 1]."""

    name: str
    see: Callable[[Tensor, Pair], Tensor]


def mirror(images: Tensor) -> Tensor:
    """Left and right exchanged."""
    return images.flip(-1)


def window(images: Tensor, size: Pair, *, down: int = 0, right: int = 0) -> Tensor:
    """The window of ``size`` whose middle lies ``down`` and ``right`` of the images' middle; black outside of them."""
    height, width = images.shape[-2:]
    top, left = (height - size[0]) // 2 + down, (width - size[1]) // 2 + right
    below, beyond = top + size[0] - height, left + size[1] - width
    return F.pad(images, (-left, beyond, -top, below))  # what is negative is cut off


def scaled(images: Tensor, size: Pair, factor: float) -> Tensor:
    """The middle ``factor`` times as near as at ``size``, bilinear."""
    seen = window(images, (round(size[0] / factor), round(size[1] / factor)))
    return F.interpolate(seen, size=size, mode="bilinear", align_corners=False, antialias=True)


def corner(images: Tensor, size: Pair, down: int, right: int) -> Tensor:
    """The window in a corner; of images no larger than ``size`` one that is moved by a fourteenth of the side."""
    apart = [
        (have - want) // 2 if have > want else max(1, round(want / PART))
        for have, want in zip(images.shape[-2:], size, strict=True)
    ]
    return window(images, size, down=down * apart[0], right=right * apart[1])


def views_of(kinds: Sequence[str]) -> tuple[View, ...]:
    """The whole image first, then the views of the kinds; with ``flip`` each of them mirrored after all others.

    ``flip,crops`` are ten: the middle, four corners, and those mirrored.

    Raises:
        StriateError: A kind is not known, or is given twice.

    >>> [view.name for view in views_of(["flip"])]
    ['whole', 'mirrored']

    Source: Krizhevsky, Sutskever & Hinton 2012, section 4.1: corners and middle of 224 in 256, mirrored. Around small
    images that a net takes as they are lies nothing: they are moved as far (a fourteenth of the side), black beside
    them.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or len(set(kinds)) < len(kinds):
        raise StriateError(f"views are {', '.join(map(str, kinds))}", accepted=f"{', '.join(KINDS)}, each once")
    found = [View("whole", window)]
    if "crops" in kinds:
        found += [View(name, _corner(*where)) for name, where in CORNERS.items()]
    if "scales" in kinds:
        found += [
            View("nearer", lambda images, size: scaled(images, size, 8 / 7)),
            View("farther", lambda images, size: scaled(images, size, 7 / 8)),
        ]
    if "flip" in kinds:
        found += [_mirrored(each) for each in found]
    return tuple(found)


def _corner(down: int, right: int) -> Callable[[Tensor, Pair], Tensor]:
    return lambda images, size: corner(images, size, down, right)


def _mirrored(view: View) -> View:
    name = "mirrored" if view.name == "whole" else f"{view.name}, mirrored"
    return replace(view, name=name, see=lambda images, size: mirror(view.see(images, size)))


def view_logits(
    net: Net,
    data: Dataset,
    views: Sequence[View],
    *,
    size: Pair,
    batch: int | None = None,
    memory: int = 1 << 30,
    workers: int = 0,
    progress: Progress = SILENT,
) -> list[Tensor]:
    """The net's logits (N, K) for each view of every image: a forward pass each, images read once.

    ``size`` is what the net takes; the images of ``data`` are of one size, as large or larger.

    Raises:
        StriateError: An output is not finite; the message names the view.
    """
    like = next(net.parameters(), None)
    place = torch.device("cpu") if like is None else like.device
    at_once = batch or min(_AT_ONCE, net.batch_size(size, memory=memory))
    parts: list[list[Tensor]] = [[] for _ in views]
    with undisturbed(net), progress.task("views", len(data) * len(views)) as step, torch.inference_mode():
        for rows, images, _ in batches(data, at_once, workers=workers):
            for view, found in zip(views, parts, strict=True):
                logits = net.logits(view.see(images, size).to(place)).to("cpu", torch.float32)
                if not bool(logits.isfinite().all()):
                    raise StriateError(f"{net.name} gives no finite number for the view {view.name!r}")
                found.append(logits)
                step(len(rows))
    return [torch.cat(found).clone() for found in parts]
