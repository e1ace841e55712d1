"""Before training: data and model looked at on copies, the setup left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from striate.core.errors import StriateError

from .samples import Unreadable, draw
from .setup import Optimizers, Setup
from .watch import Speak, Watch

STEPS = 200  # of a `Setup.step`, where nothing else was asked for


def preflight(
    model: nn.Module,
    optimizer: Optimizers | None = None,
    loss_fn: Callable[..., Any] | None = None,
    *,
    train: Any = None,
    test: Any = None,
    pretrained: bool = False,
) -> Watch:
    """What can be said of a setup before its first step: ``preflight(...).findings``. Seconds, on copies.

    Args:
        model: The model as it is about to be trained; it stays as it is.
        optimizer: One or several.
        loss_fn: ``loss_fn(model(x), y)``.
        train: A loader, a data set, or a pair of tensors; nothing is used up.
        test: The same, of what is only measured on.
        pretrained: Whether the weights were trained before.
    """
    return before(Setup(model, optimizer, loss_fn, train, test, pretrained=pretrained))


def before(setup: Setup) -> Watch:
    """A setup looked at before its first step."""
    watched = Watch(setup)
    watched.case.trace = None
    watched._checked.look(watched.case, ("data", "start", "run", "end"))
    return watched


def during(
    setup: Setup, *, steps: int | None = None, speak: Speak | None = None, told: tuple[type[Exception], ...] = ()
) -> Watch:
    """A setup watched while its own ``loop`` or ``step`` trains it; without either only looked at before.

    A loop is ended after ``steps`` steps of an optimizer (None: it runs to its own end); of a step so many are made
    (None: `STEPS`). Exceptions of ``told`` end the watching and stand in its trace; others pass through.

    Raises:
        StriateError: There is a step and nothing that gives it batches.
    """
    if (setup.loop is None and setup.step is None) or steps == 0:
        return before(setup)
    watched = Watch(setup, speak=speak)
    with suppress(*told), watched, _ended_after(setup, steps):
        if setup.loop is not None:
            setup.loop()
        else:
            _stepped(setup, STEPS if steps is None else steps)
    return watched


class Enough(BaseException):
    """Ends a loop after so many steps; no ``except Exception`` of the loop takes it for an error."""


@contextmanager
def _ended_after(setup: Setup, steps: int | None) -> Iterator[None]:
    """Inside, the step after the last one that is wanted is not made: the loop is left instead."""
    left = [steps]

    def counted(*_: Any) -> None:
        if left[0] is not None:
            if not left[0]:
                raise Enough
            left[0] -= 1

    handles = [each.register_step_pre_hook(counted) for each in setup.optimizers] if steps is not None else []
    try:
        yield
    except Enough:
        return
    finally:
        for handle in handles:
            handle.remove()


def _stepped(setup: Setup, steps: int) -> None:
    assert setup.step is not None
    if setup.train is None:
        raise StriateError("the setup has a step and no train", accepted="a loader whose batches the step takes")
    done = 0
    while done < steps:
        begun = done
        for batch in _batches(setup.train):
            setup.step(batch)
            done += 1
            if done >= steps:
                return
        if done == begun:
            raise StriateError("train gives no batch", accepted="a loader, a list of batches, a pair of tensors")


def _batches(train: Any) -> Any:
    if isinstance(train, (tuple, list)) and len(train) == 2 and all(isinstance(each, torch.Tensor) for each in train):
        data = torch.utils.data.TensorDataset(*train)
        return torch.utils.data.DataLoader(data, batch_size=64, shuffle=True)
    if hasattr(train, "__iter__") and not isinstance(train, torch.utils.data.Dataset):
        return train
    try:
        draw(train, most=1)
    except Unreadable as error:
        raise StriateError(f"train gives no batches ({error})", accepted="a DataLoader") from error
    return torch.utils.data.DataLoader(train, batch_size=64, shuffle=True)
