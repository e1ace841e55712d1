"""Muon: momentum of hidden matrices made orthogonal by Newton-Schulz, AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# the quintic's coefficients, chosen by Jordan for the steepest slope at 0; singular values end between .7 and 1.2
QUINTIC = (3.4445, -4.7750, 2.0315)
_LEAST = 1e-7


def orthogonalised(matrix: Tensor, *, iterations: int = 5) -> Tensor:
    """About U V' of a matrix U S V': its singular values (of a matrix (m, n) min(m, n) many) brought near 1.

    Each iteration maps every singular value s to a s + b s^3 + c s^5, after division by the Frobenius norm.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". We differ: in the matrix's
    own precision, where the authors take bfloat16, which few CPUs multiply faster.
    """
    a, b, c = QUINTIC
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=_LEAST)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    made: Tensor = x.T if matrix.shape[0] > matrix.shape[1] else x
    return made


class Muon(torch.optim.Optimizer):
    """Groups with ``orthogonal`` move by momentum made orthogonal, the others as AdamW moves them.

    B = b B + (1 - b) g; with Nesterov's look ahead (1 - b) g + b B is made orthogonal; the step is the rate times
    sqrt(max(1, rows / columns)) times that. A convolution's filters (O, I, h, w) are a matrix (O, I h w). Both kinds
    take ``rate * weight_decay * w`` off first.

    Source: Jordan et al. 2024. torch's `Muon` takes the same steps, but of matrices only, and in bfloat16.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        nesterov: bool = True,
        iterations: int = 5,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "nesterov": nesterov, "iterations": iterations, "betas": betas,
            "epsilon": epsilon, "weight_decay": 0.0, "orthogonal": False,
        }  # fmt: skip
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of every weight that has a gradient; ``closure`` gives the loss, and is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            move = self._orthogonal if group["orthogonal"] else self._adam
            for weight in (each for each in group["params"] if each.grad is not None):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(move(weight, weight.grad, group), alpha=group["lr"])
        return loss

    def _orthogonal(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        b = group["momentum"]
        mean = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
        mean.lerp_(gradient, 1 - b)
        wanted = gradient.lerp(mean, b) if group["nesterov"] else mean
        matrix = wanted.reshape(len(wanted), -1)
        scale = math.sqrt(max(1.0, matrix.shape[0] / matrix.shape[1]))
        return scale * orthogonalised(matrix, iterations=group["iterations"]).reshape(weight.shape)

    def _adam(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state, (b1, b2) = self.state[weight], group["betas"]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        t = float(state["step"])
        state["mean"].lerp_(gradient, 1 - b1)
        state["square"].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        root = (state["square"] / (1 - b2**t)).sqrt_().add_(group["epsilon"])
        step: Tensor = state["mean"] / (1 - b1**t) / root
        return step


def hidden_matrices(module: nn.Module) -> list[nn.Parameter]:
    """Trainable weights of convolutions and linear layers, all but the last such layer's, which is the output's.

    Source: Jordan et al. 2024 leave input and output layers to AdamW; as in their code for CIFAR-10 the first
    convolution's filters are orthogonalised with the others.
    """
    layers = [each for each in module.modules() if isinstance(each, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))]
    weights = [each.get_parameter("weight") for each in layers[:-1]]
    return [each for each in weights if each.requires_grad]
