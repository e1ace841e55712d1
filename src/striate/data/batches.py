"""Batches of a split: by indexing where it is in memory, else decoded ahead by a thread or by worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry, from_bytes

from .stores import Store

if TYPE_CHECKING:
    from .dataset import Dataset

Batch = tuple[Tensor, Tensor, Tensor]
_AHEAD = 2  # batches that are decoded before they are asked for


def batches(data: Dataset, size: int, *, order: Tensor | None = None, workers: int = 0) -> Iterator[Batch]:
    """Rows, images (n, C, H, W) float32 in [0, 1] and labels, ``size`` at a time; the last batch may be smaller.

    Args:
        data: The split.
        size: Images a batch.
        order: Rows in the order in which they come; None for all of them from first to last.
        workers: Threads that bring data into memory once, or processes that decode what does not fit.

    Raises:
        StriateError: ``size`` is below 1, ``workers`` is negative, or a row of ``order`` is not there.
        ImageError: A file cannot be read; the message holds its name, also when a worker met it.
    """
    if size < 1:
        raise StriateError(f"batch is {size}", accepted="a whole number of at least 1")
    if workers < 0:
        raise StriateError(f"workers is {workers}", accepted="a whole number of at least 0")
    rows = torch.arange(len(data)) if order is None else data.rows(order)
    if not len(rows):
        return
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    if data.in_memory:
        whole = len(rows) * 2 > len(data)
        pixels = data.pixels(workers=workers) if whole else None
        for chunk in chunks:
            bytes_ = pixels[chunk] if pixels is not None else data.read(chunk)
            yield chunk, from_bytes(bytes_), data.labels[chunk]
    elif workers:
        yield from _by_processes(data, chunks, workers)
    else:
        yield from _by_thread(data, chunks)


def _by_thread(data: Dataset, chunks: list[Tensor]) -> Iterator[Batch]:
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(data.read, chunk) for chunk in chunks[:_AHEAD]]
        try:
            for number, chunk in enumerate(chunks):
                pixels = waiting.pop(0).result()
                if number + _AHEAD < len(chunks):
                    waiting.append(pool.submit(data.read, chunks[number + _AHEAD]))
                yield chunk, from_bytes(pixels), data.labels[chunk]
        finally:
            for one in waiting:
                one.cancel()


@dataclass(frozen=True)
class _Reading:
    """What a worker process needs; a mistake comes back as a value, for torch would wrap it in a traceback."""

    store: Store
    places: list[Tensor]
    channels: int
    geometry: Geometry | None

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> Tensor | StriateError:
        try:
            return self.store.read(self.places[number], self.channels, self.geometry)
        except StriateError as error:
            return error


def _by_processes(data: Dataset, chunks: list[Tensor], workers: int) -> Iterator[Batch]:
    from torch.utils.data import DataLoader

    data.ready()
    reading = _Reading(data.store, [data.places[chunk] for chunk in chunks], data.channels, data.geometry)
    loader: DataLoader[Tensor] = DataLoader(
        reading,  # type: ignore[arg-type]
        batch_size=None, num_workers=min(workers, len(chunks)), prefetch_factor=_AHEAD, collate_fn=_same,
        generator=torch.Generator(),  # else torch would draw a seed from the global state
    )  # fmt: skip
    try:
        for chunk, pixels in zip(chunks, loader, strict=True):
            if isinstance(pixels, StriateError):
                raise ImageError(pixels.given, accepted=pixels.accepted, hint=pixels.hint)
            yield chunk, from_bytes(pixels), data.labels[chunk]
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise StriateError(f"a worker that reads {data.name} ended: {error}", hint="--workers 0") from error


def _same(value: Any) -> Any:
    return value
