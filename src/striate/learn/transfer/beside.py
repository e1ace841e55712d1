"""What a transferred net has to beat: pixels, HOG and visual words with a linear machine, on the same images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from torch import Tensor

from striate.core.image import Geometry
from striate.core.number import Number
from striate.core.progress import SILENT, Progress, idle
from striate.data.dataset import Dataset, Splits
from striate.learn.baselines import FEATURES
from striate.learn.baselines.measure import measure_baselines
from striate.metrics.intervals import wilson

from .codes import Codes, flat_codes

SIDES = {32: ("pixels",), 64: ("hog", "words")}  # short side to which images are brought for these features
DRAWN_FROM = ("hog", "pixels")  # in the few-shot curve: nothing of them is fitted
NAMES = {"pixels": "pixels", "hog": "histograms of oriented gradients", "words": "visual words"}
MEMORY = 1 << 30


@dataclass(frozen=True)
class Judged:
    """Which test images are right, by what, in how many seconds, and the share of dev right."""

    right: Tensor
    what: str
    seconds: float
    dev: Number


def judged_baselines(
    splits: Splits, *, workers: int = 0, seed: int = 0, progress: Progress = SILENT
) -> dict[str, Judged]:
    """HOG, pixels and visual words, each with a linear machine fitted on train whose cost dev chose.

    Images keep the part that the net sees and are brought to a short side of 64 (pixels: 32). Visual words are left out
    where OpenCV is not installed, which is said.
    """
    found: dict[str, Judged] = {}
    for side, names in SIDES.items():
        possible = tuple(name for name in names if name != "words" or find_spec("cv2") is not None)
        if possible != names:
            progress.say('visual words are left out: they need OpenCV, pip install "striate[classical]"')
        train, dev, test = (brought(part, side) for part in splits)
        measured = measure_baselines(
            train, dev, test, features=possible, classifiers=("svm",), workers=workers, seed=seed, progress=progress
        )
        for made in measured.features:
            row = measured.of(made.name, "svm")
            said = f"{NAMES[made.name]} at {side_of(train)} px ({made.said}), linear support vector machine"
            share = wilson(round(row.dev * measured.dev), measured.dev)
            found[made.name] = Judged(row.correct, f"{said}, {row.chosen}", made.seconds + row.seconds, share)
    return {name: found[name] for name in NAMES if name in found}


def plain_codes(splits: Splits, *, seed: int = 0) -> dict[str, dict[str, Codes]]:
    """HOG and pixels of every image, by feature and split: what the few-shot curve draws from."""
    side = {name: side for side, names in SIDES.items() for name in names}
    found: dict[str, dict[str, Codes]] = {}
    for name in DRAWN_FROM:
        parts = [brought(part, side[name]) for part in splits]
        make = FEATURES.load(name)(parts[0], seed=seed, memory=MEMORY, step=idle)
        found[name] = {part.split: flat_codes(part, make) for part in parts}
    return found


def brought(data: Dataset, side: int) -> Dataset:
    """The same part of each image with a short side of ``side`` pixels; smaller images stay as they are."""
    size = data.size
    if size is None or min(size) <= side:
        return data
    scale = side / min(size)
    small = (round(size[0] * scale), round(size[1] * scale))
    known = data.geometry or Geometry(size)
    return data.resized(
        replace(known, size=small, resize=None if known.resize is None else round(known.resize * scale))
    )


def side_of(data: Dataset) -> int:
    """Their short side."""
    return min(data.size or (0, 0))
