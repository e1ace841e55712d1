"""The model before (or after) its training: one batch through a copy, forwards and back, each layer looked at."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from .graph import Graph, read_graph
from .samples import Samples, Unreadable, unnoticed
from .setup import Setup, unwrapped
from .wires import Wires, wires_of

BATCH = 64  # samples in the batch that is passed through the copy
MIXED = 4  # samples whose outputs are asked what they hear of each other
SECONDS = 1.5  # that the batch may take, forwards and back
BYTES = 1 << 28  # that its activations may take
FEWEST = 4  # samples in a batch however long it takes
UNITS = 4_096  # values of an activation that histograms keep


@dataclass(frozen=True, eq=False)
class Layer:
    """What one leaf module gave for the batch, training mode; modules that are called twice come twice.

    Attributes:
        name: Its path in the model.
        module: The module, of the copy.
        shape: Of its output, the batch first.
        mean: Of all its values.
        std: Of all its values.
        zeros: Share that is exactly 0.
        dead: Share of units (channels, or features) that are 0 for every sample and place.
        alike: Share of units that equal another one for every sample.
        finite: Whether every value is.
        grad: Root mean square of the loss's gradient with respect to its output; None where there is none.
        values: At most ``UNITS`` of its values, for histograms.
        inward: ``id`` of the tensor that came in, and
        outward: of the one that went out: which module feeds which, where nothing is between.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    mean: float
    std: float
    zeros: float
    dead: float
    alike: float
    finite: bool
    grad: float | None
    values: Tensor
    inward: int
    outward: int


@dataclass(frozen=True, eq=False)
class Start:
    """One batch through a copy of the model.

    Attributes:
        setup: The parts as they were given.
        model: The copy; what checks do with it, they do on copies of their own or undo.
        x: The batch's inputs.
        y: Its targets, or None.
        output: What the model gives in training mode; the first tensor, where it gives several.
        judged: The same in eval mode.
        loss: The loss in training mode, or None.
        halves: The loss of the batch's first half in eval mode, and that of the whole, or None.
        layers: Leaf modules in the order in which they were called.
        gradients: Of each parameter by name; None where none came.
        graph: What autograd wrote down of the loss.
        mixing: Largest share of the gradient of one sample's output that lies on other samples, eval mode; None where
            inputs have no gradient.
        seconds: What forward and back took.
    """

    setup: Setup
    model: nn.Module
    x: Tensor
    y: Tensor | None
    output: Tensor
    judged: Tensor
    loss: float | None
    halves: tuple[float, float] | None
    layers: tuple[Layer, ...]
    gradients: Mapping[str, Tensor | None]
    graph: Graph | None
    mixing: float | None
    seconds: float
    named: tuple[str, ...] = ()

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Of the copy, by name."""
        return dict(self.model.named_parameters())

    @cached_property
    def wires(self) -> Wires | None:
        """What is connected to what; None where the model cannot be looked at that way. Two small passes."""
        return wires_of(self)

    def call(self, model: nn.Module, x: Tensor) -> Tensor:
        """The output of ``model`` for inputs ``x``, as the setup calls it."""
        return output_of(model, x, self.named)


class Failed(Exception):  # noqa: N818  a reason, caught where it is raised
    """The model or the loss raised on the batch; the message says what."""


def output_of(model: nn.Module, x: Tensor, named: tuple[str, ...] = ()) -> Tensor:
    """The first tensor of what ``model`` gives for ``x``; by keyword where batches are mappings."""
    given = model(**{named[0]: x}) if named else model(x)
    return first_tensor(given)


def first_tensor(given: Any) -> Tensor:
    """The tensor in an output: itself, its ``logits``, or the first that it holds.

    Raises:
        Unreadable: There is none.
    """
    if isinstance(given, Tensor):
        return given
    for name in ("logits", "out", "sample"):
        found = given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)
        if isinstance(found, Tensor):
            return found
    inner = given.values() if isinstance(given, Mapping) else given if isinstance(given, (tuple, list)) else ()
    for each in inner:
        if isinstance(each, Tensor):
            return each
    raise Unreadable(f"the model gives a {type(given).__name__} without a tensor")


def place_of(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating type of a model's first parameter."""
    for each in model.parameters():
        if each.is_floating_point():
            return each.device, each.dtype
    return torch.device("cpu"), torch.float32


def fitted(x: Tensor, model: nn.Module) -> Tensor:
    """Inputs on the model's device; those of floating type in the model's."""
    device, dtype = place_of(model)
    return x.to(device, dtype) if x.is_floating_point() else x.to(device)


