"""Entering: what reaches a model's first layer with weights, after whatever the model does to its inputs before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from .samples import unnoticed
from .start import Start

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm, nn.RMSNorm)


@dataclass(frozen=True, eq=False)
class Entering:
    """The first convolution or linear layer that is called, and its input.

    Attributes:
        name: The layer's path in the model.
        layer: The layer.
        x: What comes in (n, ...).
        normed: Whether a normalisation is called right after it: scale and offset of ``x`` then hardly matter.
        spread: Standard deviation of what a unit of the layer gives, mean over units: what a normalisation divides by.
    """

    name: str
    layer: nn.Module
    x: Tensor
    normed: bool
    spread: float


def entering(start: Start) -> Entering | None:
    """What enters the copy of ``start``; None where its first weights belong to no convolution or linear layer.

    Costs a pass without gradients.
    """
    called: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def hook(name: str, module: nn.Module, given: Any, output: Any) -> None:
        if len(called) < 16 and given and isinstance(given[0], Tensor) and isinstance(output, Tensor):
            called.append((name, module, given[0].detach().clone(), output.detach()))

    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: hook(name, m, i, o))
        for name, module in start.model.named_modules()
        if not list(module.children())
    ]
    try:
        with unnoticed(), torch.no_grad():
            start.call(start.model, start.x)
    except Exception:  # it passed once; if not again, there is nothing to say
        return None
    finally:
        for handle in handles:
            handle.remove()
    for at, (name, module, x, output) in enumerate(called):
        if list(module.parameters(recurse=False)) and not isinstance(module, NORMS):
            if not isinstance(module, (_ConvNd, nn.Linear)) or not x.is_floating_point():
                return None
            after = called[at + 1][1] if at + 1 < len(called) else None
            return Entering(name, module, x.float(), isinstance(after, NORMS), _spread(output))
    return None


def _spread(output: Tensor) -> float:
    units = output.float().transpose(0, 1).flatten(1)
    return float(units.std(1, correction=0).mean())
