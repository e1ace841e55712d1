"""What autograd wrote down of one loss: which operations lead from the weights to it, which weights it reaches.

The nodes and what they saved are those of torch's own graph (`torch.autograd.graph.Node`); names that end in
``Backward0`` are the operations. Read before backward frees them, they tell what the loop does without a line of it
being wrapped: the targets, the logits, the axis of the softmax.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

MOST_NODES = 20_000
WEIGHTED = (
    "Convolution",
    "Addmm",
    "Mm",
    "Bmm",
    "Linear",
    "ConvolutionOverrideable",
    "MkldnnConvolution",
    "AddmmActivation",
)
LOSSES = {
    "NllLoss": "nll",
    "NllLoss2D": "nll",
    "MseLoss": "mse",
    "L1Loss": "l1",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce_logits",
    "KlDiv": "kl_div",
    "MultiMarginLoss": "multi_margin",
    "SoftMarginLoss": "soft_margin",
}


@dataclass(frozen=True, eq=False)
class Graph:
    """One loss as autograd sees it.

    Attributes:
        operations: How often each operation occurs, by its name without ``Backward0``.
        tail: Operations from the loss back to the last weighted one, nearest the loss first.
        reached: ``id`` of every parameter that a gradient will come to.
        loss: The loss function's name where it is one of torch's, else empty.
        reduction: ``"mean"``, ``"sum"``, ``"none"``, or empty where the loss does not say.
        target: Its targets, where it saved them.
        logits: What the last weighted operation or log-softmax gave, where it was saved: log-probabilities for nll.
        axes: Axes of the softmaxes in the tail, nearest the loss first.
        whole: Whether all of it was walked.
    """

    operations: Mapping[str, int]
    tail: tuple[str, ...]
    reached: frozenset[int]
    loss: str
    reduction: str
    target: Tensor | None
    logits: Tensor | None
    axes: tuple[int, ...]
    whole: bool


def read_graph(loss: Tensor) -> Graph | None:
    """The graph of ``loss``; None where it has none. Costs about a microsecond a node and no pass."""
    if loss.grad_fn is None:
        return None
    count: Counter[str] = Counter()
    reached, whole = set(), True
    todo, met = [loss.grad_fn], {loss.grad_fn}
    while todo:
        node = todo.pop()
        name = operation(node)
        if name == "AccumulateGrad":
            reached.add(id(node.variable))  # type: ignore[attr-defined]
        count[name] += 1
        if len(met) > MOST_NODES:
            whole = False
            break
        for below, _ in node.next_functions:
            if below is not None and below not in met:
                met.add(below)
                todo.append(below)
    tail = list(_tail(loss.grad_fn))
    last = next((node for node in tail if operation(node) in LOSSES), None)
    soft = [node for node in tail if operation(node) in ("Softmax", "LogSoftmax")]
    log = next((node for node in soft if operation(node) == "LogSoftmax"), None)
    return Graph(
        operations=dict(count),
        tail=tuple(operation(node) for node in tail),
        reached=frozenset(reached),
        loss="" if last is None else LOSSES[operation(last)],
        reduction=_reduction(last),
        target=_saved(last, "_saved_target"),
        logits=_saved(log, "_saved_result") if log is not None else _saved(last, "_saved_self"),
        axes=tuple(_axis(node) for node in soft),
        whole=whole,
    )


def operation(node: Any) -> str:
    """The name of a node's operation: ``NllLoss`` of ``NllLossBackward0``."""
    name = str(node.name()).rpartition("::")[2]
    return name.rpartition("Backward")[0] or name


def _tail(node: Any) -> Iterator[Any]:
    """Nodes from the loss back to the last weighted operation, along the first branch that leads to one."""
    met: set[Any] = set()
    queue = [node]
    while queue:
        one = queue.pop(0)
        if one in met or len(met) > 64:
            continue
        met.add(one)
        yield one
        if operation(one) in WEIGHTED:
            return
        queue += [
            below for below, _ in one.next_functions if below is not None and operation(below) != "AccumulateGrad"
        ]


def _saved(node: Any, name: str) -> Tensor | None:
    try:
        value = getattr(node, name, None)
    except RuntimeError:  # freed by an earlier backward
        return None
    return value.detach() if isinstance(value, Tensor) else None


def _axis(node: Any) -> int:
    """The axis of a softmax, as a number from 0; torch saves negative ones as large unsigned numbers."""
    axis = int(getattr(node, "_saved_dim", 1))
    if axis >= 1 << 31:
        axis -= 1 << 64
    result = _saved(node, "_saved_result")
    return axis % result.dim() if result is not None and axis < 0 else axis


def _reduction(node: Any) -> str:
    value = getattr(node, "_saved_reduction", None) if node is not None else None
    return {0: "none", 1: "mean", 2: "sum"}.get(value, "") if isinstance(value, int) else ""
