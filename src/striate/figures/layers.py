"""Counting layers: run modules on torch's meta device, where shapes and sizes exist but no number is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One executed layer: its output's shape without the batch, its parameters and multiply-adds for one image."""

    name: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """The net that ``build`` makes, with weights that have shapes but no memory."""
    with torch.device("meta"):
        return build()


def parameters(net: nn.Module | Iterable[nn.Module]) -> int:
    """Weights and biases of a net, shared ones once."""
    modules = [net] if isinstance(net, nn.Module) else list(net)
    return sum({id(each): each.numel() for module in modules for each in module.parameters()}.values())


def count(net: nn.Module, shape: Sequence[int]) -> list[Layer]:
    """Every leaf layer that runs on one input of ``shape`` (without the batch), in order; ``net`` lies on meta."""
    found: list[Layer] = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _: Any, output: Tensor) -> None:
            found.append(Layer(name, tuple(output.shape[1:]), parameters(module), macs(module, output)))

        return hook

    leaves = [(name, module) for name, module in net.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(note(name)) for name, module in leaves]
    try:
        net.eval()(torch.zeros(1, *shape, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return found


def macs(module: nn.Module, output: Tensor) -> int:
    """Multiply-adds of one convolution or linear layer for one image; 0 for the rest, as the papers count."""
    values = math.prod(output.shape[1:])
    if isinstance(module, nn.Conv2d):
        return values * module.in_channels // module.groups * math.prod(module.kernel_size)
    return values * module.in_features if isinstance(module, nn.Linear) else 0


def total_macs(net: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-adds of a net's convolutions and linear layers for one image."""
    return sum(layer.macs for layer in count(net, shape))


def field(windows: Iterable[tuple[int, int]]) -> list[int]:
    """Receptive field of one unit after each of a chain of windows (size, stride), in input pixels.

    Source: a window adds (size - 1) times the product of the strides before it; Dumoulin & Visin 2016.
    """
    size, jump, found = 1, 1, []
    for kernel, stride in windows:
        size += (kernel - 1) * jump
        jump *= stride
        found.append(size)
    return found
