"""Lion: steps by the sign of a mean of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Lion(torch.optim.Optimizer):
    """Every weight moves by the rate, up or down: c = b1 m + (1 - b1) g, w = w - rate (sign c + decay w).

    Then m = b2 m + (1 - b2) g. One number is kept a weight, where Adam keeps two. A rate 3 to 10 times smaller, a
    decay 3 to 10 times larger than AdamW's are the authors' advice.

    Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of every weight that has a gradient; ``closure`` gives the loss, and is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rate, (b1, b2) = group["lr"], group["betas"]
            for weight in (each for each in group["params"] if each.grad is not None):
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                direction = torch.lerp(weight.grad, mean, b1).sign_()
                weight.mul_(1 - rate * group["weight_decay"]).sub_(direction, alpha=rate)
                mean.lerp_(weight.grad, 1 - b2)
        return loss
