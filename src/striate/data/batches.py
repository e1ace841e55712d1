"""Batches of a split: by indexing where it is in memory, else decoded ahead by threads or by worker processes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes

from .stores import TensorStore

if TYPE_CHECKING:
    from .dataset import Dataset

Batch = tuple[Tensor, Tensor, Tensor]
_THREADS = 2  # that decode where there are no workers; decoding leaves Python's lock to others


def batches(data: Dataset, size: int, *, order: Tensor | None = None, workers: int = 0) -> Iterator[Batch]:
    """Rows, images (n, C, H, W) float32 in [0, 1] and labels, ``size`` at a time; the last batch may be smaller.

    A split that fits into memory (`FITS`) is decoded once, as its rows come by, and indexed from then on. What is read
    ahead never takes more than `AHEAD_BYTES` (or two pieces of a batch), however many workers there are.

    Args:
        data: The split. Of a huge folder loaded with ``skip_broken``, rows whose files turn out to be broken are left
            out of their batch; the rows given say which came.
        size: Images a batch.
        order: Rows in the order in which they come; None for all of them from first to last.
        workers: Processes that decode; 0 for threads of this one.

    Raises:
        StriateError: ``size`` is below 1, ``workers`` is negative, a row of ``order`` is not there; a file was changed
            under the run, or a worker died or hangs: the message holds the file's name.
        ImageError: A file cannot be read; the message holds its name, also when a worker met it.
    """
    if size < 1:
        raise StriateError(f"batch is {size}", accepted="a whole number of at least 1")
    if workers < 0:
        raise StriateError(f"workers is {workers}", accepted="a whole number of at least 0")
    rows = torch.arange(len(data)) if order is None else data.rows(order)
    if not len(rows):
        return
    chunks = torch.split(rows, size)
    if data.at_hand(rows):
        for chunk in chunks:
            yield chunk, from_bytes(data.read(chunk)), data.labels[chunk]
        return
    data.ready()
    found = _by_processes if workers and not isinstance(data.store, TensorStore) else _by_threads
    for chunk, images in found(data, chunks, workers):
        if len(chunk):
            yield chunk, images, data.labels[chunk]


def _by_threads(data: Dataset, chunks: tuple[Tensor, ...], workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    from .crew import AHEAD_BYTES

    height, width = data.size or (0, 0)
    weight = max(len(chunks[0]) * data.channels * height * width, 1)
    threads = max(workers, min(_THREADS, os.cpu_count() or 1))
    ahead = max(1, min(2 * threads, AHEAD_BYTES // weight))
    with ThreadPoolExecutor(min(threads, ahead)) as pool:
        waiting: deque[Future[tuple[Tensor, Tensor]]] = deque(pool.submit(data.readable, one) for one in chunks[:ahead])
        try:
            for number in range(len(chunks)):
                rows, pixels = waiting.popleft().result()
                if number + ahead < len(chunks):
                    waiting.append(pool.submit(data.readable, chunks[number + ahead]))
                yield rows, from_bytes(pixels)
        finally:
            for one in waiting:
                one.cancel()


def _by_processes(data: Dataset, chunks: tuple[Tensor, ...], workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    from .crew import Wanted, read_by_processes

    wanted = Wanted(data.name, data.store, data.channels, data.geometry, data.size or (0, 0))
    needed = [torch.split(data.missing(chunk), wanted.piece) if not data.at_hand(chunk) else () for chunk in chunks]
    pieces = [piece for parts in needed for piece in parts]
    read = read_by_processes(wanted, (data.places[piece] for piece in pieces), count=len(pieces), workers=workers)
    try:
        for chunk, parts in zip(chunks, needed, strict=True):
            if not parts:
                yield chunk, from_bytes(data.read(chunk))
                continue
            keeps, bad, made = data.in_memory, [], []
            for piece in parts:
                _, good, memory = next(read)
                pixels, rows = torch.from_numpy(memory), piece
                if good is not None:
                    bad.append(piece[~good])
                    pixels, rows = pixels[good], piece[good]
                if keeps:
                    data.keep(rows, pixels)
                else:
                    made.append(from_bytes(pixels))
            rows = chunk if not bad else chunk[~torch.isin(chunk, torch.cat(bad))]
            yield rows, from_bytes(data.read(rows)) if keeps else made[0] if len(made) == 1 else torch.cat(made)
    finally:
        read.close()
