"""Motions: for each image of a batch a map that says where every pixel of the changed image comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError

Fill = Literal["black", "edge", "reflect"]
_PADDING: dict[str, str] = {"black": "zeros", "edge": "border", "reflect": "reflection"}
_ROUNDS = 80  # of the fixed-point iteration that turns a displacement field around
_BEHIND = 1e-6  # points with a smaller denominator lie behind the viewer


@dataclass(frozen=True)
class Motion:
    """Where pixels come from. Coordinates are pixels with the image's left edge at x = 0 and its right edge at x = W.

    A point p of the changed image shows the point ``matrices p + field(p)`` of the image that was given.

    Attributes:
        matrices: (n, 3, 3) float64 homographies.
        size: Height and width of the images.
        field: (n, 2, H, W), x and y of a displacement in pixels at each pixel's centre; None for none.
        fill: What comes from outside: ``"black"``, the nearest ``"edge"`` pixel, or the picture mirrored at its edge
            (``"reflect"``), in which objects are seen twice but marked once.
    """

    matrices: Tensor
    size: tuple[int, int]
    field: Tensor | None = None
    fill: Fill = "black"

    def __len__(self) -> int:
        return len(self.matrices)

    def row(self, row: int) -> Motion:
        """That of one image alone."""
        field = None if self.field is None else self.field[row : row + 1]
        return replace(self, matrices=self.matrices[row : row + 1], field=field)

    def before(self, later: Motion) -> Motion:
        """Both in one: this one first, then ``later``, which has no field."""
        if later.field is not None or self.field is not None:
            raise StriateError("motions with displacement fields", accepted="homographies, which become one")
        return replace(self, matrices=self.matrices @ later.matrices)

    def sources(self, *, device: torch.device | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
        """The point that each pixel's centre shows, (n, H, W, 2), x then y."""
        height, width = self.size
        x = torch.arange(width, device=device, dtype=dtype) + 0.5
        y = torch.arange(height, device=device, dtype=dtype)[:, None] + 0.5
        m = self.matrices.to(dtype).to(device)[:, :, :, None, None]
        across = m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2]
        down = m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2]
        if not self.affine:
            below = m[:, 2, 0] * x + m[:, 2, 1] * y + m[:, 2, 2]
            seen = below > _BEHIND
            below = torch.where(seen, below, 1.0)
            far = -4.0 * (height + width)
            across, down = (torch.where(seen, each / below, far) for each in (across, down))
        places = torch.stack([across, down], -1)
        return places if self.field is None else places + self.field.to(places).permute(0, 2, 3, 1)

    @property
    def affine(self) -> bool:
        """Whether parallels stay parallel under every matrix."""
        last = self.matrices[:, 2]
        return bool((last == last.new_tensor([0.0, 0.0, 1.0])).all())

    def sample(self, images: Tensor) -> Tensor:
        """The images (n, C, H, W) moved, each pixel mixed from the four nearest ones; shrinking is not filtered."""
        self._check(images)
        places = self.sources(device=images.device, dtype=images.dtype)
        sides = torch.tensor([self.size[1], self.size[0]], device=images.device, dtype=images.dtype)
        moved = F.grid_sample(
            images, places * (2.0 / sides) - 1.0, mode="bilinear", padding_mode=_PADDING[self.fill], align_corners=False
        )
        return moved.clamp(0.0, 1.0)

    def nearest(self, planes: Tensor, outside: float) -> Tensor:
        """Planes (n, C, H, W) of any type moved, each pixel the one whose square its source lies in."""
        self._check(planes)
        height, width = self.size
        places = self.sources(device=planes.device, dtype=torch.float64).floor()
        x, y = places.unbind(-1)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        index = y.clamp(0, height - 1).long() * width + x.clamp(0, width - 1).long()
        flat = planes.reshape(*planes.shape[:2], -1)
        found = flat.gather(2, index.reshape(len(planes), 1, -1).expand(-1, planes.shape[1], -1)).view_as(planes)
        return torch.where(inside[:, None], found, torch.full_like(found, outside))

    def forward(self, points: Tensor) -> Tensor:
        """Where points (n, k, 2) float64 of the given images lie in the changed ones.

        Through a field by damped fixed-point iteration; where a field folds the picture there is no one place.
        """
        back = torch.linalg.inv(self.matrices)
        if self.field is None:
            return project(back, points)
        found = project(back, points)
        for _ in range(_ROUNDS):
            found = 0.5 * (found + project(back, points - self._field_at(found)))
        return found

    def _field_at(self, points: Tensor) -> Tensor:
        assert self.field is not None
        sides = points.new_tensor([self.size[1], self.size[0]])
        grid = (points * (2.0 / sides) - 1.0)[:, :, None]
        field = self.field.to(points)
        found = F.grid_sample(field, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return found[..., 0].transpose(1, 2)

    def _check(self, planes: Tensor) -> None:
        if tuple(planes.shape[-2:]) != self.size or len(planes) != len(self):
            raise StriateError(
                f"planes of shape {tuple(planes.shape)} for {len(self)} motions of {self.size[0]} x {self.size[1]}"
            )


def project(matrices: Tensor, points: Tensor) -> Tensor:
    """Points (n, k, 2) through homographies (n, 3, 3); what lies behind the viewer becomes infinite."""
    ones = points.new_ones(*points.shape[:-1], 1)
    x, y, w = (torch.cat([points, ones], -1) @ matrices.transpose(1, 2)).unbind(-1)
    inverse = torch.where(w > _BEHIND, 1.0 / w, math.inf)
    return torch.stack([x * inverse, y * inverse], -1)


def still(count: int) -> Tensor:
    """Homographies (count, 3, 3) float64 that move nothing."""
    return torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)


def linear(parts: Tensor, anchor: tuple[float, float]) -> Tensor:
    """Homographies (n, 3, 3) of linear maps (n, 2, 2) that leave the point ``anchor`` (x, y) where it is."""
    point = torch.tensor(anchor, dtype=torch.float64)
    out = still(len(parts))
    out[:, :2, :2] = parts.double()
    out[:, :2, 2] = point - parts.double() @ point
    return out


def shifted(by: Tensor) -> Tensor:
    """Homographies (n, 3, 3) that add (n, 2), x and y, to every point."""
    out = still(len(by))
    out[:, :2, 2] = by.double()
    return out


def middle(size: tuple[int, int]) -> tuple[float, float]:
    """The point in the middle of an image of this (H, W), x and y."""
    return size[1] / 2, size[0] / 2


def quadrangles(old: Tensor, new: Tensor) -> Tensor:
    """The homographies (n, 3, 3) that take four points ``new`` (n, 4, 2) to four points ``old``.

    Raises:
        StriateError: Three of the points lie on one line.

    Source: Hartley & Zisserman 2004, section 4.1, with the last entry fixed at 1.
    """
    x, y = new.double().unbind(-1)
    u, v = old.double().unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    first = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    second = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    try:
        solved = torch.linalg.solve(torch.cat([first, second], 1), torch.cat([u, v], 1))
    except RuntimeError as error:
        raise StriateError("three corners on one line", accepted="corners of a quadrangle") from error
    return torch.cat([solved, solved.new_ones(len(solved), 1)], 1).view(-1, 3, 3)
