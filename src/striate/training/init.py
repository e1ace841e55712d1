"""Starting weights that depend on the seed alone, and torch's global randomness left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from striate.core.rng import Rng


@contextmanager
def seeded(seed: int, name: str, *, step: int = 0) -> Iterator[None]:
    """Inside, torch's global generators start from (seed, name, step); afterwards they go on as if nothing had been."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(Rng(seed, name).torch_seed(step=step))
        yield


def he_normal(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-in in every convolution and linear layer, biases zero; in place.

    Other layers keep what they have. Fan-in is the number of products behind one output.

    Source: He et al. 2015, "Delving deep into rectifiers", equation 10.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
