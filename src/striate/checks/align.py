"""Whether two pictures show the same: the second is cut and stretched until it lies on the first, then compared.

All pictures are small, square and grey here: a copy that was saved anew, resized or cut out differs from its original
by a box within it, a gain and an offset, whatever its size and aspect were.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 32  # pixels a side at which two pictures are compared
BLOCKS = 4  # blocks a side; the block that differs most decides
STEPS = 8  # of Gauss and Newton
ROOM = 0.3  # most of a side that may be cut away at one end
STILL = 0.02  # a box nearer to the whole picture than this counts as the whole
WHOLE, CUT = 0.10, 0.22  # the most that a block may differ, in deviations of the picture, for the whole and for a cut
LEAST = 0.97  # least correlation of the two
GAIN = (0.88, 1.136)  # by how much the contrast may have changed
FLAT = 3.0  # grey levels of deviation below which a picture has nothing to compare
HUE = 16.0  # levels by which a block of a chroma plane may differ


@dataclass(frozen=True, eq=False)
class Alignment:
    """How pictures lie in others, one row a pair.

    Attributes:
        box: (n, 4) left, top, right, bottom, as shares of the side.
        likeness: (n,) correlation of the two once aligned.
        rest: (n,) the most that a block differs, in deviations of the picture around its own slope.
        gain: (n,) contrast of the first over that of the second.
    """

    box: Tensor
    likeness: Tensor
    rest: Tensor
    gain: Tensor

    def same(self) -> Tensor:
        """(n,) bool: whether the two show the same; a cut picture was interpolated twice and may differ more."""
        whole = (self.box - _frame(self.box)).abs().amax(1) <= STILL
        limit = torch.where(whole, WHOLE, CUT)
        gain = (self.gain >= GAIN[0]) & (self.gain <= GAIN[1])
        return (self.rest <= limit) & (self.likeness >= LEAST) & gain


def align(first: Tensor, second: Tensor, box: Tensor, *, steps: int = STEPS) -> Alignment:
    """Boxes in ``second`` (n, T, T) that look like the whole of ``first`` (n, T, T), searched from ``box`` (n, 4).

    Values are grey levels to 255. With no steps the box is taken as it is. T is `GRID` or twice that.

    Source: Lucas & Kanade 1981, section 4.3, by Gauss-Newton as in Baker & Matthews 2004, section 2; the warp moves
    the four sides of a box, and a gain and an offset are fitted along.
    """
    target = _halved(first)
    ramp = (torch.arange(GRID, dtype=first.dtype) + 0.5) / GRID
    across, down = ramp[None, None, :], ramp[None, :, None]
    best, found = torch.full((len(first),), -2.0), box.clone()
    for number in range(steps + 1):
        seen = _seen(second, box)
        likeness = _correlation(target, seen)
        better = likeness > best
        best, found = torch.where(better, likeness, best), torch.where(better[:, None], box, found)
        if number == steps:
            break
        right = _slope(seen, 2) / (box[:, 2] - box[:, 0])[:, None, None]
        below = _slope(seen, 1) / (box[:, 3] - box[:, 1])[:, None, None]
        parts = [right * (1 - across), below * (1 - down), right * across, below * down, seen, torch.ones_like(seen)]
        solved = _least_squares(torch.stack(parts, -1).flatten(1, 2), target.flatten(1))
        gain = torch.where(solved[:, 4].abs() < 0.05, 0.05, solved[:, 4])
        box = box + (solved[:, :4] / gain[:, None]).clamp(-0.05, 0.05)
        low, high = torch.tensor([-STILL, 1 - ROOM]), torch.tensor([ROOM, 1 + STILL])
        box = torch.cat([box[:, :2].clamp(low[0], high[0]), box[:, 2:].clamp(low[1], high[1])], dim=1)
    return _judged(target, second, found)


def same_colours(first: Tensor, second: Tensor, box: Tensor) -> Tensor:
    """(n,) bool: whether chroma planes (n, 2, S, S), levels to 255, agree; those of ``second`` are seen in its box."""
    half = first.shape[-1] // 2
    ours, theirs = F.avg_pool2d(first, 2), F.avg_pool2d(_sampled(second, box, 2 * half), 2)
    return (ours - theirs).abs().flatten(1).amax(1) <= HUE


def flat(pictures: Tensor) -> Tensor:
    """(n,) bool: whether so little is to be seen in pictures (n, T, T) beside a slope that all of them look alike."""
    return torch.cat([_texture(_halved(part.to(torch.float32))) for part in torch.split(pictures, 4096)]) < FLAT


def _judged(target: Tensor, second: Tensor, box: Tensor) -> Alignment:
    seen = _seen(second, box)
    ours, theirs = target - target.mean((1, 2), keepdim=True), seen - seen.mean((1, 2), keepdim=True)
    gain = (ours * theirs).sum((1, 2)) / theirs.square().sum((1, 2)).clamp_min(1e-6)
    rest = (ours - gain[:, None, None] * theirs).square()
    blocks = F.avg_pool2d(rest[:, None], GRID // BLOCKS).flatten(1).amax(1).sqrt()
    return Alignment(box, _correlation(target, seen), blocks / _texture(target).clamp_min(1e-3), gain)


def _texture(pictures: Tensor) -> Tensor:
    """Deviation of (n, GRID, GRID) around the plane that fits best: a sky that fades is not much to compare."""
    ramp = torch.arange(GRID, dtype=pictures.dtype) - (GRID - 1) / 2
    unit = ramp / ramp.square().sum().sqrt()
    centred = pictures - pictures.mean((1, 2), keepdim=True)
    across, down = centred.mean(1) @ unit, centred.mean(2) @ unit
    variance = centred.square().mean((1, 2)) - (across.square() + down.square()) / GRID
    return variance.clamp_min(0.0).sqrt()


def _frame(box: Tensor) -> Tensor:
    return torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=box.dtype)


def _halved(pictures: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(pictures[:, None], GRID)[:, 0]


def _seen(pictures: Tensor, box: Tensor) -> Tensor:
    """What lies in the boxes, at `GRID`: sampled twice as finely and averaged, so that fine patterns do not turn up."""
    if bool((box == _frame(box)).all()):
        return _halved(pictures)
    return F.avg_pool2d(_sampled(pictures[:, None], box, 2 * GRID), 2)[:, 0]


def _sampled(pictures: Tensor, box: Tensor, side: int) -> Tensor:
    ramp = (torch.arange(side, dtype=box.dtype) + 0.5) / side
    across = box[:, :1] + (box[:, 2] - box[:, 0])[:, None] * ramp
    down = box[:, 1:2] + (box[:, 3] - box[:, 1])[:, None] * ramp
    grid = torch.stack(
        [across[:, None, :].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], dim=-1
    )  # fmt: skip
    return F.grid_sample(pictures, 2 * grid - 1, mode="bilinear", padding_mode="border", align_corners=False)


def _slope(pictures: Tensor, dim: int) -> Tensor:
    """Change over the whole side, by central differences."""
    sides = (1, 1, 0, 0) if dim == 2 else (0, 0, 1, 1)
    padded = F.pad(pictures, sides, mode="replicate")
    length = pictures.shape[dim]
    return (padded.narrow(dim, 2, length) - padded.narrow(dim, 0, length)) / 2 * length


def _least_squares(parts: Tensor, target: Tensor) -> Tensor:
    """Weights (n, k) of parts (n, m, k) that come nearest to the target (n, m); nearly dependent ones are damped."""
    square = parts.transpose(1, 2) @ parts
    right = (parts.transpose(1, 2) @ target[..., None])[..., 0]
    scale = square.diagonal(dim1=1, dim2=2).clamp_min(1e-6).sqrt()
    damped = square / (scale[:, :, None] * scale[:, None, :]) + 1e-4 * torch.eye(square.shape[1])
    solved: Tensor = torch.linalg.solve(damped, right / scale) / scale
    return solved


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    one, other = first.flatten(1), second.flatten(1)
    one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
    likeness: Tensor = (one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1)).clamp_min(1e-6)
    return likeness
