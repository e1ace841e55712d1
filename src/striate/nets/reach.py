"""What part of the image each unit of a tensor can depend on, followed through the operations of a net."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from .ops import bound
from .payload import Field
from .site import Fields, Pair, Window, through, union

# Each unit of the output depends on the units at the same place of the inputs alone (batch norm: in eval mode).
_POINTWISE = frozenset(
    "add sub mul div pow neg abs exp log log1p sqrt rsqrt square sin cos tanh sigmoid relu relu6 leaky_relu prelu rrelu "
    "elu celu selu gelu silu mish softplus softsign tanhshrink softshrink hardshrink hardtanh hardsigmoid hardswish "
    "logsigmoid threshold clamp clamp_min clamp_max clip maximum minimum where sign round floor ceil reciprocal lerp "
    "addcmul addcdiv dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout "
    "batch_norm nan_to_num masked_fill sub_ add_ fill erf expit local_response_norm copysign xlogy bernoulli "
    "contiguous to type type_as float double half bfloat16 cpu cuda detach alias clone".split()
)
_ALONG_DIM = frozenset(
    "softmax log_softmax softmin mean sum amax amin max min argmax var std norm logsumexp prod normalize cumsum glu "
    "median all any".split()
)
_POOLS = frozenset({"max_pool2d", "avg_pool2d", "lp_pool2d"})
_ADAPTIVE = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d"})


@dataclass(frozen=True)
class Reach:
    """Receptive fields of a tensor, with the axes of the tensor that stand for height and width."""

    fields: Fields
    axes: Pair = (2, 3)


@dataclass(frozen=True)
class Step:
    """What an operation does to the reach: the window it slides, and the reach of its output (None: all or unclear)."""

    window: Window | None = None
    reach: Reach | None = None


def follow(
    op: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    output: Tensor,
    inputs: Sequence[tuple[Tensor, Reach | None]],
) -> Step:
    """Window and reach of one call.

    Args:
        op: Name by `ops.op_name`.
        args: The call's arguments.
        kwargs: The call's named arguments.
        output: What it gave.
        inputs: Those of its tensors that depend on the image, with their reach.
    """
    window = window_of(op, args, kwargs, output)
    if any(reach is None for _, reach in inputs) or not inputs:
        return Step(window)
    known = [(tensor, reach) for tensor, reach in inputs if reach is not None]
    (first, reach), given = known[0], bound(op, args, kwargs)
    if window is not None:
        return Step(window, _slide(reach, window, len(known)))
    if op in _POINTWISE or (op == "linear" and first.dim() - 1 not in reach.axes and len(known) == 1):
        return Step(None, _aligned(known, output))
    if op == "cat":
        axis = _axis(given.get("dim", 0), output.dim())
        return Step(None, None if axis in reach.axes else _aligned(known, output))
    if op == "layer_norm":
        normalised = range(first.dim() - len(given["normalized_shape"]), first.dim())
        return Step(None, None if set(normalised) & set(reach.axes) else reach)
    if op in _ALONG_DIM:
        return Step(None, _reduced(op, given, reach, first, output))
    if op == "interpolate":
        return Step(None, _resized(given, reach, first, output))
    if op == "conv_transpose2d":
        return Step(None, _transposed(given, reach))
    return Step(None, _moved(op, args, given, reach, first, output))


def window_of(op: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor) -> Window | None:
    """The window of a two-dimensional convolution, pooling or padding; None for anything else."""
    given = bound(op, args, kwargs)
    source = given.get("input")
    if op == "conv2d":
        kernel, dilation = _pair(given["weight"].shape[-2:]), _pair(given.get("dilation", 1))
        padding = given.get("padding", 0)
        return Window(kernel, _pair(given.get("stride", 1)), dilation, _padding(padding, kernel, dilation))
    if op in _POOLS:
        kernel = _pair(given["kernel_size"])
        stride = given.get("stride")
        padding = _padding(given.get("padding", 0), kernel, (1, 1))
        return Window(
            kernel, kernel if stride in (None, []) else _pair(stride), _pair(given.get("dilation", 1)), padding
        )
    if op in _ADAPTIVE and isinstance(source, Tensor):
        return _adaptive(source, output)
    if op == "pad":
        sides = [int(side) for side in given["pad"]]
        sides += [0] * (4 - len(sides))
        if given.get("mode", "constant") == "constant" and output.dim() == 4:
            return Window(padding=((sides[2], sides[3]), (sides[0], sides[1])))
    return None


def _adaptive(source: Tensor, output: Tensor) -> Window | None:
    """Adaptive pooling as a plain one, where the sizes divide; to a single unit it takes in everything."""
    sizes = list(zip(source.shape[-2:], output.shape[-2:], strict=True))
    if any(big % small for big, small in sizes) or any(small == 1 < big for big, small in sizes):
        return None
    (tall, high), (broad, wide) = sizes
    step = (tall // high, broad // wide)
    return Window(step, step)


def _slide(reach: Reach, window: Window, inputs: int) -> Reach | None:
    return Reach(through(reach.fields, window), reach.axes) if inputs == 1 and reach.axes == (2, 3) else None


def _pair(value: Any) -> Pair:
    numbers = [int(each) for each in value] if isinstance(value, Sequence) else [int(value)]
    return (numbers[0], numbers[-1])


def _padding(value: Any, kernel: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    if value == "valid":
        return ((0, 0), (0, 0))
    if value == "same":
        spare = [(size - 1) * step for size, step in zip(kernel, dilation, strict=True)]
        return ((spare[0] // 2, spare[0] - spare[0] // 2), (spare[1] // 2, spare[1] - spare[1] // 2))
    tall, broad = _pair(value)
    return ((tall, tall), (broad, broad))


def _aligned(known: Sequence[tuple[Tensor, Reach]], output: Tensor) -> Reach | None:
    """Several tensors that are combined place by place, aligned from their last axes."""
    first = known[0][1]
    back = [(axis - known[0][0].dim()) for axis in first.axes]
    for tensor, reach in known:
        if [axis - tensor.dim() for axis in reach.axes] != back:
            return None
        if any(tensor.shape[axis] != output.shape[axis] for axis in back):
            return None
    fields = union(reach.fields for _, reach in known)
    axes = (output.dim() + back[0], output.dim() + back[1])
    return None if fields is None else Reach(fields, axes)


def _reduced(op: str, given: Mapping[str, Any], reach: Reach, source: Tensor, output: Tensor) -> Reach | None:
    dim = given.get("dim", 1 if op == "normalize" else None)
    if dim is None or isinstance(dim, str):
        return None
    dims = {_axis(each, source.dim()) for each in (dim if isinstance(dim, Sequence) else [dim])}
    if dims & set(reach.axes):
        return None
    if output.dim() == source.dim():
        return reach
    tall, broad = (axis - sum(each < axis for each in dims) for axis in reach.axes)
    return replace(reach, axes=(tall, broad))


def _resized(given: Mapping[str, Any], reach: Reach, source: Tensor, output: Tensor) -> Reach | None:
    """Interpolation: nearest keeps the size, bilinear adds one step, bicubic three."""
    extra = {"nearest": 0, "nearest-exact": 0, "bilinear": 1, "bicubic": 3}.get(given.get("mode") or "nearest")
    if extra is None or reach.axes != (2, 3) or given.get("antialias"):
        return None
    fields = []
    for axis, field in zip(reach.axes, reach.fields, strict=True):
        before, after = source.shape[axis], output.shape[axis]
        corners = bool(given.get("align_corners")) and after > 1
        step = (before - 1) / (after - 1) if corners else before / after
        start = 0.0 if corners else (step - 1) / 2
        fields.append(
            Field(field.size + round(extra * field.stride), field.stride * step, field.offset + start * field.stride)
        )
    return Reach((fields[0], fields[1]))


def _transposed(given: Mapping[str, Any], reach: Reach) -> Reach | None:
    """Transposed convolution: a unit of the output takes in at most ceil(kernel / stride) units on each axis."""
    if reach.axes != (2, 3):
        return None
    kernel, stride = _pair(given["weight"].shape[-2:]), _pair(given.get("stride", 1))
    padding, dilation = _pair(given.get("padding", 0)), _pair(given.get("dilation", 1))
    fields = []
    for axis, field in enumerate(reach.fields):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        taken = math.ceil(extent / stride[axis])
        start = (padding[axis] - (extent - 1) / 2) / stride[axis]
        size = field.size + math.ceil((taken - 1) * field.stride)
        fields.append(Field(size, field.stride / stride[axis], field.offset + start * field.stride))
    return Reach((fields[0], fields[1]))


def _moved(
    op: str, args: Sequence[Any], given: Mapping[str, Any], reach: Reach, source: Tensor, output: Tensor
) -> Reach | None:
    """Operations that only move numbers: where do the two axes go, if they stay whole?"""
    if op == "getitem":
        return _indexed(args[1], reach, source)
    if op in ("chunk", "split", "unbind", "tensor_split"):
        axis = _axis(given.get("dim", 0), source.dim())
        if axis in reach.axes:
            return None
        if op != "unbind":
            return reach
        tall, broad = (each - (axis < each) for each in reach.axes)
        return replace(reach, axes=(tall, broad))
    if op in ("expand", "expand_as"):
        return _aligned([(source, reach)], output)
    if op == "permute":
        order = args[1] if len(args) == 2 and isinstance(args[1], Sequence) else given.get("dims", args[1:])
        places = [_axis(int(each), source.dim()) for each in order]
        return replace(reach, axes=(places.index(reach.axes[0]), places.index(reach.axes[1])))
    if op in ("transpose", "swapaxes", "swapdims"):
        pair = [_axis(int(given[key]), source.dim()) for key in ("dim0", "dim1")]
        swap = {pair[0]: pair[1], pair[1]: pair[0]}
        return replace(reach, axes=(swap.get(reach.axes[0], reach.axes[0]), swap.get(reach.axes[1], reach.axes[1])))
    if op in ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"):
        return _reshaped(reach, source, output)
    return None


def _indexed(index: Any, reach: Reach, source: Tensor) -> Reach | None:
    """Slices with steps, as in ``x[:, :, ::2, ::2]``: no window, but every second unit."""
    items = list(index) if isinstance(index, tuple) else [index]
    if not all(isinstance(item, (slice, int)) or item is Ellipsis for item in items):
        return None
    if Ellipsis in items:
        place = items.index(Ellipsis)
        items[place : place + 1] = [slice(None)] * (source.dim() - len(items) + 1)
    items += [slice(None)] * (source.dim() - len(items))
    fields, axes = [], []
    for axis, field in zip(reach.axes, reach.fields, strict=True):
        item = items[axis]
        if isinstance(item, int):
            return None
        start, _, step = item.indices(source.shape[axis])
        fields.append(Field(field.size, field.stride * step, field.offset + start * field.stride))
        axes.append(axis - sum(isinstance(each, int) for each in items[:axis]))
    return Reach((fields[0], fields[1]), (axes[0], axes[1]))


def _reshaped(reach: Reach, source: Tensor, output: Tensor) -> Reach | None:
    """An axis lives on where the new shape has one of its size with as many numbers before and behind it."""
    axes = []
    for axis in reach.axes:
        before = math.prod(source.shape[:axis])
        places = [
            place
            for place in range(output.dim())
            if output.shape[place] == source.shape[axis] and math.prod(output.shape[:place]) == before
        ]
        if not places:
            return None
        axes.append(places[-1] if axis == source.dim() - 1 else places[0])
    return Reach(reach.fields, (axes[0], axes[1])) if axes[0] != axes[1] else None


def _axis(dim: int, dims: int) -> int:
    return dim % dims
