"""BatchNorm whose mean and variance are those of the whole batch, although each rank sees a part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from striate.core.ranks import Ranks


@contextmanager
def shared_batch_norm(net: nn.Module, ranks: Ranks) -> Iterator[None]:
    """Inside, every BatchNorm of ``net`` takes its statistics over the batches of all ranks; alone nothing changes.

    Only the classes of its modules change, and change back: weights, buffers and names are the same ones. torch's own
    SyncBatchNorm needs a GPU; this one needs nothing, and holds for any subclass that comes down to
    `torch.nn.functional.batch_norm` (timm's, for one). It costs two messages a layer forward and two backward.

    Source: Ioffe & Szegedy 2015, algorithm 1, over the union of the parts; the variance is taken about the common
    mean, in a second message, so that nothing cancels.
    """
    found = [each for each in net.modules() if isinstance(each, _BatchNorm)] if ranks.count > 1 else []
    before = [type(each) for each in found]
    try:
        for each in found:
            each.__class__ = type(f"Shared{type(each).__name__}", (_Shared, type(each)), {"_ranks": ranks})
        yield
    finally:
        for each, kind in zip(found, before, strict=True):
            each.__class__ = kind


class _Shared(_BatchNorm):
    _ranks: Ranks

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        with _Instead(self._ranks):
            result: Tensor = super().forward(input)
        return result


class _Instead(TorchFunctionMode):
    """Takes the place of `torch.nn.functional.batch_norm` in training."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is F.batch_norm and given.get("training"):
            return normalised(*args, ranks=self.ranks, **{name: given[name] for name in given if name != "training"})
        return func(*args, **given)


def normalised(
    images: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *,
    ranks: Ranks,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the batch and positions of all ranks, for each channel.

    The running statistics are moved in place, the variance there with n - 1, as `torch.nn.functional.batch_norm` does.
    Shape and type of ``images``; (n, C, ...), its statistics in float32.
    """
    axes = [0, *range(2, images.dim())]
    shape = [1, -1, *[1] * (images.dim() - 2)]
    values = images.to(torch.float32) if images.dtype in (torch.float16, torch.bfloat16) else images
    own = values.numel() // values.shape[1]
    first = _sum(torch.cat([values.sum(axes), values.new_full((1,), own)]), ranks)
    count = float(first.detach()[-1])
    if count < 2:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(images.shape)}")
    mean = first[:-1] / count
    centred = values - mean.view(shape)
    var = _sum(centred.square().sum(axes), ranks) / count
    with torch.no_grad():
        for running, now in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
            if running is not None:
                running.lerp_(now.to(running.dtype), momentum)
    out = centred * (torch.rsqrt(var + eps) * (1.0 if weight is None else weight)).view(shape)
    return (out if bias is None else out + bias.view(shape)).to(images.dtype)


def _sum(values: Tensor, ranks: Ranks) -> Tensor:
    total: Tensor = _Sum.apply(values, ranks)
    return total


class _Sum(torch.autograd.Function):
    """The sum over ranks. As every rank's loss hangs on it, its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, values: Tensor, ranks: Ranks) -> Tensor:
        context.ranks = ranks
        return ranks.sum_(values.clone())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return context.ranks.sum_(gradients[0].clone()), None
