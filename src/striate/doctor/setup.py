"""Setup: the parts of somebody's training as they stand, whatever framework they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from striate.core.errors import StriateError

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]


@dataclass(frozen=True, eq=False)
class Setup:
    """What is trained, with what, on what. Only the model must be given; what lacks switches its checks off.

    Inputs are whatever the loop feeds, of any shape and scale.

    Attributes:
        model: The model as it is about to be trained.
        optimizer: One, or several of one model.
        loss_fn: ``loss_fn(model(x), y)`` gives the loss.
        train: A loader, a data set, or a pair of tensors ``(x, y)``.
        test: The same, of what is only measured on.
        loop: Called without arguments it trains for a while: `striate diagnose` watches it.
        step: Called with a batch of ``train`` it makes one step; instead of ``loop``.
        scheduler: What changes the learning rate.
        average: The running mean of the model's weights (EMA, SWA), where there is one.
        pretrained: Whether the weights were trained before.
        generate: Of adversarial training: ``generate(n)`` gives n samples shaped as the inputs are.
        discriminate: Likewise: ``discriminate(x)`` gives a score for each, above 0 where it takes them for real.
        embed: Of contrastive training: ``embed(x)`` gives a code (n, d) for each input.
    """

    model: nn.Module
    optimizer: Optimizers | None = None
    loss_fn: Callable[..., Any] | None = None
    train: Any = None
    test: Any = None
    loop: Callable[[], Any] | None = None
    step: Callable[[Any], Any] | None = None
    scheduler: Any = None
    average: nn.Module | None = None
    pretrained: bool = False
    generate: Callable[[int], torch.Tensor] | None = None
    discriminate: Callable[[torch.Tensor], torch.Tensor] | None = None
    embed: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, nn.Module):
            raise StriateError(f"the model is a {type(self.model).__name__}", accepted="a torch.nn.Module")
        for each in self.optimizers:
            if not hasattr(each, "param_groups"):
                raise StriateError(
                    f"the optimizer is a {type(each).__name__}",
                    accepted="a torch.optim.Optimizer, or a list of them",
                    hint="watch(model, optimizer, loss_fn, train=..., test=...)",
                )
        if self.loss_fn is not None and not callable(self.loss_fn):
            raise StriateError(
                f"the loss function is a {type(self.loss_fn).__name__}", accepted="a callable of (output, target)"
            )

    @property
    def optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        """The optimizers, none to many, without what Fabric or Accelerate put around them."""
        given = self.optimizer
        if given is None:
            return ()
        several = (
            given.values() if isinstance(given, Mapping) else given if isinstance(given, (list, tuple)) else (given,)
        )
        return tuple(_inner(each) for each in several)

    @property
    def core(self) -> nn.Module:
        """The model without what torch.compile, DataParallel or DistributedDataParallel put around it."""
        return unwrapped(self.model)


def _inner(optimizer: Any) -> Any:
    inside = getattr(optimizer, "optimizer", None)
    return inside if isinstance(inside, torch.optim.Optimizer) else optimizer


def unwrapped(model: nn.Module) -> nn.Module:
    """The module within torch.compile's, DataParallel's and DistributedDataParallel's wrappers."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner
