"""The window that an operation slides over its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from .ops import bound
from .site import Pair, Window

_POOLS = frozenset({"max_pool2d", "avg_pool2d", "lp_pool2d"})
_ADAPTIVE = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d"})


def window_of(op: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor) -> Window | None:
    """The window of a two-dimensional convolution, pooling or constant padding; None for anything else."""
    given = bound(op, args, kwargs)
    source = given.get("input")
    if op == "conv2d":
        kernel, dilation = pair(given["weight"].shape[-2:]), pair(given.get("dilation", 1))
        padding = _padding(given.get("padding", 0), kernel, dilation)
        return Window(kernel, pair(given.get("stride", 1)), dilation, padding)
    if op in _POOLS:
        kernel, dilation = pair(given["kernel_size"]), pair(given.get("dilation", 1))
        stride = given.get("stride")
        padding = _padding(given.get("padding", 0), kernel, dilation)
        return Window(kernel, kernel if stride in (None, []) else pair(stride), dilation, padding)
    if op in _ADAPTIVE and isinstance(source, Tensor):
        return _adaptive(source, output)
    if op == "pad" and given.get("mode", "constant") == "constant" and output.dim() == 4:
        sides = [int(side) for side in given["pad"]] + [0, 0]
        return Window(padding=((sides[2], sides[3]), (sides[0], sides[1])))
    return None


def pair(value: Any) -> Pair:
    """(height, width) of an argument that is one number for both, or two."""
    numbers = [int(each) for each in value] if isinstance(value, Sequence) else [int(value)]
    return (numbers[0], numbers[-1])


def _adaptive(source: Tensor, output: Tensor) -> Window | None:
    """Adaptive pooling as a plain one, where the sizes divide; to a single unit it takes in everything."""
    (tall, broad), (high, wide) = source.shape[-2:], output.shape[-2:]
    if tall % high or broad % wide or high == 1 < tall or wide == 1 < broad:
        return None
    step = (tall // high, broad // wide)
    return Window(step, step)


def _padding(value: Any, kernel: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    if value == "valid":
        return ((0, 0), (0, 0))
    if value == "same":
        tall, broad = ((size - 1) * step for size, step in zip(kernel, dilation, strict=True))
        return ((tall // 2, tall - tall // 2), (broad // 2, broad - broad // 2))
    tall, broad = pair(value)
    return ((tall, tall), (broad, broad))
