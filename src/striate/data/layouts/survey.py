"""Class maps looked at once before work begins: what they hold, and which of them do not fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from striate.core.errors import ImageError, StriateError
from striate.core.image import read_header

from ..annotations import VOID
from ..dataset import BrokenFile
from ..source import Request
from ..tree import Tree
from .masks import MaskFile, NumberFile
from .objects import Picture

MOST = 20_000  # pictures whose maps are decoded before the work; of more only the headers are read
_THREADS = min(8, os.cpu_count() or 1)


def survey(tree: Tree, pictures: Sequence[Picture], request: Request) -> tuple[list[Picture], list[BrokenFile]]:
    """The pictures whose maps fit their images, with the classes that they show, and the maps that do not fit."""
    mapped = [one.regions is not None or one.instances is not None for one in pictures]
    whole = sum(mapped) <= MOST
    kept: list[Picture] = []
    wrong: list[BrokenFile] = []
    with ThreadPoolExecutor(_THREADS) as pool, request.progress.task("read masks", sum(mapped), unit="files") as step:
        for counts, found in zip(
            mapped, pool.map(lambda each: _looked(tree, each, whole=whole), pictures), strict=True
        ):
            if isinstance(found, BrokenFile):
                wrong.append(found)
            else:
                kept.append(found)
            step(int(counts))
    return kept, wrong


def _looked(tree: Tree, picture: Picture, *, whole: bool) -> Picture | BrokenFile:
    maps = [one for one in (picture.regions, picture.instances) if isinstance(one, MaskFile | NumberFile)]
    if not maps:
        return picture
    try:
        header = read_header(tree.source(picture.name), name=picture.name)
    except ImageError:  # the image itself is broken: it is named when images are opened
        return picture
    size = (header.height, header.width)
    shows = picture.shows
    for one in maps:
        try:
            if not whole:
                told = read_header(tree.source(one.name), name=one.name)
                if (told.height, told.width) != size:
                    return BrokenFile(one.name, f"has {told.width}x{told.height} pixels, its image {size[1]}x{size[0]}")
                continue
            values = one.read(size)
        except StriateError as error:
            return BrokenFile(one.name, str(error).removeprefix(f"{tree.name}/{one.name}").strip())
        if one is picture.regions:
            found = np.flatnonzero(np.bincount(values.reshape(-1), minlength=256))
            shows = tuple(int(kind) for kind in found if kind != VOID)
    return replace(picture, size=size, shows=shows)
