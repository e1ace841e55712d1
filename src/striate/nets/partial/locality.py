"""Which operations are local: what of their output changes when a rectangle of their input does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striate.nets.ops import bound, names, tensors_in
from striate.nets.site import Pair, Window
from striate.nets.windows import window_of

from .program import Node, Program, Ref

# Each unit of the output depends on the units at the same place of the inputs alone; channels may be mixed in some.
POINTWISE = names(
    "add sub mul div pow neg abs exp log log1p sqrt rsqrt square sin cos tanh sigmoid relu relu6 leaky_relu prelu "
    "elu celu selu gelu silu mish softplus softsign tanhshrink softshrink hardshrink hardtanh hardsigmoid hardswish "
    "logsigmoid threshold clamp clamp_min clamp_max clip maximum minimum where sign round floor ceil reciprocal lerp "
    "addcmul addcdiv dropout dropout2d dropout3d alpha_dropout feature_alpha_dropout nan_to_num erf expit "
    "contiguous detach clone"
)
BY_CHANNEL = names("batch_norm local_response_norm prelu")  # their other tensors are one number a channel
WINDOWS = names("conv2d max_pool2d avg_pool2d")
ALONG = names("softmax log_softmax normalize glu sum mean amax amin unbind chunk split tensor_split select narrow")
DROPS = names("sum mean amax amin")


@dataclass(frozen=True)
class Part:
    """How a node is run on rectangles.

    Attributes:
        kind: ``"point"``, ``"local"`` (as point, one input), ``"window"``, ``"cat"``, ``"pad"`` or ``"whole"``.
        axes: For each output its axes that stand for rows and columns, or None.
        window: What a window or a padding slides.
        form: What stands in for the call where its arguments name the size of the whole map.
    """

    kind: str
    axes: tuple[Pair | None, ...]
    window: Window | None = None
    form: Callable[[Tensor], Tensor] | None = None


def parts_of(program: Program) -> tuple[Part, ...]:
    """One `Part` for each node."""
    axes: dict[int, Pair | None] = {0: (2, 3)}
    found = []
    for node in program.nodes:
        part = _part(node, axes, program.shapes)
        axes.update(zip(node.outputs, part.axes, strict=True))
        found.append(part)
    return tuple(found)


def _part(node: Node, axes: dict[int, Pair | None], shapes: Sequence[tuple[int, ...]]) -> Part:
    found = None
    moving = [value for value in dict.fromkeys(node.inputs) if axes.get(value) is not None]
    if node.image and moving and node.outputs and not node.counted:
        here = axes[moving[0]]
        assert here is not None
        if node.op == "cat":
            found = _joined(node, axes, shapes)
        elif node.op in BY_CHANNEL:
            found = _by_channel(node, here) if len(moving) == 1 else None
        elif node.op in POINTWISE:
            aligned = _aligned(node, axes, shapes)
            found = Part("point", (aligned,)) if aligned else None
        elif node.op in WINDOWS:
            found = _windowed(node, here, shapes) if len(moving) == 1 else None
        elif len(set(node.inputs)) == 1:
            found = _padded(node, here, shapes) if node.op == "pad" else _formed(node, here, shapes)
    return found or Part("whole", tuple(None for _ in node.outputs))


def _joined(node: Node, axes: dict[int, Pair | None], shapes: Sequence[tuple[int, ...]]) -> Part | None:
    dim = bound("cat", node.args, node.kwargs).get("dim", 0)
    alike = all(axes.get(value) == (2, 3) for value in node.inputs) and len(shapes[node.outputs[0]]) == 4
    return Part("cat", ((2, 3),)) if alike and dim in (1, -3) else None


def _by_channel(node: Node, here: Pair) -> Part | None:
    trained = bool(node.kwargs.get("training", False)) or node.args[5:6] == (True,)
    return Part("point", (here,)) if not trained and 1 not in here and len(node.outputs) == 1 else None


def _padded(node: Node, here: Pair, shapes: Sequence[tuple[int, ...]]) -> Part | None:
    given = bound("pad", node.args, node.kwargs)
    sides = [int(side) for side in given["pad"]] + [0, 0]
    zero = given.get("mode", "constant") == "constant" and not given.get("value")
    if not zero or here != (2, 3) or len(shapes[node.outputs[0]]) != 4 or not 4 <= len(sides) <= 6 or min(sides) < 0:
        return None
    return Part("pad", ((2, 3),), Window(padding=((sides[2], sides[3]), (sides[0], sides[1]))))


def _windowed(node: Node, here: Pair, shapes: Sequence[tuple[int, ...]]) -> Part | None:
    given = bound(node.op, node.args, node.kwargs)
    if here != (2, 3) or len(node.outputs) != 1 or len(shapes[node.outputs[0]]) != 4:
        return None
    source = given.get("input")
    if not isinstance(source, Ref) or len(shapes[source.value]) != 4 or given.get("return_indices"):
        return None

    def form(each: Any) -> Any:
        return torch.empty(shapes[each.value], device="meta") if isinstance(each, Ref) else each

    args, kwargs = [form(each) for each in node.args], {name: form(each) for name, each in node.kwargs.items()}
    window = window_of(node.op, args, kwargs, form(Ref(node.outputs[0])))
    return None if window is None else Part("window", ((2, 3),), window)


def _aligned(node: Node, axes: dict[int, Pair | None], shapes: Sequence[tuple[int, ...]]) -> Pair | None:
    """Axes of the output where all inputs lie on one another unit by unit, counted from the last axis."""
    after = shapes[node.outputs[0]]
    back: set[Pair] = set()
    for value in node.inputs:
        where = axes.get(value)
        if where is not None:
            back.add((where[0] - len(shapes[value]), where[1] - len(shapes[value])))
    if len(back) != 1 or len(node.outputs) != 1:
        return None
    (pair,) = back
    for value in node.inputs:
        shape = shapes[value]
        sizes = tuple(shape[each] if -each <= len(shape) else 1 for each in pair)
        wanted = tuple(after[each] for each in pair)
        if sizes != (wanted if axes.get(value) is not None else (1, 1)):
            return None
    for tensor in tensors_in((node.args, dict(node.kwargs))):
        if any(-each <= tensor.dim() and tensor.shape[each] != 1 for each in pair):
            return None
    return (pair[0] + len(after), pair[1] + len(after))


def _formed(node: Node, here: Pair, shapes: Sequence[tuple[int, ...]]) -> Part | None:
    """Operations that move axes or work along those that are neither rows nor columns."""
    before, after = shapes[node.inputs[0]], shapes[node.outputs[0]]
    made = _moved(node, here, len(before))
    if node.op in ("view", "reshape", "flatten", "unflatten"):
        keeps = here == (len(before) - 2, len(before) - 1) and len(after) >= 3 and after[-2:] == before[-2:]
        if not keeps:
            return None
        inner = after[1:-2]

        def form(tensor: Tensor) -> Tensor:
            return tensor.reshape(len(tensor), *inner, *tensor.shape[-2:])

        return Part("local", ((len(after) - 2, len(after) - 1),), form=form)
    if made is None or 0 in made:
        return None
    wanted = tuple(before[axis] for axis in here)
    for value in node.outputs:
        if len(shapes[value]) <= max(made) or tuple(shapes[value][axis] for axis in made) != wanted:
            return None
    return Part("local", tuple(made for _ in node.outputs))


def _moved(node: Node, here: Pair, dims: int) -> Pair | None:
    given = bound(node.op, node.args, node.kwargs)
    rest = [each for each in node.args if not isinstance(each, Ref)]
    found: Pair | None = None
    if node.op == "linear":
        found = here if dims - 1 not in here and dims > 2 else None
    elif node.op == "layer_norm":
        found = here if max(here) < dims - len(given["normalized_shape"]) else None
    elif node.op in ("permute", "transpose", "swapaxes"):
        order = _order(node.op, given, rest, dims)
        found = (order.index(here[0]), order.index(here[1])) if order[0] == 0 else None
    elif node.op in ("unsqueeze", "squeeze"):
        dim = given.get("dim", rest[0] if rest else None)
        grown = node.op == "unsqueeze"
        dim = dim % (dims + grown) if isinstance(dim, int) else 0
        found = None if dim == 0 or (dim in here and not grown) else _shifted(here, dim, 1 if grown else -1)
    elif node.op == "getitem":
        found = _indexed(node.args[1], here, dims)
    elif node.op in ALONG:
        found = _along(node, given, here, dims)
    return found


def _order(op: str, given: dict[str, Any], rest: list[Any], dims: int) -> list[int]:
    """The axes of a tensor in the order that it is turned to."""
    if op == "permute":
        dealt = given.get("dims", rest[0] if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else rest)
        return [int(each) % dims for each in dealt]
    one, two = int(given["dim0"]) % dims, int(given["dim1"]) % dims
    order = list(range(dims))
    order[one], order[two] = two, one
    return order


def _shifted(here: Pair, dim: int, step: int) -> Pair:
    least = dim if step > 0 else dim + 1
    return tuple(axis + step if axis >= least else axis for axis in here)  # type: ignore[return-value]


def _along(node: Node, given: dict[str, Any], here: Pair, dims: int) -> Pair | None:
    default = {"split": 0, "chunk": 0, "tensor_split": 0, "unbind": 0, "normalize": 1, "glu": -1}.get(node.op)
    positional = [each for each in node.args[1:] if not isinstance(each, Ref)]
    dim = given.get("dim", default)
    if node.op in ("select", "narrow") and "dim" not in node.kwargs:
        dim = positional[0]
    if dim is None or not isinstance(dim, (int, tuple, list)):
        return None
    along = {int(each) % dims for each in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    if along & {0, *here}:
        return None
    if node.op in ("unbind", "select") or (node.op in DROPS and not given.get("keepdim", False)):
        for each in sorted(along, reverse=True):
            here = _shifted(here, each, -1)
    return here


def _indexed(index: Any, here: Pair, dims: int) -> Pair | None:
    """Axes after ``tensor[index]`` with integers and slices; the batch, rows and columns must be taken whole."""
    items = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(each, (Tensor, Ref, list, bool)) for each in items):
        return None
    used = sum(each is not None and each is not Ellipsis for each in items)
    at = items.index(Ellipsis) if any(each is Ellipsis for each in items) else len(items)
    items[at : at + 1] = [slice(None)] * (dims - used)
    axis, place, found = 0, 0, {}
    for each in items:
        if each is None:
            place += 1
            continue
        if axis in (0, *here) and each != slice(None):
            return None
        if isinstance(each, slice):
            found[axis] = place
            place += 1
        axis += 1
    return (found[here[0]], found[here[1]]) if found.get(0) == 0 else None
