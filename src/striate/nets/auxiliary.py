"""Nets with further heads that only training looks at."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class WithAuxiliary(Protocol):
    """A module that, in training mode, keeps the logits of its auxiliary heads for the loss.

    Attributes:
        auxiliary: What the heads gave in the last forward in training mode, (N, K) each; empty in eval mode, and once
            taken.
        auxiliary_weight: What their losses count beside the loss of the logits.
    """

    auxiliary: tuple[Tensor, ...]
    auxiliary_weight: float


def take_auxiliary(net: nn.Module) -> list[tuple[Tensor, float]]:
    """Logits of all auxiliary heads in ``net`` with the weight of each loss; the heads are emptied.

    Empty for a net without such heads, in eval mode, and where they were taken before.
    """
    taken = []
    for module in net.modules():
        if vars(module).get("auxiliary") and isinstance(module, WithAuxiliary):
            taken += [(logits, module.auxiliary_weight) for logits in module.auxiliary]
            module.auxiliary = ()
    return taken
