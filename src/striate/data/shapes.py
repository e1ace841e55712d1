"""`shapes`: pictures drawn by rule, any number of them; image i of a seed is the same in any order and on any machine.

Ten outlines in ten colours and six textures on five kinds of ground, jittered in size, place, rotation and light.
Only the outline decides the class: colour, texture and ground are drawn independently of it. Edges are anti-aliased by
the signed distance of each pixel from the outline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry, to_bytes
from striate.core.rng import Rng

from .annotations import Annotations
from .outlines import CLASSES, OUTLINES
from .stores import prepared

PARTS = ("train", "dev", "test")
BLOCK = 1_000_000_000  # indices from one split to the next: no split reaches into another
VERSION = 1  # of the rule: raised whenever the same seed and index give other pixels
SIDES = (32, 64, 96)
MOST_OBJECTS = 4
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.88, 0.20, 0.20), "orange": (0.96, 0.55, 0.14), "yellow": (0.97, 0.83, 0.22), "green": (0.27, 0.68, 0.30),
    "teal": (0.11, 0.66, 0.64), "sky": (0.40, 0.74, 0.95), "blue": (0.20, 0.40, 0.85), "purple": (0.53, 0.31, 0.74),
    "pink": (0.95, 0.48, 0.68), "white": (0.94, 0.94, 0.91),
}  # fmt: skip
TEXTURES = ("plain", "striped", "checked", "dotted", "shaded", "mottled")
BARRED = 0.2  # share of pictures with a bar in front of the object
GROUNDS = ("plain", "graded", "cloudy", "lined", "spotted")
_LATTICE = 7  # corners a side of the coarse noise that makes clouds and mottling


@dataclass(frozen=True)
class Scene:
    """Everything that was drawn by lot for a batch of pictures; per picture (n,), per object (n, objects).

    The first object is the largest and gives the label.
    """

    ids: Tensor
    shape: Tensor
    colour: Tensor
    texture: Tensor
    radius: Tensor
    x: Tensor
    y: Tensor
    turn: Tensor
    ground: Tensor
    ground_colour: Tensor
    dark: Tensor
    light: Tensor
    gain: Tensor
    haze: Tensor
    blur: Tensor
    grain: Tensor
    bar: Tensor
    fine: Tensor


def scene(rng: Rng, ids: Tensor, *, side: int, objects: int) -> Scene:
    """What the pictures with these ids show; lengths in pixels, angles in radians."""
    n, unit = len(ids), side / 32
    draw = rng.child("object").uniform(ids, (objects, 8))
    whole = rng.child("picture").uniform(ids, (8,))
    shape = (draw[..., 0] * len(CLASSES)).long()
    shape[:, 0] = labels_of(rng, ids)
    if objects == 1:
        radius = (7.2 + 5.6 * draw[..., 3]) * unit
        room = side / 2 - radius - 0.3 * unit
        x, y = side / 2 + room * (2 * draw[..., 4] - 1), side / 2 + room * (2 * draw[..., 5] - 1)
    else:  # one object a quarter of the picture
        share = torch.cat([0.84 + 0.14 * draw[:, :1, 3], 0.52 + 0.22 * draw[:, 1:, 3]], dim=1)
        radius = share * side / 4
        quarter = rng.child("quarter").uniform(ids, (4,)).argsort(1)[:, :objects]
        room = side / 4 - radius
        x = side / 4 + side / 2 * (quarter % 2) + room * (2 * draw[..., 4] - 1)
        y = side / 4 + side / 2 * (quarter // 2) + room * (2 * draw[..., 5] - 1)
    colour = (draw[..., 1] * len(COLOURS)).long()
    bright = _luma(_palette()[colour[:, 0]])
    dark = whole[:, 0] < ((bright - 0.30) / 0.35).clamp(0.0, 1.0)  # a ground that sets off the largest object
    return Scene(
        ids=ids,
        shape=shape,
        colour=colour,
        texture=(draw[..., 2] * len(TEXTURES)).long(),
        radius=radius,
        x=x,
        y=y,
        turn=(draw[..., 6] - 0.5) * 1.2,
        ground=(whole[:, 1] * len(GROUNDS)).long(),
        ground_colour=(whole[:, 2] * len(COLOURS)).long(),
        dark=dark,
        light=whole[:, 3] * 2 * math.pi,
        gain=0.86 + 0.2 * whole[:, 4],
        haze=0.6 * whole[:, 5] ** 3,
        blur=(1.0 + 1.5 * whole[:, 6] ** 3) * unit,
        grain=0.04 + 0.12 * whole[:, 7] ** 3,
        bar=rng.child("bar").uniform(ids, (4,)),
        fine=rng.child("fine").uniform(ids, (objects + 1, 4)).view(n, objects + 1, 4),
    )


def labels_of(rng: Rng, ids: Tensor) -> Tensor:
    """The class of each picture: ten ids in a row hold every class once, in an order that starts by lot."""
    count = len(CLASSES)
    block = torch.div(ids, count, rounding_mode="floor")
    return (3 * (ids % count) + rng.child("label").integers(block, high=count)) % count


def render(drawn: Scene, noise: Tensor, *, side: int) -> tuple[Tensor, Tensor]:
    """Pictures (n, 3, side, side) float32 in [0, 1], and how much of each pixel each object covers (n, objects, ...).

    Covers are of what can be seen: objects with lower numbers lie above, the bar above all. ``noise``: (n, 2, 7, 7) in
    [0, 1), the coarse noise of ground and object.
    """
    n, objects = drawn.shape.shape
    axis = torch.arange(side, dtype=torch.float32) + 0.5
    px, py = axis[None, None, :], axis[None, :, None]
    u, v = px / side, py / side
    smooth = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic", align_corners=True)
    picture = _grounds(drawn, smooth[:, 0], u, v)
    covers = torch.empty(n, objects, side, side)
    clear = (1.0 - drawn.haze)[:, None, None]
    for number in range(objects - 1, -1, -1):
        x, y = _turned(px - drawn.x[:, number, None, None], py - drawn.y[:, number, None, None], drawn.turn[:, number])
        radius = drawn.radius[:, number, None, None]
        x, y = x / radius, -y / radius
        distance = _distances(drawn.shape[:, number], x, y) * radius
        cover = _soft(-distance, 1.0 / drawn.blur[:, None, None])
        shadow = 0.34 * clear * (1.0 - distance / (0.11 * side)).clamp_(0.0, 1.0)
        ink = _inks(drawn, number, x, y, smooth[:, 1])
        picture = picture * (1.0 - shadow)[:, None]
        picture = picture + (cover * clear)[:, None] * (ink - picture)
        covers[:, number + 1 :] *= 1.0 - cover[:, None]
        covers[:, number] = cover
    bar = _bars(drawn, px, py, side)
    picture = picture + bar[:, None] * (_bar_colours(drawn)[:, :, None, None] - picture)
    lit = torch.cos(drawn.light)[:, None, None] * (u - 0.5) + torch.sin(drawn.light)[:, None, None] * (v - 0.5)
    picture = picture * (drawn.gain[:, None, None] * (1.0 + 0.34 * lit))[:, None]
    grain = drawn.grain[:, None, None] * (_grain(drawn.ids, side) - 0.5)
    return (picture + grain[:, None]).clamp_(0.0, 1.0), covers * (1.0 - bar[:, None])


@dataclass(frozen=True, eq=False)
class ShapesStore:
    """The endless row of pictures of one seed; a place is the index of a picture."""

    seed: int
    side: int = 32
    objects: int = 1
    channels: int = field(default=3, init=False)

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise StriateError(f"shapes has pictures of {self.side} pixels", accepted=", ".join(map(str, SIDES)))
        if not 1 <= self.objects <= MOST_OBJECTS:
            raise StriateError(f"shapes with objects={self.objects}", accepted=f"1 to {MOST_OBJECTS}")

    @cached_property
    def rng(self) -> Rng:
        """Where everything comes from."""
        return Rng(self.seed, f"shapes/{VERSION}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        return self.side, self.side

    @property
    def grouped(self) -> bool:
        """Whether images may have groups."""
        return False

    def size_of(self, place: int) -> tuple[int, int]:
        """Height and width, the same for all."""
        del place
        return self.size

    def drawn(self, places: Tensor) -> tuple[Tensor, Tensor, Scene]:
        """Pictures, covers and scene of these indices."""
        what = scene(self.rng, places, side=self.side, objects=self.objects)
        noise = self.rng.child("noise").uniform(places, (2, _LATTICE, _LATTICE))
        picture, covers = render(what, noise, side=self.side)
        return picture, covers, what

    def read(self, places: Tensor, channels: int, geometry: Geometry | None) -> Tensor:
        """Pictures (n, channels, H, W) uint8."""
        chunk = max(1, 128 * 32 * 32 // (self.side * self.side))
        parts = [to_bytes(self.drawn(places[start : start + chunk])[0]) for start in range(0, len(places), chunk)]
        pixels = torch.cat(parts) if parts else torch.empty((0, 3, self.side, self.side), dtype=torch.uint8)
        return prepared(pixels, channels, geometry)

    def name_of(self, place: int) -> str:
        """Split and number, or the index where it lies beyond the splits."""
        part, number = divmod(place, BLOCK)
        return f"shapes {PARTS[part]} {number}" if 0 <= part < len(PARTS) else f"shapes {place}"

    def digest(self, places: Tensor) -> str:
        """Everything the pictures follow from, beside the ids."""
        return f"shapes {VERSION} {self.seed} {self.side} {self.objects} {len(places)}"

    def annotations(self, place: int) -> Annotations:
        """Boxes and masks of what can be seen of each object, attributes, and a caption."""
        _, covers, what = self.drawn(torch.tensor([place]))
        masks = covers[0] > 0.5
        boxes = torch.stack([_box(mask) for mask in masks])
        return Annotations(
            boxes=boxes,
            box_classes=what.shape[0].to(torch.int64),
            masks=masks,
            attributes=MappingProxyType(self._words(what, 0)),
            caption=_caption(what),
        )

    def attributes(self, places: Tensor) -> list[dict[str, str | float]]:
        """What was drawn by lot for each picture, without drawing the pictures."""
        what = scene(self.rng, places, side=self.side, objects=self.objects)
        return [self._words(what, row) for row in range(len(places))]

    def _words(self, what: Scene, row: int) -> dict[str, str | float]:
        attributes: dict[str, str | float] = {
            "ground": GROUNDS[int(what.ground[row])],
            "ground_colour": _ground_name(what, row),
            "light": round(math.degrees(float(what.light[row])), 1),
            "gain": round(float(what.gain[row]), 3),
            "haze": round(float(what.haze[row]), 3),
            "blur": round(float(what.blur[row]), 2),
            "grain": round(float(what.grain[row]), 3),
            "bar": "yes" if float(what.bar[row, 0]) < BARRED else "no",
            "objects": ", ".join(CLASSES[int(kind)] for kind in what.shape[row]),
        }
        for number in range(self.objects):
            end = "" if number == 0 else f".{number}"
            attributes |= {
                f"shape{end}": CLASSES[int(what.shape[row, number])],
                f"colour{end}": tuple(COLOURS)[int(what.colour[row, number])],
                f"texture{end}": TEXTURES[int(what.texture[row, number])],
                f"radius{end}": round(float(what.radius[row, number]), 2),
                f"rotation{end}": round(-math.degrees(float(what.turn[row, number])), 1),
                f"x{end}": round(float(what.x[row, number]), 2),
                f"y{end}": round(float(what.y[row, number]), 2),
            }
        return attributes


def _turned(right: Tensor, down: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    return right * cos - down * sin, right * sin + down * cos


def _bars(drawn: Scene, px: Tensor, py: Tensor, side: int) -> Tensor:
    """How much of each pixel is covered by a bar across the largest object, in the pictures that have one."""
    there, angle, off, wide = drawn.bar.unbind(1)
    _, away = _turned(px - drawn.x[:, 0, None, None], py - drawn.y[:, 0, None, None], angle * math.pi)
    away = away - (1.2 * (off - 0.5) * drawn.radius[:, 0])[:, None, None]
    half = ((0.8 + 0.8 * wide) * side / 32)[:, None, None]
    return _soft(half - away.abs(), 1.0) * (there < BARRED).to(away)[:, None, None]


def _bar_colours(drawn: Scene) -> Tensor:
    """The colour third from the ground's in the palette, muted: it differs from the ground and says nothing."""
    colour = _palette()[(drawn.ground_colour + 3) % len(COLOURS)]
    return 0.25 + 0.45 * colour


