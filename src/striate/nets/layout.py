"""Weights of convolutions in the memory format of the images, while a net is looked at often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_LOCK = threading.RLock()


@contextmanager
def laid_out(net: nn.Module, memory_format: torch.memory_format) -> Iterator[None]:
    """Inside, no pass has to reorder the weights of two-dimensional convolutions; afterwards they are as found.

    The values are the same, so any thread may go on using the net. Blocks may be nested: an inner one finds nothing to
    do. Costs a copy of those weights that are in another format.
    """
    found: list[tuple[nn.Parameter, Tensor]] = []
    with _LOCK:
        for module in net.modules():
            weight = module._parameters.get("weight") if isinstance(module, nn.Conv2d) else None
            if weight is not None and weight.ndim == 4 and not weight.is_contiguous(memory_format=memory_format):
                found.append((weight, weight.data))
                weight.data = weight.data.contiguous(memory_format=memory_format)
    try:
        yield
    finally:
        with _LOCK:
            for weight, data in found:
                weight.data = data
