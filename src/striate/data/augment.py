"""The grid of transforms: each image under each of them, marks drawn on, with what was changed and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry, encode_png
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng

from .annotations import VOID, Annotations
from .dataset import Dataset, Sample
from .payload import Augmented, Change, Picture
from .sheet import Tile, marked, sheet
from .transforms import TRANSFORMS, described, is_mixer
from .transforms.mixers import Mixer
from .transforms.transform import Parameters, Transform, shape_of, size_of

SHEET = "sheet.png"
_LEFT = 0.1  # of the contrast there was: with less, nothing is to be seen
_MARKS = ("boxes", "masks", "keypoints", "regions")
_LEAST = 1e-6  # contrast of an image that is of one colour to begin with


@dataclass(frozen=True)
class Limits:
    """How large the pictures are and how much is measured.

    Attributes:
        side: Images are shown and measured at this long side at most.
        tile: Smaller ones are enlarged by a whole factor until their long side has so many pixels.
        measured: Draws of each image that the numbers are means over.
        visible: An object with less than this share in sight is gone.
    """

    side: int = 224
    tile: int = 128
    measured: int = 16
    visible: float = 0.25


DEFAULT = Limits()


def augmented_grid(
    data: Dataset,
    rows: Sequence[int],
    *,
    names: Sequence[str] | None = None,
    draws: int = 1,
    seed: int = 0,
    limits: Limits = DEFAULT,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> tuple[Augmented, dict[str, bytes]]:
    """Images under transforms, measured and shown: the payload, and its pictures by name with one sheet of all.

    A transform that is made in a share of the images is shown and measured where it is made. Mixers need one label or
    tags an image; their partners are the other images shown.

    Args:
        data: Images with any kind of label.
        rows: Which of them.
        names: Which transforms, in their order; None for all.
        draws: Draws shown of each image.
        seed: Of the draws.
        limits: Sizes of pictures, and how much is measured.
        device: Where pixels are changed.
        progress: How the work is shown.

    Raises:
        UnknownNameError: There is no transform of a name.
        StriateError: There are no rows, ``draws`` is below 1, or none of the transforms suits the data.
    """
    if not len(rows) or draws < 1:
        raise StriateError(f"{len(rows)} images and {draws} draws", accepted="at least one of each")
    wanted = list(TRANSFORMS) if names is None else list(dict.fromkeys(names))
    left_out = {name: why for name in wanted if (why := _hindrance(name, data, len(rows)))}
    chosen = [name for name in wanted if name not in left_out]
    if not chosen:
        told = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise StriateError(f"nothing can be shown of {data.name}: {told}", hint="striate methods lists transforms")
    samples = [_shown(data, row, limits.side) for row in rows]
    shown = _Grid(data, tuple(rows), tuple(samples), draws, seed, limits, device)
    album: dict[str, bytes] = {}
    lines = [[Tile(marked(one.image, one, least=limits.tile))] * draws for one in samples]
    columns: list[list[list[Tile]]] = [lines]
    pictures: list[Picture] = []
    for number, (one, line) in enumerate(zip(samples, lines, strict=True)):
        album[file := f"original-{number}.png"] = encode_png(line[0].image)
        label = _label(data, one)
        pictures.append(Picture(file, rows[number], one.name, "", 0, label, one.objects if _has_objects(one) else None))
    changes = []
    for name in progress.track(chosen, "transforms", len(chosen), unit="transforms"):
        change, made, tiles = shown.mixed(name) if is_mixer(name) else shown.changed(name)
        changes.append(change)
        columns.append(tiles)
        pictures += made
        for picture, tile in zip(made, [tile for line in tiles for tile in line], strict=True):
            album[picture.file] = encode_png(tile.image)
    album[SHEET] = _sheet(shown, chosen, columns)
    result = Augmented(
        data=data.name,
        split=data.split,
        task=data.task,
        n=len(rows),
        draws=draws,
        measured=max(limits.measured, draws),
        seed=seed,
        transforms=tuple(changes),
        pictures=tuple(pictures),
        sheet=SHEET,
        visible=limits.visible,
        left_out=tuple(f"{name}: {why}" for name, why in left_out.items()),
    )
    return result, album


def made_always(transform: Any) -> Any:
    """The transform, made in every image where it is otherwise made in a share of them."""
    return replace(transform, share=1.0) if hasattr(transform, "share") else transform


@dataclass(frozen=True, eq=False)
class _Grid:
    data: Dataset
    rows: tuple[int, ...]
    samples: tuple[Sample, ...]
    draws: int
    seed: int
    limits: Limits
    device: str

    def changed(self, name: str) -> tuple[Change, list[Picture], list[list[Tile]]]:
        """One transform of every image: its numbers, its pictures, a line of tiles an image."""
        transform: Transform = made_always(TRANSFORMS.load(name))
        rng, sums = Rng(self.seed, "augment").child(name), _Sums()
        tiles: list[list[Tile]] = [[] for _ in self.samples]
        pictures: dict[tuple[int, int], Picture] = {}
        for group in self._groups():
            images = torch.stack([self.samples[place].image for place in group]).to(self.device)
            ids = torch.tensor([self.samples[place].id for place in group])
            for step in range(max(self.limits.measured, self.draws)):
                drawn = transform.draw(ids, rng, step=step, shape=shape_of(images))
                done = transform.apply(images, drawn)
                sums.pixels(images, done)
                hidden = transform.hidden(drawn, size_of(images))
                for number, place in enumerate(group):
                    sample = self.samples[place]
                    moved = self._moved(transform, drawn, size_of(images), number, sample)
                    sums.marks(sample, moved, None if hidden is None else hidden[number], self.limits.visible)
                    if step < self.draws:
                        tiles[place].append(Tile(marked(done[number], moved, least=self.limits.tile)))
                        pictures[place, step] = self._picture(name, place, step, _label(self.data, sample), moved)
        ordered = [pictures[key] for key in sorted(pictures)]
        return sums.change(name, transform.words), ordered, tiles

    def mixed(self, name: str) -> tuple[Change, list[Picture], list[list[Tile]]]:
        """One mixer of the images, all brought to the size of the first; captions hold the shares."""
        mixer: Mixer = made_always(TRANSFORMS.load(name))
        rng, sums = Rng(self.seed, "augment").child(name), _Sums()
        size = size_of(self.samples[0].image)
        alike = all(size_of(one.image) == size for one in self.samples)
        kept = self.data if alike else self.data.resized(Geometry(size))
        images = torch.stack(
            [one.image if alike else kept.images([row])[0] for one, row in zip(self.samples, self.rows, strict=True)]
        ).to(self.device)
        ids = torch.tensor([one.id for one in self.samples])
        tiles: list[list[Tile]] = [[] for _ in self.samples]
        pictures: dict[tuple[int, int], Picture] = {}
        for step in range(max(self.limits.measured, self.draws)):
            drawn = mixer.draw(ids, rng, step=step, shape=shape_of(images))
            done = mixer.apply(images, drawn)
            sums.pixels(images, done)
            shares = mixer.shares(drawn, size).tolist()
            for place, other in enumerate(drawn["partner"].tolist() if step < self.draws else ()):
                own, theirs = (_label(self.data, self.samples[each]) for each in (place, other))
                said = f"{shares[place]:.2f} {own}", f"{1 - shares[place]:.2f} {theirs}"
                tiles[place].append(Tile(marked(done[place], Annotations(), least=self.limits.tile), said))
                picture = self._picture(name, place, step, ", ".join(said), Annotations())
                pictures[place, step] = replace(picture, objects=None, share=shares[place])
        ordered = [pictures[key] for key in sorted(pictures)]
        return sums.change(name, mixer.words), ordered, tiles

    def _groups(self) -> list[list[int]]:
        """Places of images of one size, which go together."""
        found: dict[tuple[int, ...], list[int]] = {}
        for place, one in enumerate(self.samples):
            found.setdefault(tuple(one.image.shape), []).append(place)
        return list(found.values())

    def _moved(
        self, transform: Transform, drawn: Parameters, size: tuple[int, int], number: int, sample: Sample
    ) -> Sample:
        return transform.moved(sample, drawn, size, row=number, visible=self.limits.visible)

    def _picture(self, name: str, place: int, step: int, label: str, marks: Annotations) -> Picture:
        end = "" if self.draws == 1 else f"-{step}"
        objects = marks.objects if _has_objects(self.samples[place]) else None
        one = self.samples[place]
        return Picture(f"{name}-{place}{end}.png", self.rows[place], one.name, name, step, label, objects)


class _Sums:
    """What the draws of one transform add up to."""

    def __init__(self) -> None:
        self.changes: list[Tensor] = []
        self.blanks: list[Tensor] = []
        self.gone = self.there = self.maps = 0
        self.unlabelled = 0.0

    def pixels(self, before: Tensor, after: Tensor) -> None:
        self.changes.append((after - before).abs().mean((1, 2, 3)).double().cpu())
        was, now = (each.std((1, 2, 3), correction=0) for each in (before, after))
        self.blanks.append(((now <= _LEFT * was) & (was > _LEAST)).double().cpu())

    def marks(self, before: Annotations, after: Annotations, hidden: Tensor | None, visible: float) -> None:
        if _has_objects(before):
            self.there += before.objects
            self.gone += before.objects - after.objects
            self.gone += 0 if hidden is None else _covered(after, hidden, visible)
        elif before.regions is not None and after.regions is not None:
            kept = after.regions if hidden is None else torch.where(hidden, VOID, after.regions)
            were, are = _classes(before.regions), _classes(kept)
            self.there += len(were)
            self.gone += len(were - are)
            self.maps += 1
            loss = (after.regions == VOID).double().mean() - (before.regions == VOID).double().mean()
            self.unlabelled += max(float(loss), 0.0)

    def change(self, name: str, words: str) -> Change:
        changes, blanks = torch.cat(self.changes), torch.cat(self.blanks)
        entry = described(name)
        why = "no objects are marked"
        return Change(
            name=name,
            words=words,
            family=entry.family,
            harms=entry.harms,
            change=_mean(changes),
            blank=_mean(blanks),
            lost=Number.of(self.gone / self.there, n=self.there, why="counted")
            if self.there
            else Number(None, why=why),
            unlabelled=Number.of(self.unlabelled / self.maps, n=self.maps, why="mean over draws")
            if self.maps
            else Number(None, why="no region maps"),
        )


def _mean(values: Tensor) -> Number:
    return Number.of(float(values.mean()), n=len(values), why="mean over draws")


def _classes(regions: Tensor) -> set[int]:
    """The classes that a region map shows."""
    counts = torch.bincount(regions.flatten().long(), minlength=VOID + 1)
    return set(counts[:VOID].nonzero()[:, 0].tolist())


def _covered(known: Annotations, hidden: Tensor, visible: float) -> int:
    """How many objects are hidden but for less than ``visible`` of their box, or of their mask."""
    if known.boxes is None:
        masks = known.masks if known.masks is not None else torch.zeros(0, *hidden.shape, dtype=torch.bool)
        seen = (masks & ~hidden).sum((1, 2)) / masks.sum((1, 2)).clamp(min=1)
        return int((seen < visible).sum())
    count = 0
    for left, top, right, bottom in known.boxes.tolist():
        part = hidden[int(top) : max(round(bottom), int(top) + 1), int(left) : max(round(right), int(left) + 1)]
        count += int(float((~part).double().mean()) < visible) if part.numel() else 0
    return count


def _has_objects(known: Annotations) -> bool:
    return known.objects > 0


def _hindrance(name: str, data: Dataset, images: int) -> str:
    """Why a transform cannot be shown on these data, or ""."""
    if described(name).needs_colour and data.channels == 1:
        return "the images are grey"
    if is_mixer(name) and data.task not in {"classes", "tags"}:
        return "it mixes labels of whole images, which these data do not have"
    if is_mixer(name) and images < 2:
        return "it needs two images"
    return ""


def _shown(data: Dataset, row: int, side: int) -> Sample:
    """One image with its marks, at ``side`` pixels at most, its aspect kept."""
    height, width = data.size or data.store.size_of(int(data.places[row]))
    if data.size is not None and max(height, width) <= side:
        return data.sample(row)
    scale = min(1.0, side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    if data.geometry is not None:  # the images are shrunk from what it makes of them
        sample, geometry = data.sample(row), Geometry(size, crop="none")
        marks = sample.moved(geometry, (height, width))
        return replace(sample, image=geometry.apply(sample.image), **{name: getattr(marks, name) for name in _MARKS})
    return data.resized(Geometry(size, crop="none")).sample(row)


def _label(data: Dataset, sample: Sample) -> str:
    if data.task == "classes":
        return data.classes[sample.label]
    if sample.tags is not None and data.task == "tags":
        return " + ".join(name for name, there in zip(data.classes, sample.tags.tolist(), strict=True) if there)
    return ""


def _sheet(grid: _Grid, names: Sequence[str], columns: Sequence[Sequence[Sequence[Tile]]]) -> bytes:
    rows = []
    for place, sample in enumerate(grid.samples):
        for step in range(grid.draws):
            words = _label(grid.data, sample) or sample.name if step == 0 else f"draw {step + 1}"
            rows.append((words, [column[place][step] for column in columns]))
    data = grid.data
    counts = ((len(grid.samples), "image"), (len(names), "transform"))
    words = ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts)
    title = f"{data.name}, {data.split}: {words}, seed {grid.seed}"
    return sheet(rows, ["original", *names], title=title)
