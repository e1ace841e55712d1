"""What a run computes on: Fabric's device and precision, torch made exact, all of it undone afterwards."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from striate.core.errors import RunError

from .averages import Average
from .events import State
from .feed import FORMATS, Feed, MemoryFormat
from .groups import Grouped, divide
from .optim import build_optimizer
from .recipe import Recipe
from .task import Task

Precision = Literal["float32", "bfloat16"]
_PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


@contextmanager
def exact(device: str, threads: int | None) -> Iterator[None]:
    """Inside, torch computes the same bits each time, with ``threads`` threads; afterwards it is set as it was.

    Elsewhere than on a CPU an operation that has no such form gives a warning instead (torch names it), and a resumed
    run may differ in the last bits.
    """
    filled: Any = torch.utils.deterministic  # its attribute is made at run time
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        filled.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        torch.get_num_threads(),
        torch.is_autocast_cache_enabled(),
    )
    if threads is not None and threads < 1:
        raise RunError(f"threads is {threads}", accepted="a whole number of at least 1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA refuses to be deterministic
    try:
        torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
        filled.fill_uninitialized_memory = False  # nothing here reads memory that it did not write
        torch.backends.cudnn.benchmark = False
        # within another autocast, copies of the weights in bfloat16 would be kept for good: each step needs fresh ones
        torch.set_autocast_cache_enabled(False)
        if threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        filled.fill_uninitialized_memory = before[2]
        torch.backends.cudnn.benchmark = before[3]
        torch.set_autocast_cache_enabled(before[5])
        if threads is not None:
            torch.set_num_threads(before[4])


def build_fabric(device: str, precision: str, memory_format: str) -> Fabric:
    """Fabric on one device, without its banner.

    Raises:
        RunError: There is no such device, precision or memory format.
    """
    for name, value, known in (("precision", precision, _PRECISIONS), ("memory_format", memory_format, FORMATS)):
        if value not in known:
            raise RunError(f"{name} is {value!r}", accepted=" or ".join(known))
    kind, _, index = device.partition(":")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind):
        raise RunError(f"device {device!r} is not there", accepted=", ".join(name for name in there if there[name]))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return Fabric(
        accelerator=kind, devices=[int(index or 0)] if kind == "cuda" else 1, precision=_PRECISIONS[precision]
    )


@contextmanager
def set_up(
    fabric: Fabric, task: Task, recipe: Recipe, *, epochs: int, feed: Feed, memory_format: MemoryFormat
) -> Iterator[State]:
    """The state of a run before its first step; inside, ``task.nets`` are what Fabric makes of them."""
    nets = dict(task.nets)
    optimizers = {}
    try:
        for name, net in nets.items():
            net.to(memory_format=FORMATS[memory_format])
            optimizer = build_optimizer(recipe.optimizer, net)
            if isinstance(task, Grouped):
                divide(optimizer, task.groups(name))
            task.nets[name], optimizers[name] = fabric.setup(net, optimizer)
        yield State(
            task=task,
            nets=nets,
            optimizers=optimizers,
            epochs=epochs,
            steps=epochs * feed.steps,
            batch=min(feed.batch, len(feed.data)),
            average=Average(recipe.average, nets) if recipe.average else None,
        )
    finally:
        task.nets.update(nets)
