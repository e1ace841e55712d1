"""Averages of weights, kept beside the weights that learn: a moving mean over steps, a plain mean over last epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from striate.core.errors import StriateError

PASSED = 100  # batches at most by which BatchNorm's statistics are measured anew


@dataclass(frozen=True)
class Ema:
    """Moving mean over steps: a = d a + (1 - d) w, divided by 1 - d^t, so that its start at 0 leaves no trace.

    BatchNorm's running statistics are averaged alike; whole numbers are taken as they are.

    Source: Polyak & Juditsky 1992 for averaging; the moving mean with its correction as Kingma & Ba 2015, section 7.2.
    """

    decay: float = 0.999
    name: Literal["ema"] = "ema"

    def __post_init__(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            raise StriateError(f"decay of the moving mean is {self.decay}", accepted="a number from 0 to below 1")

    def share(self, count: int) -> float:
        """How much of the difference from what is new, the ``count``-th, the mean takes over."""
        return (1.0 - self.decay) / (1.0 - self.decay**count)


@dataclass(frozen=True)
class Swa:
    """Plain mean of the weights at the end of each epoch after the share ``start`` of the run.

    BatchNorm's statistics are then measured anew on training images, for those of no epoch belong to the mean.

    Source: Izmailov et al. 2018, algorithm 1, one model an epoch. We differ: the statistics are the plain mean of those
    of at most `PASSED` batches, not of a whole pass; the rate follows the recipe's own schedule, where the paper keeps
    it constant or lets it cycle at the end.
    """

    start: float = 0.75
    name: Literal["swa"] = "swa"

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < 1.0:
            raise StriateError(
                f"the mean of the last epochs begins at {self.start}", accepted="a share of the run from 0 to below 1"
            )

    def share(self, count: int) -> float:
        """How much of the difference from what is new, the ``count``-th, the mean takes over."""
        return 1.0 / count


Averaging = Ema | Swa


class Average:
    """The mean of the weights of several nets, and how many it is of; none yet while ``count`` is 0."""

    def __init__(self, spec: Averaging, nets: Mapping[str, nn.Module]) -> None:
        self.spec, self.nets = spec, nets
        self.count = 0
        self.weights: dict[str, dict[str, Tensor]] = {}

    def after_step(self) -> None:
        """Take the weights as they are after a step."""
        if isinstance(self.spec, Ema):
            self._take()

    def after_epoch(self, epoch: int, epochs: int) -> bool:
        """Take the weights as they are after an epoch of so many; whether statistics must be measured anew."""
        if not isinstance(self.spec, Swa) or epoch <= self.spec.start * epochs:
            return False
        self._take()
        return True

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the nets have the mean as their weights; afterwards what they had, to the last bit."""
        if not self.count:
            yield
            return
        own = {name: _copied(net) for name, net in self.nets.items()}
        try:
            self._put(self.weights)
            yield
        finally:
            self._put(own)

    def keep_statistics(self) -> None:
        """Take over the buffers of the nets, into which the mean was put: BatchNorm's statistics, measured anew."""
        for name, net in self.nets.items():
            buffers = {key for key, _ in net.named_buffers()}
            self.weights[name].update({key: value for key, value in _copied(net).items() if key in buffers})

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"count": self.count, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Back to what a checkpoint kept."""
        self.count = int(state["count"])
        self.weights = {
            name: {key: values[key].to(value.device) for key, value in self.nets[name].state_dict().items()}
            for name, values in state["weights"].items()
        }

    @torch.no_grad()
    def _take(self) -> None:
        self.count += 1
        share = self.spec.share(self.count)
        for name, net in self.nets.items():
            now = net.state_dict()
            if self.count == 1:
                self.weights[name] = _copied(net)
                continue
            mean = self.weights[name]
            for key, value in now.items():
                if value.is_floating_point():
                    # by differences, so that what never changes stays as it is to the last bit
                    mean[key].add_(value.detach() - mean[key], alpha=share)
                else:
                    mean[key].copy_(value)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, net in self.nets.items():
            for key, value in net.state_dict().items():
                value.copy_(weights[name][key])


@contextmanager
def measuring(nets: Iterable[nn.Module]) -> Iterator[bool]:
    """Inside, BatchNorm's statistics begin anew, as plain means over what passes; gives whether there are any."""
    layers = [
        each for net in nets for each in net.modules() if isinstance(each, _NormBase) and each.track_running_stats
    ]
    kept = [each.momentum for each in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        yield bool(layers)
    finally:
        for layer, momentum in zip(layers, kept, strict=True):
            layer.momentum = momentum


def _copied(net: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in net.state_dict().items()}
