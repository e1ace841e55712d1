"""What is connected to what in a model: the calls it makes, and which weighted layer feeds which with nothing between.

A second look at the copy, with a batch of prime size, so that an axis that counts samples cannot be mistaken for one
that counts channels: each torch function is written down as it is called (`torch.overrides.TorchFunctionMode`), and
autograd's graph of the output is walked from each weighted operation to the one below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.nets.ops import QUESTIONS, bound, names, op_name

from .graph import MOST_NODES, operation
from .samples import unnoticed

if TYPE_CHECKING:
    from .start import Start

PRIMES = (31, 13, 7, 5, 3, 2)
MOST_CALLS = 20_000
RESHAPES = names("view reshape flatten unflatten unsafe_view")
ACTIVATIONS = names("relu relu6 hardtanh threshold clamp clamp_min")
LAYERS = frozenset({"Convolution", "ConvolutionOverrideable", "MkldnnConvolution", "Addmm", "Mm", "Linear"})
# What is linear in its one input that stems from the image, so that layers on both sides are one linear map
LINEAR = names(
    "View UnsafeView Reshape ReshapeAlias Permute Transpose T Clone NativeBatchNorm CudnnBatchNorm MiopenBatchNorm "
    "AvgPool2D AdaptiveAvgPool2D MkldnnAdaptiveAvgPool2D Mean Sum Squeeze Unsqueeze AsStrided ToCopy ConstantPadNd "
    "Alias Mul Div Add Sub Expand Slice Select NativeDropout Neg Contiguous"
)


@dataclass(frozen=True)
class Call:
    """One call of a torch function in the model.

    Attributes:
        op: Its plain name (`striate.nets.ops.op_name`).
        given: Shape of its first tensor, and
        before: shape before the reshapes that came right before it, if any.
        shape: Of its output, the empty tuple where that is no tensor.
        axis: Of a softmax or a mean; None where it has none, or several.
        p: Of a dropout.
        training: Whether a dropout or a batch norm was told to act as in training.
        grad: Whether gradients were switched on.
        dead: Share of units that are 0 for every sample and place, of an activation that can be 0.
        last: Whether it gave the model's output.
    """

    op: str
    given: tuple[int, ...]
    before: tuple[int, ...]
    shape: tuple[int, ...]
    axis: int | None = None
    p: float | None = None
    training: bool | None = None
    grad: bool = True
    dead: float | None = None
    last: bool = False


@dataclass(frozen=True)
class Link:
    """Two weighted operations with nothing between them that is not linear.

    Attributes:
        below: Name of the weight nearer the image.
        above: Of the one that takes what it gives.
        widths: Features that go into the lower one, out of it, and out of the upper one.
        kernels: Windows of both, empty for linear layers.
        groups: Of both.
    """

    below: str
    above: str
    widths: tuple[int, int, int]
    kernels: tuple[tuple[int, ...], tuple[int, ...]]
    groups: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Wires:
    """How the model is connected.

    Attributes:
        batch: Samples in this look.
        calls: In training mode, in their order.
        judged: In eval mode.
        leaves: Leaf tensors that a gradient of the output reaches, by ``id``; parameters are those of `Start.model`.
        links: Weighted operations that follow one another.
        weighted: How many weighted operations there are.
        still: Names of normalisations and dropouts that stay in eval mode when the model is told to train.
        called: Names of leaf modules that were called in either mode.
    """

    batch: int
    calls: tuple[Call, ...]
    judged: tuple[Call, ...]
    leaves: Mapping[int, Tensor]
    links: tuple[Link, ...]
    weighted: int
    still: tuple[str, ...]
    called: frozenset[str]


def wires_of(start: Start) -> Wires | None:
    """The wires of the copy, which is left as it was; None where the model takes no batch of prime size.

    Costs two passes forward with at most 31 samples.
    """
    model = start.model
    buffers = {name: each.clone() for name, each in model.named_buffers()}
    size = next((each for each in PRIMES if each <= len(start.x)), len(start.x))
    called: set[str] = set()
    handles = [
        module.register_forward_hook(_calling(called, name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        with unnoticed():
            torch.manual_seed(0)
            model.train()
            still = tuple(
                name
                for name, each in model.named_modules()
                if not each.training and isinstance(each, (nn.modules.batchnorm._NormBase, nn.Dropout))
            )
            for count in (size, len(start.x)):
                with suppress(Exception):
                    with torch.enable_grad():
                        calls, output = recorded(lambda x: start.call(model, x), start.x[:count])
                    break
            else:
                return None
            model.eval()
            with torch.no_grad():
                judged, _ = recorded(lambda x: start.call(model, x), start.x[:count])
    except Exception:
        return None
    finally:
        for handle in handles:
            handle.remove()
        model.eval()
        for name, each in model.named_buffers():
            each.copy_(buffers[name])
    known = {id(each): name for name, each in model.named_parameters()}
    leaves, links, weighted = _walked(output, known)
    return Wires(count, calls, judged, leaves, links, weighted, still, frozenset(called))


def _calling(into: set[str], name: str) -> Callable[..., None]:
    def hook(*_: Any) -> None:
        into.add(name)

    return hook


def recorded(call: Callable[[Tensor], Tensor], x: Tensor) -> tuple[tuple[Call, ...], Tensor]:
    """The torch functions that ``call(x)`` calls, and what it gives."""
    mode = _Recorder()
    with mode:
        output = call(x)
    calls = list(mode.calls)
    if mode.made and mode.made[-1] is output and calls:
        calls[-1] = Call(**{**calls[-1].__dict__, "last": True})
    return tuple(calls), output


class _Recorder(TorchFunctionMode):
    """Writes down each torch function; holds what they give, so that an ``id`` stays one tensor's own."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.made: list[Any] = []
        self.origin: dict[int, tuple[int, ...]] = {}  # shape before reshapes, of what a reshape gave

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        result = func(*args, **given)
        if getattr(func, "__name__", "") in QUESTIONS or len(self.calls) >= MOST_CALLS:
            if getattr(func, "__self__", None) is Tensor.data:
                self._write("data", args, given, result)
            return result
        self._write(op_name(func, args, given), args, given, result)
        return result

    def _write(self, op: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        first = next((each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)), None)
        found = result[0] if isinstance(result, tuple) and result and isinstance(result[0], Tensor) else result
        shape = tuple(found.shape) if isinstance(found, Tensor) else ()
        named = bound(op, args, kwargs)
        come = () if first is None else tuple(first.shape)
        before = self.origin.get(id(first), come)
        if op in RESHAPES and isinstance(found, Tensor):
            self.origin[id(found)] = before
        axis = named.get("dim")
        axis = axis % len(come) if isinstance(axis, int) and come and op.endswith(("softmax", "mean")) else None
        p = named.get("p", 0.5) if "dropout" in op else None
        if "dropout" in op and len(args) > 1:
            p = args[1]
        training = named.get("training", True) if "dropout" in op else None
        if "dropout" in op and len(args) > 2:
            training = args[2]
        dead = None
        if op in ACTIVATIONS and isinstance(found, Tensor) and found.dim() in (2, 4):
            dead = float((found.detach().transpose(0, 1).flatten(1) == 0).all(1).float().mean())
        self.calls.append(
            Call(
                op, come, before, shape, axis, float(p) if isinstance(p, (int, float)) else None,
                bool(training) if training is not None else None, torch.is_grad_enabled(), dead,
            )
        )  # fmt: skip
        self.made.append(found)


