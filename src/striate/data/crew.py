"""A crew of processes that read images ahead into shared memory; whatever happens to one of them is named."""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import signal
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from striate.core.decode import renew_lock
from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry

from .errands import Done, Errand, Lender
from .stores import Store
from .tree import ChangedError

METHOD: str | None = None  # how processes are started: fork, spawn, forkserver; None for what Python takes here
SILENCE = 120.0  # seconds without a sign of life after which a worker counts as hanging
AHEAD_BYTES = 1 << 28  # of images that are read before they are asked for, all workers together
PIECE_BYTES = 1 << 24  # of images that a worker reads at a time
PIECE_ROWS = 256
_LOOK = 2.0  # seconds after which a worker looks whether its parent is alive, and the parent whether its workers are
_ERRORS: dict[str, type[StriateError]] = {"ImageError": ImageError, "ChangedError": ChangedError}
_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Wanted:
    """How the images are wanted.

    Attributes:
        name: What the data are called in messages.
        store: Where they come from.
        channels: 1 or 3.
        geometry: What brings them to their size.
        size: Height and width.
    """

    name: str
    store: Store
    channels: int
    geometry: Geometry | None
    size: tuple[int, int]

    @property
    def piece(self) -> int:
        """Images that a worker reads at a time."""
        one = self.channels * self.size[0] * self.size[1]
        return max(1, min(PIECE_ROWS, PIECE_BYTES // max(one, 1)))


@dataclass(eq=False)
class _Worker:
    process: Any
    line: connection.Connection
    waiting: deque[int] = field(default_factory=deque)  # pieces given to it, in their order
    heard: float = 0.0
    place: int = -1


def read_by_processes(
    wanted: Wanted, pieces: Iterator[Tensor], *, count: int, workers: int
) -> Generator[tuple[Tensor, Tensor | None, _Bytes], None, None]:
    """Places, which of them could be read (None: all), and their images, piece by piece in order.

    The images lie in shared memory, which the next piece may be written to: use or copy them at once. No more than
    `AHEAD_BYTES` are in use (or two pieces). Workers ignore Ctrl-C, end with their parent, and are gone, not zombies,
    when this generator is closed or done.

    Args:
        wanted: What to read.
        pieces: Places of at most ``wanted.piece`` images each; asked for as they are given out.
        count: How many pieces there will be.
        workers: Processes.

    Raises:
        StriateError: A worker ended, was killed, or gave no sign of life for `SILENCE` seconds; the message names the
            file that it was at. And whatever reading raises.
    """
    shape = (wanted.piece, wanted.channels, *wanted.size)
    slots = max(2, min(2 * workers + 1, count + 1, AHEAD_BYTES // max(int(np.prod(shape)), 1)))
    with _crew(wanted, shape, slots, min(workers, slots - 1, count)) as (crew, memory, at):
        given: dict[int, tuple[Tensor, int, _Worker]] = {}  # piece -> its places, slot and worker
        answers: dict[int, Any] = {}
        free, next_piece = deque(range(slots)), 0
        for number in range(count):
            while next_piece < count and free and (worker := _idlest(crew)):
                places, slot = next(pieces), free.popleft()
                _send(worker, (next_piece, slot, _message(wanted.store, places)), wanted, given)
                given[next_piece] = (places, slot, worker)
                next_piece += 1
            while number not in answers:
                _listen(crew, given, answers, at, wanted)
            places, slot, _ = given.pop(number)
            done = _good(answers.pop(number))
            good = wanted.store.settle(places, done) if isinstance(wanted.store, Lender) and done else None
            yield places, None if good is None or bool(good.all()) else good, memory[slot, : len(places)]
            free.append(slot)


def _idlest(crew: list[_Worker]) -> _Worker | None:
    worker = min(crew, key=lambda one: len(one.waiting))
    return worker if len(worker.waiting) < 2 else None


def _message(store: Store, places: Tensor) -> Errand | list[int]:
    return store.errand(places) if isinstance(store, Lender) else places.tolist()


def _send(worker: _Worker, message: tuple[int, int, Any], wanted: Wanted, given: dict[int, Any]) -> None:
    if not worker.waiting:
        worker.heard = time.monotonic()
    try:
        worker.line.send(message)
    except OSError:
        raise _ended(worker, wanted, given, -1) from None
    worker.waiting.append(message[0])


def _listen(crew: list[_Worker], given: dict[int, Any], answers: dict[int, Any], at: Any, wanted: Wanted) -> None:
    """Takes what workers have to say; raises where one is gone or has been silent for too long."""
    ready = connection.wait([*(one.line for one in crew), *(one.process.sentinel for one in crew)], _LOOK)
    now = time.monotonic()
    for number, one in enumerate(crew):
        place = at[number]
        try:
            while one.line.poll():
                piece, *answer = one.line.recv()
                answers[piece] = answer
                one.waiting.remove(piece)
                one.heard = now
        except (EOFError, OSError):
            raise _ended(one, wanted, given, place) from None
        if one.process.sentinel in ready:
            raise _ended(one, wanted, given, place)
        if place != one.place:
            one.place, one.heard = place, now
        if one.waiting and now - one.heard > SILENCE:
            raise StriateError(
                f"a worker has given no sign of life for {SILENCE:.0f} seconds{_where(one, wanted, given, place)}",
                accepted="files that can be read in that time",
                hint="look whether the disk answers; --workers 0 reads without workers",
            )


def _where(worker: _Worker, wanted: Wanted, given: dict[int, Any], place: int) -> str:
    """The file a worker was at, in words."""
    piece = worker.waiting[0] if worker.waiting else -1
    places = given[piece][0] if piece in given else torch.empty(0)
    if place // PIECE_ROWS != piece or place % PIECE_ROWS >= len(places):
        return f" while it read {wanted.name}"
    return f" while it read {wanted.name}/{wanted.store.name_of(int(places[place % PIECE_ROWS]))}"


def _ended(worker: _Worker, wanted: Wanted, given: dict[int, Any], place: int) -> StriateError:
    worker.process.join(1)
    code = worker.process.exitcode
    if code is not None and code < 0:
        names = {one.value: one.name for one in signal.Signals}
        how = f"was killed ({names.get(-code, -code)})"
    else:
        how = f"ended with code {code}"
    given_up = f"a worker process {how}{_where(worker, wanted, given, place)}"
    if code == -9:
        return StriateError(given_up, accepted="memory enough for all workers", hint="fewer workers, or --workers 0")
    if place < 0:
        return StriateError(given_up, accepted="scripts that begin under if __name__ == '__main__'", hint="--workers 0")
    return StriateError(given_up, hint="--workers 0, which shows what is wrong with the file")


def _good(answer: list[Any]) -> Done | None:
    kind, *said = answer
    if kind == "done":
        done: Done | None = said[0]
        return done
    if kind == "bug":
        raise RuntimeError(f"a worker failed:\n{said[0]}")
    name, given, accepted, hint = said
    raise _ERRORS.get(name, StriateError)(given, accepted=accepted, hint=hint)


@contextmanager
def _crew(
    wanted: Wanted, shape: tuple[int, ...], slots: int, workers: int
) -> Iterator[tuple[list[_Worker], _Bytes, Any]]:
    context: Any = multiprocessing.get_context(METHOD)
    forks = context.get_start_method() == "fork"
    size = slots * int(np.prod(shape))
    buffer = mmap.mmap(-1, max(size, 1)) if forks else context.RawArray(ctypes.c_uint8, max(size, 1))
    at = context.RawArray(ctypes.c_int64, [-1] * workers)
    store = None if isinstance(wanted.store, Lender) else wanted.store
    crew: list[_Worker] = []
    dismiss = weakref.finalize(at, _dismiss, crew)  # also when Python ends while a loop over batches is open
    try:
        with _undisturbed():
            for number in range(workers):
                ours, theirs = context.Pipe()
                post = _Post(
                    number, theirs, buffer, at, (slots, *shape), store, wanted.channels, wanted.geometry, os.getpid(),
                    (ours, *(one.line for one in crew)) if forks else (),
                )  # fmt: skip
                process = context.Process(target=_serve, args=(post,), daemon=True)
                try:
                    process.start()
                except OSError as error:
                    raise StriateError(f"a worker cannot be started: {error}", hint="fewer workers") from error
                theirs.close()
                crew.append(_Worker(process, ours))
        yield crew, np.frombuffer(buffer, np.uint8, size).reshape(slots, *shape), at
    finally:
        dismiss()


def _dismiss(crew: list[_Worker]) -> None:
    """Ends all workers and waits for them: those at work are killed, for reading leaves nothing half done."""
    for one in crew:
        one.line.close()
        if one.waiting:
            one.process.kill()
    for one in crew:
        one.process.join(_LOOK)
        if one.process.is_alive():
            one.process.kill()
            one.process.join()
        one.process.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits while processes are started, and counts afterwards.

    The processes inherit that it is blocked, until they have said that they ignore it. Blocking is not enough for this
    process: another thread may take the signal, and what Python then raises inside of a fork is lost.
    """
    came: list[tuple[Any, ...]] = []
    handler = signal.getsignal(signal.SIGINT)
    defers = callable(handler) and threading.current_thread() is threading.main_thread()
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    if defers:
        signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if defers:
            signal.signal(signal.SIGINT, handler)
    if came and callable(handler):
        handler(*came[0])


@dataclass(frozen=True, eq=False)
class _Post:
    """What a worker is started with."""

    number: int
    line: connection.Connection
    buffer: Any
    at: Any
    shape: tuple[int, ...]
    store: Store | None
    channels: int
    geometry: Geometry | None
    parent: int
    others: tuple[connection.Connection, ...]


def _serve(post: _Post) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the parent ends us
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for other in post.others:  # else the end of the parent would not close the lines
        other.close()
    renew_lock()
    torch.set_num_threads(1)
    memory = np.frombuffer(post.buffer, np.uint8, int(np.prod(post.shape))).reshape(post.shape)
    while True:
        while not post.line.poll(_LOOK):
            if os.getppid() != post.parent:
                return
        try:
            piece, slot, message = post.line.recv()
        except (EOFError, OSError):
            return
        answer = _answer(post, memory[slot], piece, message)
        try:
            post.line.send((piece, *answer))
        except OSError:
            return


def _answer(post: _Post, out: _Bytes, piece: int, message: Errand | list[int]) -> tuple[Any, ...]:
    def at(number: int) -> None:
        post.at[post.number] = piece * PIECE_ROWS + number

    try:
        if isinstance(message, Errand):
            return "done", message.read(out[: len(message.names)], post.channels, post.geometry, at)
        assert post.store is not None
        at(0)
        out[: len(message)] = post.store.read(torch.tensor(message), post.channels, post.geometry).numpy()
    except StriateError as error:
        return "error", type(error).__name__, error.given, error.accepted, error.hint
    except MemoryError:
        return "error", "StriateError", "memory ran out in a worker", "", "fewer workers, or --workers 0"
    except Exception:  # whatever it is, the parent shall see it and not wait
        return "bug", traceback.format_exc()
    return "done", None


__all__ = ["AHEAD_BYTES", "METHOD", "SILENCE", "Wanted", "read_by_processes"]
