"""Ranks: the processes of one call under torchrun, SLURM or MPI, and what they tell each other.

Who they are comes from Lightning Fabric's environments. One process is a `Ranks` of its own: nothing is sent.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import RunError, StriateError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
HINTS = ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "LSB_DJOB_RANKFILE")
WAIT = 2.0  # seconds in which those that still live are expected to say so


@dataclass(frozen=True)
class Ranks:
    """The processes that do one thing together, as one of them sees it.

    Attributes:
        number: Which this one is; 0 leads: it alone writes and shows.
        count: How many there are.
        local: Which of its own machine this one is; it computes on the GPU of that number.
    """

    number: int = 0
    count: int = 1
    local: int = 0
    store: Any = field(default=None, repr=False, compare=False)

    @property
    def leads(self) -> bool:
        """Whether this process writes and shows."""
        return self.number == 0

    def share_of(self, count: int) -> slice:
        """The part of this one of ``count`` things in a row: parts follow each other and differ by one at most."""
        return slice(self.number * count // self.count, (self.number + 1) * count // self.count)

    def gathered(self, value: T) -> list[T]:
        """The value of every rank, in order; it must be one that pickle takes."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.count
        with self._heard():
            dist.all_gather_object(values, value)
        return values

    def each(self, work: Callable[[], T]) -> list[T]:
        """What ``work`` gives on every rank, in order.

        Raises:
            StriateError: That of the first rank where it raised one, everywhere.
        """
        if self.count == 1:
            return [work()]
        values: list[Any] = self.gathered(_outcome(work))
        _raise_first(values)
        return values

    def led(self, work: Callable[[], T]) -> T:
        """What ``work`` gives on rank 0, which alone does it; its errors are raised everywhere."""
        if self.count == 1:
            return work()
        import torch.distributed as dist

        told: list[Any] = [_outcome(work) if self.leads else None]
        with self._heard():
            dist.broadcast_object_list(told, src=0)
        _raise_first(told)
        value: T = told[0]
        return value

    def sum_(self, values: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.count > 1:
            import torch.distributed as dist

            with self._heard():
                dist.all_reduce(values)
        return values

    def average_(self, values: Sequence[Tensor]) -> None:
        """The mean over all ranks of each of these tensors, in place; one message for all of a type."""
        if self.count == 1 or not values:
            return
        import torch

        for kind in dict.fromkeys((each.dtype, each.device) for each in values):
            alike = [each for each in values if (each.dtype, each.device) == kind]
            flat = self.sum_(torch.cat([each.detach().reshape(-1) for each in alike])).div_(self.count)
            for each, part in zip(alike, torch.split(flat, [each.numel() for each in alike]), strict=True):
                each.copy_(part.view_as(each))

    def fail(self, error: BaseException) -> None:
        """Leave word of what ended this process, for those that will miss it."""
        if self.store is not None:
            with suppress(RuntimeError):
                self.store.set(f"ended/{self.number}", f"{type(error).__name__}: {error}")

    def missing(self) -> str:
        """Which other process ended, and of what where it left word."""
        others = [each for each in range(self.count) if each != self.number]
        with suppress(RuntimeError):
            self.store.set(f"here/{self.number}", "")
            until = time.monotonic() + WAIT
            while True:
                words = {each: self._word(each) for each in others}
                silent = [each for each in others if not words[each] and not self._there(f"here/{each}")]
                told = [f"process {each} of {self.count} ended: {words[each]}" for each in others if words[each]]
                if told:
                    return "; ".join(told)
                if time.monotonic() > until or not silent:
                    break
                time.sleep(0.1)
            if silent:
                named = ", ".join(map(str, silent))
                return f"process {named} of {self.count} died without a word (killed, or out of memory, or cut off)"
        return f"one of the {self.count} processes died, and the launcher with it"

    def _there(self, key: str) -> bool:
        return bool(self.store.check([key]))

    def _word(self, number: int) -> str:
        key = f"ended/{number}"
        return self.store.get(key).decode(errors="replace") if self._there(key) else ""

    @contextmanager
    def _heard(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise RanksError(self.missing()) from error


class RanksError(RunError):
    """Another process of the same run is gone."""


ALONE = Ranks()
_joined: list[Ranks] = []


def ranks() -> Ranks:
    """The ranks that are joined now; one alone where none are."""
    return _joined[-1] if _joined else ALONE


@cache
def launched() -> Ranks:
    """Who this process is by what its launcher says, joined or not; one alone without a launcher.

    Raises:
        StriateError: The launcher's settings contradict each other.
    """
    if not any(name in os.environ for name in HINTS):
        return ALONE
    cluster = _cluster()
    if cluster is None or cluster.world_size() < 2:
        return ALONE
    return Ranks(cluster.global_rank(), cluster.world_size(), cluster.local_rank())


@contextmanager
def joined(device: str = "cpu") -> Iterator[Ranks]:
    """Inside, the processes of this launch can speak to each other (gloo, or NCCL for CUDA).

    Where they already can, nothing is done. A process that is told to end (SIGTERM: a launcher does so to all when one
    has failed) raises a `RanksError` instead, so that what is kept of its work can be said.

    Raises:
        StriateError: The processes did not find each other.
    """
    here = launched()
    if _joined or here.count == 1:
        yield ranks()
        return
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    cluster: Any = _cluster()
    os.environ.setdefault("MASTER_ADDR", cluster.main_address)
    os.environ.setdefault("MASTER_PORT", str(cluster.main_port))
    kind = device.partition(":")[0]
    if kind == "cuda":
        torch.cuda.set_device(here.local)
    try:
        store, _, _ = next(iter(rendezvous("env://", here.number, here.count)))
        dist.init_process_group(
            "nccl" if kind == "cuda" else "gloo",
            store=PrefixStore("striate", store),
            rank=here.number,
            world_size=here.count,
        )
    except (RuntimeError, ValueError) as error:
        raise StriateError(f"the {here.count} processes did not find each other: {error}") from error
    own = Ranks(here.number, here.count, here.local, PrefixStore("striate/words", store))
    _joined.append(own)
    try:
        with _told_to_end(own):
            yield own
    except BaseException as error:
        own.fail(error)
        raise
    finally:
        _joined.remove(own)
        with suppress(RuntimeError):
            dist.destroy_process_group()


@contextmanager
def _told_to_end(own: Ranks) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        del number, frame
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows must not be cut short
        raise RanksError(own.missing())

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cluster() -> Any:
    from lightning_fabric.plugins.environments.lsf import LSFEnvironment
    from lightning_fabric.plugins.environments.mpi import MPIEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    try:
        for kind in (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment):
            if kind.detect():
                return kind()
    except RuntimeError as error:
        raise StriateError(f"the launcher's settings do not fit: {error}") from error
    return None


@dataclass(frozen=True)
class _Failed:
    error: StriateError


def _outcome(work: Callable[[], T]) -> T | _Failed:
    try:
        return work()
    except StriateError as error:
        return _Failed(error)


def _raise_first(values: Sequence[object]) -> None:
    for value in values:
        if isinstance(value, _Failed):
            value.error.shared = True
            raise value.error


def is_told_elsewhere(error: BaseException) -> bool:
    """Whether rank 0 raises the same error, so that the others need not show it."""
    return not launched().leads and bool(getattr(error, "shared", False))


def say_as_rank(message: str) -> str:
    """The message, with the number of the process where that is not 0."""
    here = launched()
    return message if here.leads else f"process {here.number} of {here.count}: {message}"
