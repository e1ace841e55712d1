"""What a run computes on: Fabric's device and precision, torch made exact, all of it undone afterwards."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.wrappers import _FabricModule
from torch import nn

from striate.core.errors import RunError
from striate.core.ranks import launched, ranks
from striate.nets.net import Net

from .averages import Average
from .batchnorm import shared_batch_norm
from .events import State
from .feed import FORMATS, Feed, MemoryFormat
from .groups import Grouped, divide
from .optim import build_optimizer
from .optimizers.specs import Lbfgs
from .recipe import Recipe
from .task import Task

Precision = Literal["float32", "bfloat16", "float16"]
_PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}


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
    card = int(index) if index else launched().local
    # one device here, whatever a launcher started: ranks speak to each other by themselves
    plugins: list[Any] = [LightningEnvironment()]
    if precision == "float16":
        plugins.append(Scaled(kind))
        return Fabric(accelerator=kind, devices=[card] if kind == "cuda" else 1, plugins=plugins)
    return Fabric(
        accelerator=kind,
        devices=[card] if kind == "cuda" else 1,
        precision=_PRECISIONS[precision],
        plugins=plugins,
    )


def check_precision(precision: str, recipe: Recipe) -> None:
    """The optimizer can do with the precision; `RunError` otherwise."""
    if precision == "float16" and isinstance(recipe.optimizer, Lbfgs):
        raise RunError("the optimizer lbfgs in float16", accepted="float32 or bfloat16, or another optimizer")


class Scaled(MixedPrecision):
    """float16 with losses scaled up before backward, and steps left out whose gradients came out too large for it.

    Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2, with the factor that doubles after 2,000
    good steps and halves after a bad one, as in torch's `GradScaler`.

    Attributes:
        skipped: Steps that were left out so far.
    """

    def __init__(self, device: str) -> None:
        super().__init__("16-mixed", device, torch.amp.GradScaler(device, init_scale=2.0**16))
        self.skipped = 0
        self._unscaled = False

    def unscale_gradients(self, optimizer: Any) -> None:
        """The gradients as they are, for clipping; the step then takes them so."""
        if not self._unscaled and self.scaler is not None:
            self.scaler.unscale_(getattr(optimizer, "optimizer", optimizer))
            self._unscaled = True

    def optimizer_step(self, optimizer: Any, **kwargs: Any) -> Any:
        """A step, unless a gradient is not finite."""
        scaler = self.scaler
        assert scaler is not None
        before = scaler.get_scale()
        result = super().optimizer_step(optimizer, **kwargs)
        self._unscaled = False
        self.skipped += scaler.get_scale() < before
        return result

    def state_dict(self) -> dict[str, Any]:
        """The factor, and the count."""
        return {**super().state_dict(), "skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.skipped = int(state_dict["skipped"])
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "skipped"})


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """The gradients of all that ``optimizer`` changes become their means over the ranks: those of the whole batch."""
    if ranks().count > 1:
        every = [each for group in optimizer.param_groups for each in group["params"]]
        ranks().average_([each.grad for each in every if each.grad is not None])


@contextmanager
def compiled(task: Task, *, on: bool) -> Iterator[None]:
    """Inside, the nets of a task run as code that torch.compile makes of them at their first pass.

    Weights, names and what hangs on a net stay as they are. Compiling takes seconds to minutes and needs a compiler on
    the machine; numbers agree in all but the last bits.

    Raises:
        RunError: The nets cannot be compiled here.
    """
    inner = [each.module if isinstance(each, Net) else each for each in _plain(task)] if on else []
    for each in inner:
        each.compile()
    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunError(f"the net cannot be compiled here ({reason})", hint="leave out --compile") from error
    finally:
        for each in inner:
            each._compiled_call_impl = None


def _plain(task: Task) -> list[nn.Module]:
    """The nets of a task without what Fabric puts around them."""
    return [each.module if isinstance(each, _FabricModule) else each for each in task.nets.values()]


@contextmanager
def set_up(
    fabric: Fabric, task: Task, recipe: Recipe, *, epochs: int, feed: Feed, memory_format: MemoryFormat
) -> Iterator[State]:
    """The state of a run before its first step; inside, ``task.nets`` are what Fabric makes of them."""
    nets = dict(task.nets)
    optimizers = {}
    scaler = fabric._precision if isinstance(fabric._precision, Scaled) else None
    with ExitStack() as stack:
        stack.callback(task.nets.update, nets)
        for name, net in nets.items():
            net.to(memory_format=FORMATS[memory_format])
            optimizer = build_optimizer(recipe.optimizer, net)
            if isinstance(task, Grouped):
                divide(optimizer, task.groups(name))
            stack.enter_context(shared_batch_norm(net, ranks()))
            task.nets[name], optimizers[name] = fabric.setup(net, optimizer)
        yield State(
            task=task,
            nets=nets,
            optimizers=optimizers,
            epochs=epochs,
            steps=epochs * feed.steps,
            batch=min(feed.batch, len(feed.data)),
            average=Average(recipe.average, nets) if recipe.average else None,
            scaler=scaler,
        )
