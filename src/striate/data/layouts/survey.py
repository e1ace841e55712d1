"""Class maps looked at once before work begins: what they hold, and which of them do not fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from striate.core.errors import ImageError, StriateError
from striate.core.image import read_header

from ..dataset import BrokenFile
from ..source import Request
from ..tree import Tree
from .masks import MaskFile, NumberFile
from .objects import Picture

MOST = 20_000  # pictures whose maps are decoded before the work; of more only the headers are read
Presence = npt.NDArray[np.bool_]


def survey(tree: Tree, pictures: Sequence[Picture], request: Request) -> tuple[list[Picture], list[BrokenFile]]:
    """The pictures whose maps fit their images, and the maps that do not, with the reason."""
    found, wrong, _ = look_over(tree, pictures, request)
    return found, wrong


def look_over(
    tree: Tree, pictures: Sequence[Picture], request: Request
) -> tuple[list[Picture], list[BrokenFile], Presence | None]:
    """As `survey`; and the classes (pictures, 256) that each map shows, None where there are too many to decode."""
    mapped = sum(one.regions is not None or one.instances is not None for one in pictures)
    whole = mapped <= MOST
    kept: list[Picture] = []
    wrong: list[BrokenFile] = []
    shown: list[Presence] = []
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool, request.progress.task("read masks", mapped, unit="files") as step:
        for one, found in zip(pictures, pool.map(lambda each: _looked(tree, each, whole=whole), pictures), strict=True):
            if isinstance(found, BrokenFile):
                wrong.append(found)
            else:
                picture, seen = found
                kept.append(picture)
                shown.append(seen)
            step(int(one.regions is not None or one.instances is not None))
    table = np.stack(shown) if shown else np.zeros((0, 256), dtype=bool)
    return kept, wrong, table if whole else None


def _looked(tree: Tree, picture: Picture, *, whole: bool) -> tuple[Picture, Presence] | BrokenFile:
    seen = np.zeros(256, dtype=bool)
    maps = [one for one in (picture.regions, picture.instances) if isinstance(one, MaskFile | NumberFile)]
    if not maps:
        return picture, seen
    try:
        header = read_header(tree.source(picture.name), name=picture.name)
    except ImageError:  # the image itself is broken: it is named when images are opened
        return picture, seen
    size = (header.height, header.width)
    for one in maps:
        try:
            if whole:
                values = one.read(size)
                if one is picture.regions:
                    seen |= np.bincount(values.reshape(-1), minlength=256) > 0
            else:
                told = read_header(tree.source(one.name), name=one.name)
                if (told.height, told.width) != size:
                    return BrokenFile(one.name, f"has {told.width}x{told.height} pixels, its image {size[1]}x{size[0]}")
        except StriateError as error:
            return BrokenFile(one.name, str(error).removeprefix(f"{tree.name}/{one.name}").strip())
    return replace(picture, size=size), seen
