"""Occluders whose effect on one place is computed in part: only what changes between them and the layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.partial.partial import Partial, Replay
from striate.nets.partial.plan import WHOLE_AT

from .slide import Occluded, Slide, whole_passes

# As for occlusion maps: below these recording costs more than it saves.
LEAST_MACS = 5_000_000
LEAST_PLACES = 32
GAIN = 0.85  # of the multiply-adds of passes up to the layer


def in_part(memory: int) -> Occluded:
    """Activations under occluders, computed in part where that gains and in whole passes elsewhere.

    A net is recorded at its first image and the record kept for all that follow, of any layer. Equal to whole passes
    but for rounding. It gains nothing for small nets, for layers whose field is most of the image, for nets that mix
    all places early, and on accelerators.
    """
    plain = whole_passes(memory)
    records: dict[tuple[int, tuple[int, ...]], Replay] = {}
    images: list[tuple[Tensor, Partial]] = []

    def compute(net: Net, image: Tensor, slide: Slide) -> Tensor:
        size = (image.shape[-2], image.shape[-1])
        patch = slide.cover.shape[-1]
        macs = _macs_up_to(net, size, slide.layer.name)
        if image.device.type != "cpu" or len(slide.corners) < LEAST_PLACES or macs < LEAST_MACS or patch > min(size):
            return plain(net, image, slide)
        key = (id(net), tuple(image.shape))
        if key not in records:
            records[key] = Replay(net, image)
        replay = records[key]
        tops, lefts = (slide.corners[:, axis].clamp(0, length - patch).tolist() for axis, length in enumerate(size))
        most = GAIN * macs * len(tops)
        if replay.reason or _macs_in_part(replay, slide.layer.name, (tops, lefts), patch=patch, memory=memory) > most:
            return plain(net, image, slide)
        if not images or images[0][0] is not image:
            images[:] = [(image, Partial(replay, image, memory=memory))]
        with torch.no_grad(), net.look(read=[slide.layer.name]) as see:
            own = see(image[None])[slide.layer.name][0]
        row, column = slide.place // slide.layer.grid[1], slide.place % slide.layer.grid[1]
        found = own[:, row, column].repeat(1 + len(tops), 1)
        pixels = _squares(image, slide, tops, lefts)
        for which, changed in images[0][1].changed(slide.layer.name, tops, lefts, pixels=pixels):
            height, width = changed.data.shape[-2:]
            down, right = row - changed.tops, column - changed.lefts
            there = ((down >= 0) & (down < height) & (right >= 0) & (right < width)).nonzero().flatten()
            found[1 + which[there]] = changed.data[there, :, down[there], right[there]]
        return found

    return compute


def _macs_up_to(net: Net, size: tuple[int, int], name: str) -> int:
    total = 0
    for site in net.sites(size):
        total += site.macs
        if site.name == name:
            break
    return total


def _macs_in_part(replay: Replay, site: str, corners: tuple[list[int], list[int]], *, patch: int, memory: int) -> float:
    """Multiply-adds of the parts that lead to a site."""
    try:
        wanted = frozenset({replay.value_of(site)})
    except StriateError:  # a layer that the record does not name
        return math.inf
    plans = replay.plans(*corners, (patch, patch), memory=memory, whole_at=WHOLE_AT, wanted=wanted)
    return sum(plan.macs for _, plan in plans)


def _squares(image: Tensor, slide: Slide, tops: list[int], lefts: list[int]) -> Tensor:
    """What the squares inside the image that hold each clipped occluder show, (P, C, patch, patch)."""
    patch = slide.cover.shape[-1]
    reach, made = torch.arange(patch), []
    for starts, corners in ((tops, slide.corners[:, 0]), (lefts, slide.corners[:, 1])):
        here = torch.tensor(starts)[:, None] + reach
        made.append((here, here - corners[:, None]))
    (rows, down), (columns, right) = made
    shown = image.permute(1, 2, 0)[rows[:, :, None], columns[:, None]]
    inner = (down.clamp(0, patch - 1)[:, :, None], right.clamp(0, patch - 1)[:, None])
    cover = slide.cover.permute(1, 2, 0)[inner]
    held = ((down >= 0) & (down < patch))[:, :, None] & ((right >= 0) & (right < patch))[:, None]
    return torch.where(held[..., None], cover, shown).permute(0, 3, 1, 2)