@dataclass(frozen=True)
class _Weight:
    name: str
    into: int
    out: int
    kernel: tuple[int, ...]
    groups: int


def _walked(output: Tensor, named: Mapping[int, str]) -> tuple[dict[int, Tensor], tuple[Link, ...], int]:
    """Leaves, links and the number of weighted operations of the graph of ``output``."""
    leaves: dict[int, Tensor] = {}
    todo = [output.grad_fn] if output.grad_fn is not None else []
    nodes: list[Any] = list(todo)
    takers: Counter[Any] = Counter()
    met: set[Any] = set(todo)
    while todo and len(met) < MOST_NODES:
        node: Any = todo.pop()
        if operation(node) == "AccumulateGrad":
            leaves[id(node.variable)] = node.variable
        for below, _ in node.next_functions:
            takers[below] += 1
            if below is not None and below not in met:
                met.add(below)
                nodes.append(below)
                todo.append(below)
    uppers = [(node, upper) for node in nodes if (upper := _weight(node, named)) is not None]
    links = [_link(lower, upper) for node, upper in uppers for lower in _below(node, named, takers)]
    return leaves, tuple(links), len(uppers)


def _link(lower: _Weight, upper: _Weight) -> Link:
    return Link(
        lower.name,
        upper.name,
        (lower.into, lower.out, upper.out),
        (lower.kernel, upper.kernel),
        (lower.groups, upper.groups),
    )


def _leaf(node: Any) -> tuple[Tensor, bool] | None:
    """The leaf that a node hands on, and whether it is transposed on its way; None where it computes something."""
    turned = False
    while node is not None:
        name = operation(node)
        if name == "AccumulateGrad":
            return node.variable, turned
        if name not in ("T", "Transpose", "Permute", "View", "Expand", "Unsqueeze", "Slice", "Select", "ToCopy"):
            return None
        turned ^= name in ("T", "Transpose")
        node = node.next_functions[0][0] if node.next_functions else None
    return None


def _weight(node: Any, named: Mapping[int, str]) -> _Weight | None:
    """The weight that a node multiplies what it is given by, where it is one of the model's."""
    if operation(node) not in LAYERS:
        return None
    for below, _ in node.next_functions:
        found = _leaf(below)
        if found is None or found[0].dim() < 2 or id(found[0]) not in named:
            continue
        weight, turned = found
        shape = tuple(weight.shape)
        groups = int(getattr(node, "_saved_groups", 1))
        if weight.dim() == 2:
            into, out = (shape[1], shape[0]) if turned else (shape[0], shape[1])
        elif getattr(node, "_saved_transposed", False):
            into, out = shape[0], shape[1] * groups
        else:
            into, out = shape[1] * groups, shape[0]
        return _Weight(named[id(weight)], into, out, shape[2:], groups)
    return None


def _below(node: Any, named: Mapping[int, str], takers: Mapping[Any, int]) -> Iterator[_Weight]:
    """The weighted operation that feeds this one through what is linear alone, and feeds nothing else: at most one.

    What several operations take is a stream that they add to (the residual one of a net), not a layer of its own.
    """
    for _ in range(32):
        data = [each for each, _ in node.next_functions if each is not None and _leaf(each) is None]
        if len(data) != 1:
            return
        node = data[0]
        if takers[node] > 1:
            return
        lower = _weight(node, named)
        if lower is not None:
            yield lower
            return
        if operation(node) not in LINEAR:
            return


def sources(layers: tuple[Any, ...]) -> dict[int, int]:
    """Which layer (its place) feeds which with the very tensor that it gave: the last one before it."""
    gave: dict[int, int] = {}
    out = {}
    for at, each in enumerate(layers):
        if each.inward in gave:
            out[at] = gave[each.inward]
        gave[each.outward] = at
    return out