def copied(model: nn.Module) -> nn.Module:
    """A copy without wrappers and hooks of others, with gradients cleared.

    Raises:
        Failed: The model cannot be copied.
    """
    try:
        twin = copy.deepcopy(unwrapped(model))
    except Exception as error:
        raise Failed(f"the model cannot be copied ({short(error)})") from error
    twin.zero_grad(set_to_none=True)
    return twin


def short(error: BaseException) -> str:
    """The first line of an error, with its type."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__


def look_at_start(setup: Setup, train: Samples, *, batch: int = BATCH) -> Start:
    """One batch of ``train`` through a copy of the model; the model itself is not touched.

    Costs two passes forward, one back, and ``MIXED`` small ones back.

    Raises:
        Failed: The model cannot be copied, or it or the loss raises on the batch.
    """
    with unnoticed():
        torch.manual_seed(0)
        model = copied(setup.model)
        size = min(len(train), batch if train.batch is None else max(2, min(batch, train.batch)))
        size = affordable(model, fitted(train.x[:2], model), size, named=train.named)
        x = fitted(train.x[:size], model)
        y = None if train.y is None else train.y[:size].to(x.device)
        layers: list[dict[str, Any]] = []
        begun = time.perf_counter()
        try:
            with watching_layers(model, layers):
                model.train(setup.core.training or not any(m.training for m in setup.core.modules()))
                output = output_of(model, x, train.named)
        except Exception as error:
            raise Failed(f"the model raises on a batch of shape {tuple(x.shape)}: {short(error)}") from error
        loss = loss_of(setup.loss_fn, output, y)
        graph = None if loss is None else read_graph(loss)
        names = dict(model.named_parameters())
        gradients: dict[str, Tensor | None] = dict.fromkeys(names)
        if loss is not None and loss.requires_grad:
            held = [each["output"] for each in layers if each["output"].requires_grad]
            wanted = [each for each in names.values() if each.requires_grad]
            found = torch.autograd.grad(loss, [*held, *wanted], allow_unused=True)
            backs = dict(zip(map(id, held), found[: len(held)], strict=True))
            back_of = dict(zip(map(id, wanted), found[len(held) :], strict=True))
            gradients = {name: back_of.get(id(each)) for name, each in names.items()}
            for each in layers:
                each["back"] = backs.get(id(each["output"]))
        seconds = time.perf_counter() - begun
        model.eval()
        with torch.no_grad():
            judged = output_of(model, x, train.named)
            halves = _halves(setup.loss_fn, judged, y)
        return Start(
            setup=setup,
            model=model,
            x=x,
            y=y,
            output=output.detach(),
            judged=judged.detach(),
            loss=None if loss is None else float(loss.detach()),
            halves=halves,
            layers=tuple(_layer(each) for each in layers),
            gradients=gradients,
            graph=graph,
            mixing=_mixing(model, x, train.named),
            seconds=seconds,
            named=train.named,
        )


def affordable(model: nn.Module, two: Tensor, size: int, *, named: tuple[str, ...] = ()) -> int:
    """At most ``size`` samples, as many as pass in about ``SECONDS`` and whose activations fit in ``BYTES``.

    Measured by two samples in eval mode; a model that raises on them is left to raise on the batch, where it is told.
    """
    sizes: list[int] = []

    def count(_module: nn.Module, _given: Any, output: Any) -> None:
        sizes.append(output.numel() * output.element_size() if isinstance(output, Tensor) else 0)

    handles = [each.register_forward_hook(count) for each in model.modules() if not list(each.children())]
    model.eval()
    begun = time.perf_counter()
    try:
        with torch.no_grad():
            output_of(model, two, named)
    except Exception:  # the batch raises the same, and that is told of
        return size
    finally:
        for each in handles:
            each.remove()
    # a pass back costs two forward; activations are kept, with a copy and a gradient each
    seconds, memory = 3 * (time.perf_counter() - begun) / len(two), 3 * sum(sizes) / len(two)
    most = min(SECONDS / max(seconds, 1e-9), BYTES / max(memory, 1.0))
    return size if most >= size else max(min(size, FEWEST), int(most))


def loss_of(loss_fn: Callable[..., Any] | None, output: Tensor, y: Tensor | None) -> Tensor | None:
    """The loss of an output, as one number with its graph; None without loss function or targets.

    Raises:
        Failed: The loss function raises, or gives no tensor.
    """
    if loss_fn is None or y is None:
        return None
    try:
        loss = loss_fn(output, y)
    except Exception as error:
        shapes = f"outputs {tuple(output.shape)} and targets {tuple(y.shape)} of {str(y.dtype).partition('.')[2]}"
        raise Failed(f"the loss function raises on {shapes}: {short(error)}") from error
    if not isinstance(loss, Tensor):
        raise Failed(f"the loss function gives a {type(loss).__name__}, no tensor")
    return loss if loss.dim() == 0 else loss.mean()


def _halves(loss_fn: Callable[..., Any] | None, output: Tensor, y: Tensor | None) -> tuple[float, float] | None:
    if loss_fn is None or y is None or len(output) != len(y) or len(y) < 4:
        return None
    half = len(y) // 2
    first, whole = loss_of(loss_fn, output[:half], y[:half]), loss_of(loss_fn, output, y)
    return None if first is None or whole is None else (float(first), float(whole))


@contextmanager
def watching_layers(model: nn.Module, into: list[dict[str, Any]]) -> Iterator[None]:
    """Inside, each call of a leaf module (or of an attention) adds what went in and out to ``into``; undone after."""
    handles = []

    def seen(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            found = output[0] if isinstance(output, tuple) and output else output
            if isinstance(found, Tensor) and found.is_floating_point() and found.dim() >= 1:
                came = given[0] if isinstance(given, tuple) and given and isinstance(given[0], Tensor) else None
                into.append(
                    {
                        "name": name,
                        "module": module,
                        "output": found,
                        "kept": found.detach().clone(),  # an in-place operation may come next
                        "inward": id(came),
                        "came": came,  # held, so that its id stays its own
                    }
                )

        return hook

    for name, module in model.named_modules():
        if not list(module.children()) or isinstance(module, nn.MultiheadAttention):
            handles.append(module.register_forward_hook(seen(name)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layer(each: Mapping[str, Any]) -> Layer:
    value: Tensor = each["kept"].float()
    back = each.get("back")
    units = value.transpose(0, 1).flatten(1) if value.dim() > 1 else value[None]
    if value.dim() == 3 or (value.dim() == 4 and isinstance(each["module"], (nn.LayerNorm, nn.Linear))):
        units = value.reshape(-1, value.shape[-1]).t()  # tokens or channels-last: features stand on the last axis
    flat = value.flatten()
    return Layer(
        name=each["name"],
        module=each["module"],
        shape=tuple(value.shape),
        mean=float(flat.mean()) if len(flat) else 0.0,
        std=float(flat.std(correction=0)) if len(flat) else 0.0,
        zeros=float((flat == 0).float().mean()) if len(flat) else 0.0,
        dead=float((units == 0).all(1).float().mean()) if len(units) else 0.0,
        alike=_alike(units),
        finite=bool(flat.isfinite().all()),
        grad=None if back is None else float(back.float().square().mean().sqrt()),
        values=flat[:: 1 + len(flat) // UNITS].clone(),
        inward=each["inward"],
        outward=id(each["output"]),
    )


def _alike(units: Tensor) -> float:
    """Share of units that are, up to rounding, equal to another one on every sample, dead ones aside."""
    live = units[:, :512]
    live = live[live.abs().amax(1) > 0]
    if len(live) < 2:
        return 0.0
    ordered = live[live[:, 0].argsort()]
    near = (ordered[1:] - ordered[:-1]).abs().amax(1) <= 1e-6 * live.abs().max()
    twin = torch.zeros(len(ordered), dtype=torch.bool, device=units.device)
    twin[1:] |= near
    twin[:-1] |= near
    return float(twin.float().mean())


def _mixing(model: nn.Module, x: Tensor, named: tuple[str, ...]) -> float | None:
    """Largest share of the squared gradient of one sample's summed, squared outputs that lies on other samples."""
    if not x.is_floating_point() or len(x) < 2:
        return None
    worst = None
    part = x[: min(len(x), 8)].clone().requires_grad_(True)
    with torch.enable_grad():
        try:
            output = output_of(model, part, named)
            for row in range(min(MIXED, len(part))):
                if len(output) != len(part) or not output.requires_grad:
                    return None
                grad = torch.autograd.grad(output[row].float().square().sum(), part, retain_graph=True)[0]
                share = grad.flatten(1).float().square().sum(1)
                total = float(share.sum())
                if total > 0:
                    worst = max(worst or 0.0, float(total - share[row]) / total)
        except (RuntimeError, Unreadable):
            return None
    return worst
