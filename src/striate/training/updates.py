"""Updates: what happens between a batch's loss and new weights. Backward, penalty, clipping, step, average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

import torch
from lightning_fabric import Fabric
from torch import Tensor

from striate.core.errors import RunError
from striate.core.ranks import ranks

from .engine import average_gradients
from .events import State
from .groups import thaw
from .optim import set_rate, split_parameters
from .optimizers.specs import Lbfgs
from .recipe import Recipe
from .task import Batch


class Updates:
    """One step of a run; called by the task with a loss and the name of the net that it is of.

    With ``recipe.accumulate`` k the batch is passed in k parts whose gradients are added, each weighed by its share of
    the images: the numbers of the whole batch, but for BatchNorm's statistics, in a k-th of the memory.
    """

    def __init__(self, state: State, recipe: Recipe, fabric: Fabric) -> None:
        self.state, self.recipe, self.fabric = state, recipe, fabric
        self._share, self._last = 1.0, True
        self._met: set[str] = set()
        self._penalised = {
            name: split_parameters(net, decay_all=recipe.optimizer.decay_all)[0] for name, net in state.nets.items()
        }

    def step(self, batch: Batch) -> Mapping[str, Tensor]:
        """Learn from a batch; gives the task's figures, one number per image."""
        state, recipe = self.state, self.recipe
        state.rate = recipe.optimizer.rate * recipe.schedule(state.step, state.steps, state.figures_on_dev)
        for optimizer in state.optimizers.values():
            set_rate(optimizer, state.rate)
            thaw(optimizer, batch.done)
        parts, found = list(divided(batch, recipe.accumulate)), []
        for index, part in enumerate(parts):
            self._share, self._last = len(part.rows) / len(batch.rows), index == len(parts) - 1
            self._met.clear()
            if index == 0:
                for optimizer in state.optimizers.values():
                    optimizer.zero_grad()
            found.append(state.task.step(part, self))
        if state.average is not None:
            state.average.after_step()
        return {name: torch.cat([each[name] for each in found]) for name in found[0]}

    def __call__(self, loss: Tensor, name: str, again: Callable[[], Tensor] | None = None) -> None:
        """Backward from the loss of net ``name``, and the step of its optimizer.

        ``again`` computes the loss of the same batch with the weights as they are by then, for an optimizer that asks
        more than once.

        Raises:
            RunError: The optimizer asks again and the task cannot; the task updates a net twice in a part of a batch.
        """
        optimizer = self.state.optimizers[name]
        if self.recipe.accumulate == 1:
            optimizer.zero_grad()
        elif name in self._met:
            raise RunError(
                f"the task {self.state.task.name!r} updates {name!r} several times a batch and accumulate is "
                f"{self.recipe.accumulate}",
                accepted="accumulate 1",
            )
        self._met.add(name)
        if not isinstance(self.recipe.optimizer, Lbfgs):
            self._backward(loss, name)
            if self._last:
                average_gradients(optimizer)
                self._clip(name)
                optimizer.step()
                self._soften(name)
            return
        if again is None:
            raise RunError(
                f"the task {self.state.task.name!r} cannot evaluate a batch again, as the optimizer lbfgs asks",
                accepted="any other optimizer",
            )
        given = [loss]  # the first evaluation is done already

        def closure() -> Tensor:
            value = given.pop() if given else again()
            optimizer.zero_grad()
            total = self._backward(value, name)
            average_gradients(optimizer)
            ranks().average_([total])  # every rank must search its line alike
            return total

        optimizer.step(closure)  # type: ignore[arg-type]

    def _backward(self, loss: Tensor, name: str) -> Tensor:
        """Backward from the loss with its penalty; gives their sum."""
        total = loss if self._share == 1.0 else loss * self._share
        weight = self.recipe.l2 + (
            self.recipe.optimizer.weight_decay if isinstance(self.recipe.optimizer, Lbfgs) else 0.0
        )
        if weight and self._last:
            total = total + 0.5 * weight * sum(each.square().sum() for each in self._penalised[name])
        self.fabric.backward(total)
        return total.detach()

    def _clip(self, name: str) -> None:
        given, optimizer = self.state.task.nets[name], self.state.optimizers[name]
        value, norm = self.recipe.clip_value, self.recipe.clip_norm
        if value is not None:
            self.fabric.clip_gradients(given, optimizer, clip_val=value)
        if norm is not None:  # a loss that is no number is told of by the loop, in its own words
            self.fabric.clip_gradients(given, optimizer, max_norm=norm, error_if_nonfinite=False)

    @torch.no_grad()
    def _soften(self, name: str) -> None:
        """The proximal step of ``l1 * |w|``: every weight comes rate * l1 nearer to 0, and stays there.

        Source: Duchi & Singer 2009, equation 3 and section 3.1 (FOBOS).
        """
        if self.recipe.l1:
            width = self.state.rate * self.recipe.l1
            for each in self._penalised[name]:
                each.copy_(torch.nn.functional.softshrink(each, width))


def divided(batch: Batch, count: int) -> Iterator[Batch]:
    """A batch in at most ``count`` parts of nearly one size."""
    if count == 1:
        yield batch
        return
    tensors = [each.name for each in fields(batch) if isinstance(getattr(batch, each.name), Tensor)]
    parts = [getattr(batch, name).tensor_split(min(count, len(batch.rows))) for name in tensors]
    for part in zip(*parts, strict=True):
        yield Batch(**dict(zip(tensors, part, strict=True)), done=batch.done)
