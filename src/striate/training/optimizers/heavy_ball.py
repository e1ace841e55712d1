"""Momentum with the rate inside: v = b v + rate g, w = w - v."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class HeavyBall(torch.optim.Optimizer):
    """Momentum whose velocity holds steps, not gradients, so that a rate that falls acts on new gradients alone.

    With ``nesterov`` the weights kept are those looked ahead to: w = w - (rate g + b v).

    Source: Polyak 1964, equation 9; Sutskever et al. 2013, equations 1 and 2, and 3 and 4.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], *, lr: float, momentum: float = 0.9, nesterov: bool = False
    ) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of every weight that has a gradient; ``closure`` gives the loss, and is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rate, b = group["lr"], group["momentum"]
            for weight in (each for each in group["params"] if each.grad is not None):
                gradient = weight.grad + group["weight_decay"] * weight
                velocity = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
                velocity.mul_(b).add_(gradient, alpha=rate)
                weight.sub_(velocity if not group["nesterov"] else rate * gradient + b * velocity)
        return loss
