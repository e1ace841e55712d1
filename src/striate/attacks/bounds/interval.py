"""Intervals through a network: limits of every value of every layer, as the pixels move within their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import StriateError

MONOTONE = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "softplus", "hardtanh", "sigmoid", "tanh", "clamp",
    "max_pool2d", "adaptive_max_pool2d",
)  # fmt: skip
AVERAGES = ("avg_pool2d", "adaptive_avg_pool2d", "mean", "sum")
SHAPES = ("flatten", "view", "reshape", "getitem", "pad", "squeeze", "unsqueeze", "permute", "transpose", "contiguous")
_END_BY_END = (*MONOTONE, *AVERAGES, *SHAPES)


@dataclass(frozen=True, eq=False)
class Interval:
    """All tensors between two, value by value; a network that is given one gives the interval of what it can answer.

    It stands in for a tensor: torch hands every function that meets one to `__torch_function__`, which has a rule for
    it or refuses it by name.

    Attributes:
        low: Smallest value of each entry.
        high: Largest.
        behind: Where a linear layer made it: what went in, its weight, its bias; the limits of differences of its
            outputs are narrower than differences of their limits.

    Source: Gowal et al. 2019, section 3.2; through a linear map the centre goes by the weights and the half width by
    their absolute values (equation 6), through a monotone function the two ends go by themselves (equation 7).
    """

    low: Tensor
    high: Tensor
    behind: tuple[Interval, Tensor, Tensor | None] | None = None

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """What a function of torch makes of intervals."""
        del types
        return _through(func.__name__, func, args, dict(kwargs or {}))

    @property
    def middle(self) -> Tensor:
        """Centre of each."""
        return (self.low + self.high) / 2

    @property
    def half(self) -> Tensor:
        """Half of the width of each."""
        return (self.high - self.low) / 2

    @property
    def shape(self) -> torch.Size:
        """As of a tensor."""
        return self.low.shape

    @property
    def ndim(self) -> int:
        """As of a tensor."""
        return self.low.ndim

    def dim(self) -> int:
        """As of a tensor."""
        return self.low.ndim

    def size(self, axis: int | None = None) -> Any:
        """As of a tensor."""
        return self.low.shape if axis is None else self.low.shape[axis]

    def __add__(self, other: Any) -> Interval:
        return _add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Interval:
        return _sub(self, other)

    def __rsub__(self, other: Any) -> Interval:
        return _sub(other, self)

    def __mul__(self, other: Any) -> Interval:
        return _mul(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Interval:
        return _div(self, other)

    def __getitem__(self, place: Any) -> Interval:
        return Interval(self.low[place], self.high[place])

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        method = getattr(Tensor, name, None)
        if method is None:
            raise AttributeError(name)
        return lambda *args, **kwargs: _through(name, method, (self, *args), kwargs)


def _through(name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    plain = name.strip("_")  # Tensor.__add__, and relu_, of which no interval is overwritten
    if plain in _RULES:
        return _RULES[plain](*args, **kwargs)
    if plain in _END_BY_END and isinstance(args[0], Interval):
        kwargs.pop("inplace", None)
        slope = min(kwargs.get("negative_slope", 0.0), kwargs.get("alpha", 0.0))
        if slope < 0:
            raise StriateError(f"{plain} with slope {slope:g} falls", accepted="functions that never fall")
        apply = torch.relu if plain == "relu" else func
        rest = () if plain == "relu" else args[1:]
        return Interval(apply(args[0].low, *rest, **kwargs), apply(args[0].high, *rest, **kwargs))
    raise StriateError(
        f"{plain} has no rule for intervals",
        accepted=f"linear, convolution, batch norm, addition, products with constants, {', '.join(_END_BY_END)}",
        hint="a net of such parts",
    )


def _linear(x: Interval, weight: Tensor, bias: Tensor | None = None) -> Interval:
    middle, half = F.linear(x.middle, weight, bias), F.linear(x.half, weight.abs())
    return Interval(middle - half, middle + half, (x, weight, bias))


def _convolution(x: Interval, weight: Tensor, bias: Tensor | None = None, *rest: Any, **named: Any) -> Interval:
    middle = F.conv2d(x.middle, weight, bias, *rest, **named)
    half = F.conv2d(x.half, weight.abs(), None, *rest, **named)
    return Interval(middle - half, middle + half)


def _batch_norm(  # noqa: PLR0917  torch's own order
    x: Interval,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Interval:
    del momentum
    if training or mean is None or variance is None:
        raise StriateError("batch norm in training mode mixes images", accepted="a net in eval mode")
    scale = (variance + eps).rsqrt() * (1.0 if weight is None else weight)
    shift = (0.0 if bias is None else bias) - mean * scale
    axes = [1, -1, *[1] * (x.ndim - 2)]
    middle, half = x.middle * scale.view(axes) + shift.view(axes), x.half * scale.abs().view(axes)
    return Interval(middle - half, middle + half)


def _dropout(x: Interval, p: float = 0.5, training: bool = True, inplace: bool = False) -> Interval:
    del p, inplace
    if training:
        raise StriateError("dropout in training mode is random", accepted="a net in eval mode")
    return x


def _add(x: Any, y: Any, *, alpha: float = 1.0) -> Interval:
    left, right = _ends(x), _ends(y)
    if alpha < 0:
        right = right[::-1]
    return Interval(left[0] + alpha * right[0], left[1] + alpha * right[1])


def _sub(x: Any, y: Any) -> Interval:
    left, right = _ends(x), _ends(y)
    return Interval(left[0] - right[1], left[1] - right[0])


def _mul(x: Any, y: Any) -> Interval:
    interval, factor = (x, y) if isinstance(x, Interval) else (y, x)
    if isinstance(factor, Interval):
        raise StriateError("a product of two intervals has no rule", accepted="products with constants")
    one, two = interval.low * factor, interval.high * factor
    return Interval(torch.minimum(one, two), torch.maximum(one, two))


def _div(x: Any, y: Any) -> Interval:
    if isinstance(y, Interval):
        raise StriateError("a division by an interval has no rule", accepted="division by constants")
    return _mul(x, 1.0 / y)


def _cat(tensors: Sequence[Any], dim: int = 0) -> Interval:
    ends = [_ends(each) for each in tensors]
    return Interval(torch.cat([each[0] for each in ends], dim), torch.cat([each[1] for each in ends], dim))


def _ends(value: Any) -> tuple[Any, Any]:
    return (value.low, value.high) if isinstance(value, Interval) else (value, value)


_RULES: Mapping[str, Callable[..., Interval]] = {
    "linear": _linear, "conv2d": _convolution, "batch_norm": _batch_norm, "dropout": _dropout, "dropout2d": _dropout,
    "feature_dropout": _dropout, "add": _add, "iadd": _add, "radd": _add, "sub": _sub,
    "rsub": lambda x, y: _sub(y, x), "mul": _mul, "rmul": _mul, "div": _div, "truediv": _div, "cat": _cat,
    "concat": _cat,
}  # fmt: skip


def pixels_within(images: Tensor, radius: float | Tensor) -> Interval:
    """The pixels of [0, 1] at most ``radius`` from these."""
    return Interval((images - radius).clamp(min=0.0), (images + radius).clamp(max=1.0))


def worst_leads(output: Interval, labels: Tensor) -> Tensor:
    """By how much the score of the label leads at least over each class, (n, K); 0 over itself.

    After a linear layer the difference of two outputs is one row of weights, and its limits follow from what went in.

    Source: Gowal et al. 2019, section 3.2 ("elision of the last layer").
    """
    mine = nn.functional.one_hot(labels, output.shape[1]).bool()
    if output.behind is None:
        leads = output.low.gather(1, labels[:, None]) - output.high
    else:
        x, weight, bias = output.behind
        rows = weight[labels][:, None] - weight[None]  # (n, K, D)
        middle, half = ((rows @ x.middle[:, :, None]), (rows.abs() @ x.half[:, :, None]))
        leads = (middle - half).squeeze(2)
        if bias is not None:
            leads = leads + bias[labels][:, None] - bias[None]
    return leads.masked_fill(mine, 0.0)


def least_lead(leads: Tensor, labels: Tensor) -> Tensor:
    """The least of an image's leads over other classes, (n,)."""
    mine = nn.functional.one_hot(labels, leads.shape[1]).bool()
    return leads.masked_fill(mine, math.inf).amin(1)
