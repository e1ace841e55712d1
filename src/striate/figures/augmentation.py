"""Changes of training images that keep their labels: the grid of the lectures, on a picture drawn by rule."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.image import encode_webp
from striate.core.rng import Rng
from striate.data.annotations import Annotations
from striate.data.augment import made_always
from striate.data.dataset import Dataset
from striate.data.load import load_data
from striate.data.transforms import TRANSFORMS

from .claims import Computed, claim, holds
from .draw import PALETTE, rectangle, svg, text

# What the lectures call them, and what they are called here.
SINGLE = {
    "crop": "crop", "flip": "flip", "rotate": "rotation", "scale": "scale", "stretch": "stretch", "noise": "noise",
    "hue": "hue", "colour cast": "colour_cast", "blur": "blur", "hide": "random_erasing", "cutout": "cutout",
}  # fmt: skip
MOVING = ("crop", "flip", "rotation", "scale", "stretch")
_SIDE, _SHOWN, _COLUMNS = 96, 192, 5  # pixels of a picture, of its place on the page; places a row
_SEED, _ROW, _OTHER = 725, 0, 2  # a seed whose draws are all plain to see
Tile = tuple[str, Tensor, Tensor | None]  # words, image, boxes


def augment_grid() -> Computed:
    """Each transform of one picture; labels of mixed images are shares of their area; boxes move along."""
    data = load_data(f"shapes:{_SIDE}:objects=3", split="train").limit(16)
    images, labels = data.images(), torch.eye(len(data.classes))[data.labels]
    return Computed(
        (
            claim("label of CutMix less the share of the area, at most", _cutmix_gap(images, data.ids), 0.0),
            claim("label of mixup less the share of the light, at most", _mixup_gap(images, data.ids), 0.0),
            claim("sum of each mixed label", _sums(images, labels, data.ids), [1.0] * 4, tolerance=1e-6),
            holds("moved boxes lie around moved rectangles to a pixel", _box_gap(data) <= 1.0),
            holds("an image is changed alike alone and among others", _alone(images, data.ids)),
        ),
        _picture(data),
    )


def _cutmix_gap(images: Tensor, ids: Tensor) -> float:
    """The share is counted in pixels of a batch of single colours, of which every pixel tells its image."""
    mixer, plain = TRANSFORMS.load("cutmix"), (torch.arange(len(images)) / len(images)).view(-1, 1, 1, 1)
    plain = plain.expand(-1, 1, _SIDE, _SIDE).contiguous()
    mixed, soft = mixer(plain, torch.eye(len(images)), ids, Rng(_SEED, "cutmix"))
    own = (mixed == plain).double().mean((1, 2, 3))
    return float((soft.diagonal().double() - own).abs().max())


def _mixup_gap(images: Tensor, ids: Tensor) -> float:
    mixer, count = TRANSFORMS.load("mixup"), len(images)
    plain = torch.eye(count, dtype=torch.float64).view(count, count, 1, 1)  # each image is one channel of light
    mixed, soft = mixer(plain, torch.eye(count), ids, Rng(_SEED, "mixup"))
    return float((mixed[:, :, 0, 0] - soft.double()).abs().max())


def _sums(images: Tensor, labels: Tensor, ids: Tensor) -> list[float]:
    found = [TRANSFORMS.load(name)(images, labels, ids, Rng(_SEED, name))[1].sum(1) for name in ("mixup", "cutmix")]
    return [float(end) for sums in found for end in (sums.min(), sums.max())]


def _box_gap(data: Dataset) -> float:
    """The largest distance between an edge of a moved box and that of the pixels of the moved rectangle in it."""
    worst = 0.0
    for name in MOVING:
        change = made_always(TRANSFORMS.load(name))
        drawn = change.draw(data.ids, Rng(_SEED, name), shape=(3, _SIDE, _SIDE))
        for row in range(len(data)):
            known = data.annotations(row)
            assert known.boxes is not None
            filled = torch.zeros(len(known.boxes), _SIDE, _SIDE, dtype=torch.bool)
            for mask, (left, top, right, bottom) in zip(filled, known.boxes.long().tolist(), strict=True):
                mask[top:bottom, left:right] = True
            plain = Annotations(boxes=known.boxes.round(), masks=filled)
            moved = change.moved(plain, drawn, (_SIDE, _SIDE), row=row)
            for box, mask in zip(moved.boxes.tolist(), moved.masks, strict=True):
                across, down = mask.any(0).nonzero()[:, 0].tolist(), mask.any(1).nonzero()[:, 0].tolist()
                edges = (across[0], down[0], across[-1] + 1, down[-1] + 1)
                worst = max(worst, *(abs(one - other) for one, other in zip(box, edges, strict=True)))
    return worst


def _alone(images: Tensor, ids: Tensor) -> bool:
    return all(
        torch.allclose(
            change(images[3:4], ids[3:4], Rng(_SEED, name)), change(images, ids, Rng(_SEED, name))[3:4], atol=1e-6
        )
        for name in SINGLE.values()
        for change in [TRANSFORMS.load(name)]
    )


def _picture(data: Dataset) -> str:
    pair = [_ROW, _OTHER]
    images, ids, sample = data.images(pair), data.ids[pair], data.sample(_ROW)
    tiles: list[Tile] = [("as it is", images[0], sample.boxes)]
    for words, name in SINGLE.items():
        done = made_always(TRANSFORMS.load(name)).on(sample, Rng(_SEED, name))
        tiles.append((words, done.image, done.boxes))
    for name in ("mixup", "cutmix"):
        mixed, soft = TRANSFORMS.load(name)(images, torch.eye(2), ids, Rng(_SEED, name))
        kinds = [data.classes[int(data.labels[row])] for row in pair]
        shares = " + ".join(f"{float(share):.2f} {kind}" for share, kind in zip(soft[0], kinds, strict=True))
        tiles.append((f"{name}\n{shares}", mixed[0], None))
    return _grid("One picture, changed at random; boxes move along", tiles, sample.box_classes)


def _grid(title: str, tiles: Sequence[Tile], kinds: Tensor | None) -> str:
    step, top = _SHOWN + 12, 40
    body = []
    for number, (words, image, boxes) in enumerate(tiles):
        x, y = 12 + number % _COLUMNS * step, top + number // _COLUMNS * (step + 20)
        content = base64.b64encode(encode_webp(image, quality=60)).decode()
        body.append(
            f"<image x='{x}' y='{y}' width='{_SHOWN}' height='{_SHOWN}' style='image-rendering:pixelated' "
            f"href='data:image/webp;base64,{content}'/>"
        )
        scale = _SHOWN / _SIDE
        for place, box in enumerate(boxes.tolist() if boxes is not None else ()):
            colour = PALETTE[int(kinds[place]) % len(PALETTE)] if kinds is not None else PALETTE[0]
            left, upper, right, lower = (scale * edge for edge in box)
            shape = (x + left, y + upper, x + right, y + lower)
            body += [rectangle(shape, stroke="#ffffff", width=3), rectangle(shape, stroke=colour, width=1.5)]
        for line, said in enumerate(words.split("\n")):
            body.append(text(x, y + _SHOWN + 15 + 16 * line, said))
    rows = -(-len(tiles) // _COLUMNS)  # the last one with room for a second line of words
    says = f"A drawn picture with boxes around its objects, and {len(tiles) - 1} changes of it."
    return svg(12 + _COLUMNS * step, top + rows * (step + 20) + 10, title, "".join(body), says=says)
