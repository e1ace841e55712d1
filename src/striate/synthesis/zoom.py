"""An endless zoom into a dream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from striate.core.errors import StriateError
from striate.core.film import encode_film
from striate.core.progress import SILENT
from striate.core.rng import image_ids
from striate.nets.net import Net

from .dream import Dreaming, dreamt
from .made import Made
from .octaves import enlarged
from .watch import Watch

RATE = 12.0  # frames a second


def zoom_frames(
    net: Net,
    dreams: Made,
    frames: int,
    *,
    how: Dreaming | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> list[Tensor]:
    """Frames (N, C, H, W) of a zoom into dreams: enlarged a little about the centre, dreamt on, and again.

    The first frame are the dreams as they are. Cost: for each image, octave and later frame ``zoom_steps`` passes
    forward and backward and two forward.

    Raises:
        StriateError: ``frames`` is below 1, ``how.zoom`` is below 1, the images have no objective.

    Source: Mordvintsev et al. 2015, the last cells of the notebook.
    """
    if frames < 1:
        raise StriateError(f"zoom is {frames}", accepted="at least 1 frame")
    if dreams.objective is None:
        raise StriateError("a zoom into images without an objective", accepted="what dream gives")
    how, film, ids = how or Dreaming(), [dreams.images], image_ids(dreams.images)
    progress = SILENT if watch is None else watch.progress
    for turn in progress.track(range(1, frames), "zoom", frames - 1, unit="frames"):
        near = enlarged(film[-1], how.zoom)
        octaves = dreamt(
            net, dreams.objective, near, how=how, ids=ids, seed=seed, steps=how.zoom_steps, turn=turn, memory=memory
        )
        film.append(octaves[-1].found.images)
        if watch is not None and watch.due:
            watch.look(film[-1])
    return film


def with_zoom(dreams: Made, frames: Sequence[Tensor]) -> Made:
    """The dreams with a film of each, ``zoom.mp4`` with PyAV, else ``zoom.gif``; several are told apart by name."""
    films = {}
    for k, stem in enumerate(dreams.stems):
        ending, film = encode_film([frame[k] for frame in frames], rate=RATE)
        films[f"zoom{f'-{stem}' if len(dreams.stems) > 1 else ''}.{ending}"] = film
    return replace(dreams, films={**dreams.films, **films})
