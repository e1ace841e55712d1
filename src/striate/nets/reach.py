"""What part of the image each unit of a tensor can depend on, followed through the operations of a net."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from .ops import bound, names
from .payload import Field
from .site import Fields, Pair, Window, through, union
from .windows import pair, window_of

# Each unit of the output depends on the units at the same place of the inputs alone (batch norm: in eval mode).
_POINTWISE = names(
    "add sub mul div pow neg abs exp log log1p sqrt rsqrt square sin cos tanh sigmoid relu relu6 leaky_relu prelu "
    "rrelu elu celu selu gelu silu mish softplus softsign tanhshrink softshrink hardshrink hardtanh hardsigmoid "
    "hardswish logsigmoid threshold clamp clamp_min clamp_max clip maximum minimum where sign round floor ceil "
    "reciprocal lerp addcmul addcdiv dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout "
    "batch_norm nan_to_num masked_fill erf expit local_response_norm copysign xlogy "
    "contiguous to type type_as float double half bfloat16 cpu cuda detach alias clone"
)
_ALONG_DIM = names(
    "softmax log_softmax softmin mean sum amax amin max min var std norm logsumexp prod normalize cumsum glu median"
)
_TAPS = {"nearest": 0, "nearest-exact": 0, "bilinear": 1, "bicubic": 3}  # neighbours that interpolation adds


@dataclass(frozen=True)
class Reach:
    """Receptive fields of a tensor, with the axes of the tensor that stand for height and width."""

    fields: Fields
    axes: Pair = (2, 3)


@dataclass(frozen=True)
class Use:
    """One call, as the reach is followed through it.

    Attributes:
        op: Name by `ops.op_name`.
        args: The call's arguments as given.
        given: Its arguments by name.
        inputs: Those of its tensors that depend on the image, with their reach.
        output: What it gave.
        window: The window that it slides, or None.
    """

    op: str
    args: Sequence[Any]
    given: Mapping[str, Any]
    inputs: Sequence[tuple[Tensor, Reach]]
    output: Tensor
    window: Window | None

    @property
    def source(self) -> Tensor:
        """The first input."""
        return self.inputs[0][0]

    @property
    def reach(self) -> Reach:
        """The reach of the first input."""
        return self.inputs[0][1]


@dataclass(frozen=True)
class Step:
    """What an operation does: the window it slides, and the reach of its output (None: everything, or unclear)."""

    window: Window | None = None
    reach: Reach | None = None


def follow(
    op: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    output: Tensor,
    inputs: Sequence[tuple[Tensor, Reach | None]],
) -> Step:
    """Window and reach of one call, whose tensors that depend on the image are ``inputs``."""
    window = window_of(op, args, kwargs, output)
    known = [(tensor, reach) for tensor, reach in inputs if reach is not None]
    if not known or len(known) < len(inputs):
        return Step(window)
    use = Use(op, args, bound(op, args, kwargs), known, output, window)
    move = _slide if window is not None else _MOVES.get(op)
    return Step(window, None if move is None else move(use))


def _slide(use: Use) -> Reach | None:
    if len(use.inputs) > 1 or use.reach.axes != (2, 3) or use.window is None:
        return None
    return Reach(through(use.reach.fields, use.window))


def _aligned(use: Use) -> Reach | None:
    """Several tensors that are combined place by place, aligned from their last axes."""
    back = [axis - use.source.dim() for axis in use.reach.axes]
    for tensor, reach in use.inputs:
        if [axis - tensor.dim() for axis in reach.axes] != back:
            return None
        if any(tensor.shape[axis] != use.output.shape[axis] for axis in back):
            return None
    fields = union(reach.fields for _, reach in use.inputs)
    axes = (use.output.dim() + back[0], use.output.dim() + back[1])
    return None if fields is None else Reach(fields, axes)


def _linear(use: Use) -> Reach | None:
    """A linear layer mixes the last axis alone."""
    mixed = use.source.dim() - 1
    return use.reach if len(use.inputs) == 1 and mixed not in use.reach.axes else None


def _concatenated(use: Use) -> Reach | None:
    if use.given.get("dim", 0) % use.output.dim() in use.reach.axes:
        return None
    return _aligned(use)


def _layer_norm(use: Use) -> Reach | None:
    normalised = range(use.source.dim() - len(use.given["normalized_shape"]), use.source.dim())
    return None if set(normalised) & set(use.reach.axes) else use.reach


def _along_dim(use: Use) -> Reach | None:
    dim = use.given.get("dim", 1 if use.op == "normalize" else None)
    if dim is None or isinstance(dim, str):
        return None
    dims = {each % use.source.dim() for each in (dim if isinstance(dim, Sequence) else [dim])}
    if dims & set(use.reach.axes):
        return None
    if use.output.dim() == use.source.dim():
        return use.reach
    return _shifted(use.reach, dims)


def _shifted(reach: Reach, gone: set[int]) -> Reach:
    """The reach after the axes ``gone`` have gone."""
    tall, broad = (axis - sum(each < axis for each in gone) for axis in reach.axes)
    return replace(reach, axes=(tall, broad))


def _resized(use: Use) -> Reach | None:
    """Interpolation takes in neighbours at the old step; antialiasing takes in more of them."""
    taps = _TAPS.get(use.given.get("mode") or "nearest")
    if taps is None or use.reach.axes != (2, 3) or use.given.get("antialias"):
        return None
    fields = []
    for axis, field in zip(use.reach.axes, use.reach.fields, strict=True):
        before, after = use.source.shape[axis], use.output.shape[axis]
        corners = bool(use.given.get("align_corners")) and after > 1
        step = (before - 1) / (after - 1) if corners else before / after
        start = 0.0 if corners else (step - 1) / 2
        size = field.size + round(taps * field.stride)
        fields.append(Field(size, field.stride * step, field.offset + start * field.stride))
    return Reach((fields[0], fields[1]))


def _transposed_convolution(use: Use) -> Reach | None:
    """A unit of the output takes in at most ceil(extent / stride) units on each axis."""
    if use.reach.axes != (2, 3) or len(use.inputs) > 1:
        return None
    given = use.given
    kernel, stride = pair(given["weight"].shape[-2:]), pair(given.get("stride", 1))
    padding, dilation = pair(given.get("padding", 0)), pair(given.get("dilation", 1))
    fields = []
    for axis, field in enumerate(use.reach.fields):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        taken = math.ceil(extent / stride[axis])
        start = (padding[axis] - (extent - 1) / 2) / stride[axis]
        size = field.size + math.ceil((taken - 1) * field.stride)
        fields.append(Field(size, field.stride / stride[axis], field.offset + start * field.stride))
    return Reach((fields[0], fields[1]))


def _indexed(use: Use) -> Reach | None:
    """Slices with steps, as in ``x[:, :, ::2, ::2]``: no window, but every second unit."""
    index = use.args[1]
    items = list(index) if isinstance(index, tuple) else [index]
    if not all(isinstance(item, (slice, int)) or item is Ellipsis for item in items):
        return None
    if Ellipsis in items:
        place = items.index(Ellipsis)
        items[place : place + 1] = [slice(None)] * (use.source.dim() - len(items) + 1)
    items += [slice(None)] * (use.source.dim() - len(items))
    fields = []
    for axis, field in zip(use.reach.axes, use.reach.fields, strict=True):
        item = items[axis]
        if isinstance(item, int):
            return None
        start, _, step = item.indices(use.source.shape[axis])
        fields.append(Field(field.size, field.stride * step, field.offset + start * field.stride))
    gone = {axis for axis, item in enumerate(items) if isinstance(item, int)}
    return _shifted(Reach((fields[0], fields[1]), use.reach.axes), gone)


def _parted(use: Use) -> Reach | None:
    axis = use.given.get("dim", 0) % use.source.dim()
    if axis in use.reach.axes:
        return None
    return _shifted(use.reach, {axis}) if use.op == "unbind" else use.reach


def _permuted(use: Use) -> Reach | None:
    order = use.given.get("dims", use.args[1:])
    if len(order) == 1 and isinstance(order[0], Sequence):
        order = order[0]
    places = [int(each) % use.source.dim() for each in order]
    return replace(use.reach, axes=(places.index(use.reach.axes[0]), places.index(use.reach.axes[1])))


def _transposed(use: Use) -> Reach | None:
    one, other = (int(use.given[key]) % use.source.dim() for key in ("dim0", "dim1"))
    swap = {one: other, other: one}
    tall, broad = (swap.get(axis, axis) for axis in use.reach.axes)
    return replace(use.reach, axes=(tall, broad))


def _reshaped(use: Use) -> Reach | None:
    """An axis lives on where the new shape has one of its size with as many numbers before and behind it."""
    old, new = use.source.shape, use.output.shape
    axes = []
    for axis in use.reach.axes:
        before = math.prod(old[:axis])
        places = [at for at in range(len(new)) if new[at] == old[axis] and math.prod(new[:at]) == before]
        if not places:
            return None
        axes.append(places[-1] if axis == len(old) - 1 else places[0])
    return Reach(use.reach.fields, (axes[0], axes[1])) if axes[0] < axes[1] else None


_MOVES: Mapping[str, Callable[[Use], Reach | None]] = {
    **dict.fromkeys(_POINTWISE, _aligned),
    **dict.fromkeys(_ALONG_DIM, _along_dim),
    **dict.fromkeys(("chunk", "split", "unbind", "tensor_split"), _parted),
    **dict.fromkeys(("expand", "expand_as"), _aligned),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshaped),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transposed),
    "permute": _permuted,
    "getitem": _indexed,
    "linear": _linear,
    "cat": _concatenated,
    "layer_norm": _layer_norm,
    "interpolate": _resized,
    "conv_transpose2d": _transposed_convolution,
}