def _palette() -> Tensor:
    return torch.tensor(list(COLOURS.values()))


def _luma(colour: Tensor) -> Tensor:
    return colour @ torch.tensor([0.299, 0.587, 0.114])


def _distances(kinds: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Signed distances, each picture by its own outline."""
    out = torch.empty_like(x)
    for number, outline in enumerate(OUTLINES.values()):
        rows = (kinds == number).nonzero().reshape(-1)
        if len(rows):
            out[rows] = outline(x[rows], y[rows])
    return out


def _soft(value: Tensor, sharpness: float | Tensor) -> Tensor:
    """A step from 0 to 1 around 0 whose edge is one over ``sharpness`` wide."""
    return (value * sharpness + 0.5).clamp_(0.0, 1.0)


def _inks(drawn: Scene, number: int, x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """Colour of every pixel of one object, (n, 3, H, W): two tones of its colour, mixed by its texture."""
    fine = drawn.fine[:, number]
    base = (_palette()[drawn.colour[:, number]] + 0.12 * (fine[:, :3] - 0.5)).clamp(0.0, 1.0)
    bright = _luma(base)[:, None]
    tone = torch.where(bright > 0.5, base * 0.62, base + 0.42 * (1.0 - base))
    mix = torch.zeros_like(x)
    for kind in range(1, len(TEXTURES)):
        rows = (drawn.texture[:, number] == kind).nonzero().reshape(-1)
        if len(rows):
            scale = (0.8 + 0.5 * fine[rows, 3])[:, None, None]
            mix[rows] = _texture(TEXTURES[kind], x[rows], y[rows], noise[rows], scale)
    return base[:, :, None, None] + mix[:, None] * (tone - base)[:, :, None, None]


def _texture(name: str, x: Tensor, y: Tensor, noise: Tensor, scale: Tensor) -> Tensor:
    if name == "striped":
        return _soft(torch.sin(6.5 * scale * (x + 0.6 * y)), 1.2)
    if name == "checked":
        return _soft(torch.sin(5.2 * scale * x) * torch.sin(5.2 * scale * y), 2.0)
    if name == "dotted":
        u, v = 1.7 * scale * x, 1.7 * scale * y
        return _soft(0.34 - torch.sqrt((u - u.round()) ** 2 + (v - v.round()) ** 2), 4.0)
    if name == "shaded":
        return (0.5 + 0.5 * (0.8 * y - 0.4 * x)).clamp_(0.0, 1.0)
    return _soft(noise - 0.5, 3.0)


def _grounds(drawn: Scene, noise: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The picture behind the objects: two tones of a muted colour, mixed by the kind of ground."""
    fine = drawn.fine[:, -1]
    base = _palette()[drawn.ground_colour]
    grey = _luma(base)[:, None]
    muted = grey + 0.7 * (base - grey)
    low, high = 0.10 + 0.28 * muted, 0.58 + 0.36 * muted
    first = torch.where(drawn.dark[:, None], low, high)
    second = torch.where(drawn.dark[:, None], low + 0.13 + 0.08 * muted, high * 0.82)
    mix = torch.zeros(len(base), u.shape[-1], u.shape[-1])
    slant, phase = (fine[:, 0] * math.pi)[:, None, None], (fine[:, 1] * 6.0)[:, None, None]
    along = torch.cos(slant) * u + torch.sin(slant) * v
    for kind in range(1, len(GROUNDS)):
        rows = (drawn.ground == kind).nonzero().reshape(-1)
        if not len(rows):
            continue
        name = GROUNDS[kind]
        if name == "graded":
            mix[rows] = (0.5 + 0.7 * (along[rows] - 0.5)).clamp(0.0, 1.0)
        elif name == "cloudy":
            mix[rows] = _soft(noise[rows] - 0.5, 1.6)
        elif name == "lined":
            mix[rows] = _soft(torch.sin((22 + 14 * fine[rows, 2])[:, None, None] * along[rows] + phase[rows]), 0.9)
        else:
            count = (4 + 3 * fine[rows, 2])[:, None, None]
            a, b = count * u + phase[rows], count * v + 0.7 * phase[rows]
            mix[rows] = _soft(0.27 - torch.sqrt((a - a.round()) ** 2 + (b - b.round()) ** 2), 5.0)
    return first[:, :, None, None] + mix[:, None] * (second - first)[:, :, None, None]


def _grain(ids: Tensor, side: int) -> Tensor:
    """Fine grain (n, side, side) in [0, 1): an integer hash of pixel and id (Wang's mix, 32 bits)."""
    mask = 0xFFFFFFFF
    start = ((ids * 2654435761) & mask)[:, None]
    word = (torch.arange(side * side) * 0x9E3779B1 & mask)[None] ^ start
    word = ((word ^ 61) ^ (word >> 16)) * 9 & mask
    word = (word ^ (word >> 4)) * 0x27D4EB2D & mask
    word = word ^ (word >> 15)
    return (word.to(torch.float32) * 2.0**-32).view(len(ids), side, side)


def _box(mask: Tensor) -> Tensor:
    down, across = mask.any(1).nonzero().reshape(-1), mask.any(0).nonzero().reshape(-1)
    if not len(down):
        return torch.zeros(4, dtype=torch.float64)
    return torch.stack([across[0], down[0], across[-1] + 1, down[-1] + 1]).to(torch.float64)


def _ground_name(what: Scene, row: int) -> str:
    return f"{'dark' if bool(what.dark[row]) else 'pale'} {tuple(COLOURS)[int(what.ground_colour[row])]}"


def _caption(what: Scene) -> str:
    names = []
    for number in range(what.shape.shape[1]):
        colour, texture = tuple(COLOURS)[int(what.colour[0, number])], TEXTURES[int(what.texture[0, number])]
        kind = CLASSES[int(what.shape[0, number])]
        words = [colour, *([texture] if texture != "plain" else []), kind]
        names.append(f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}")
    things = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{things} on a {GROUNDS[int(what.ground[0])]} {_ground_name(what, 0)} ground"
