"""The operations of one pass, written down so that they can be run again on any number of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.nets.costs import multiply_adds
from striate.nets.interception import Call, Interception, Key, paths_of
from striate.nets.ops import replace_tensors, tensors_in, written_in_place

ASKS = frozenset({"item", "tolist", "__bool__", "__int__", "__float__", "__index__", "numpy", "__array__"})


SAME = 1e-5  # of the largest output: what the program may differ by from the net


class NotReplayableError(Exception):
    """Why a net's operations cannot be run again from a record."""


@dataclass(frozen=True)
class Ref:
    """Stands for a value of the program among the arguments of a call."""

    value: int


@dataclass(frozen=True)
class Count:
    """An integer argument that depends on how many images there are: ``first`` for one, ``step`` more for each more."""

    first: int
    step: int


@dataclass(frozen=True)
class Node:
    """One call.

    Attributes:
        func: What is called.
        args: With `Ref` and `Count` in the places of what differs from call to call.
        kwargs: Likewise.
        op: Its plain name.
        key: Where the net runs it.
        inputs: Values taken in, in order.
        outputs: Values given, in order of the tensors in what it returns.
        target: Place among ``inputs`` of what it overwrites, -1 where nothing.
        image: Whether it depends on the image.
        counted: Whether it depends on the number of images otherwise.
        macs: Multiply-adds for one image.
    """

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    op: str
    key: Key
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    target: int = -1
    image: bool = True
    counted: bool = False
    macs: int = 0

    def call(self, values: Callable[[int], Tensor], count: int) -> tuple[Tensor, ...]:
        """The tensors that it gives for these inputs."""
        args, kwargs = _filled((self.args, dict(self.kwargs)), values, count)
        return tuple(tensors_in(self.func(*args, **kwargs)))


@dataclass(frozen=True)
class Program:
    """A net's pass, call by call; value 0 is the normalised image, ``output`` what the net gives.

    Attributes:
        nodes: In order.
        shapes: Shape of each value for one image.
        output: The value that the net returns.
        last: For each value the place of the last node that takes it in, or -1.
    """

    nodes: tuple[Node, ...]
    shapes: tuple[tuple[int, ...], ...]
    output: int
    last: tuple[int, ...]

    @property
    def macs(self) -> int:
        """Multiply-adds of one image."""
        return sum(node.macs for node in self.nodes)


def record(module: nn.Module, images: Tensor) -> Program:
    """The program of ``module``, in eval mode, on ``images`` (two different ones, normalised).

    It is recorded for one image and for two, where integers that differ are sizes of the batch; then it is run and
    compared. Costs five passes.

    Raises:
        NotReplayableError: The net asks for a number that depends on the image, writes into part of a tensor,
            does something else for two images than for one, or gives no tensor.
    """
    one, two = _record(module, images[:1].clone()), _record(module, images.clone())
    if len(one.nodes) != len(two.nodes) or one.output != two.output:
        raise NotReplayableError("it runs other operations on other images")
    nodes = tuple(_merged(first, second) for first, second in zip(one.nodes, two.nodes, strict=True))
    counted: set[int] = set()
    marked = []
    for node in nodes:
        moves = not node.image and (_has_count((node.args, node.kwargs)) or any(v in counted for v in node.inputs))
        counted.update(node.outputs if moves else ())
        marked.append(replace(node, counted=moves))
    last = [-1] * len(one.shapes)
    for place, node in enumerate(marked):
        for value in node.inputs:
            last[value] = place
    program = Program(tuple(marked), tuple(one.shapes), one.output, tuple(last))
    again, scale = run(program, images), two.given.abs().max()
    if again.shape != two.given.shape or not bool((again - two.given).abs().max() <= SAME * scale):
        raise NotReplayableError("its operations, run again, give something else")
    return program


def run(program: Program, images: Tensor) -> Tensor:
    """What the net gives for normalised images, by the program alone."""
    values: dict[int, Tensor] = {0: images}
    for place, node in enumerate(program.nodes):
        target = node.inputs[node.target] if node.target >= 0 else -1

        def value(each: int, target: int = target) -> Tensor:
            return values[each].clone() if each == target else values[each]

        values.update(zip(node.outputs, node.call(value, len(images)), strict=True))
        for each in node.inputs:
            if program.last[each] <= place and each != program.output:
                values.pop(each, None)
    return values[program.output]


def _record(module: nn.Module, images: Tensor) -> _Recorder:
    recorder = _Recorder(images)
    watch = _Watch(recorder)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), watch, Interception(paths_of(module), recorder.answer):
        output = module(images)
    recorder.finish(output)
    return recorder


class _Watch(TorchFunctionMode):
    """Hears of questions whose answer is a number of the image."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if getattr(func, "__name__", "") in ASKS and any(self.recorder.of_image(each) for each in tensors_in(args)):
            raise NotReplayableError("what it does depends on the numbers in the image")
        return func(*args, **(kwargs or {}))


class _Recorder:
    def __init__(self, images: Tensor) -> None:
        self.nodes: list[Node] = []
        self.shapes: list[tuple[int, ...]] = [tuple(images.shape)]
        self.values: dict[int, int] = {id(images): 0}
        self.image: list[bool] = [True]
        self.stale: set[int] = set()
        self.storages: dict[int, set[int]] = {images.untyped_storage().data_ptr(): {id(images)}}
        self.kept: list[Any] = [images]  # ids stay unique as long as the tensors live
        self.output = -1
        self.given = images

    def of_image(self, tensor: Tensor) -> bool:
        value = self.values.get(id(tensor))
        return value is not None and self.image[value]

    def answer(self, call: Call) -> Any:
        if call.op == "assert":
            return call()
        if call.op in ("setitem", "set_", "resize"):
            raise NotReplayableError(f"it writes into part of a tensor at {call.key[0] or 'its top'}")
        inputs: list[int] = []

        def known(tensor: Tensor) -> Any:
            if id(tensor) not in self.values:
                return tensor
            if id(tensor) in self.stale:
                raise NotReplayableError(f"it reads what was overwritten through another view, at {call.key[0]}")
            inputs.append(self.values[id(tensor)])
            return Ref(inputs[-1])

        args, kwargs = _mapped((call.args, call.kwargs), known)
        target = written_in_place(call.func, call.args, call.kwargs)
        place = -1
        if target is not None:
            if id(target) not in self.values:
                raise NotReplayableError(f"it writes into a tensor of its own at {call.key[0]}")
            place = inputs.index(self.values[id(target)])
            self.stale |= self.storages.get(target.untyped_storage().data_ptr(), set()) - {id(target)}
        given = call()
        self.kept.append((call.args, call.kwargs, given))
        image = any(self.image[value] for value in inputs)
        outputs = tuple(self._new(tensor, image) for tensor in tensors_in(given))
        first = next(tensors_in(given), None)
        macs = 0 if first is None else multiply_adds(call.op, call.args, call.kwargs, first)
        self.nodes.append(
            Node(call.func, args, kwargs, call.op, call.key, tuple(inputs), outputs, place, image, False, macs)
        )
        return given

    def _new(self, tensor: Tensor, image: bool) -> int:
        self.shapes.append(tuple(tensor.shape))
        self.image.append(image)
        self.values[id(tensor)] = len(self.shapes) - 1
        self.stale.discard(id(tensor))
        if tensor.layout == torch.strided:
            self.storages.setdefault(tensor.untyped_storage().data_ptr(), set()).add(id(tensor))
        return self.values[id(tensor)]

    def finish(self, output: Any) -> None:
        if not isinstance(output, Tensor) or id(output) not in self.values or id(output) in self.stale:
            raise NotReplayableError("it gives no single tensor that its operations make")
        self.output, self.given = self.values[id(output)], output


def _mapped(value: Any, change: Callable[[Tensor], Any]) -> Any:
    if isinstance(value, torch.Size):
        return tuple(value)
    return replace_tensors(
        {k: _mapped(v, change) for k, v in value.items()}
        if isinstance(value, dict)
        else type(value)(_mapped(each, change) for each in value)
        if type(value) in (tuple, list)
        else value,
        change,
    )


def _filled(value: Any, values: Callable[[int], Tensor], count: int) -> Any:
    if isinstance(value, Ref):
        return values(value.value)
    if isinstance(value, Count):
        return value.first + value.step * (count - 1)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_filled(each, values, count) for each in value))
    if type(value) in (tuple, list):
        return type(value)(_filled(each, values, count) for each in value)
    if isinstance(value, dict):
        return {key: _filled(each, values, count) for key, each in value.items()}
    return value


def _has_count(value: Any) -> bool:
    if isinstance(value, Count):
        return True
    if isinstance(value, Mapping):
        return any(_has_count(each) for each in value.values())
    return isinstance(value, (tuple, list)) and any(_has_count(each) for each in value)


def _merged(one: Node, two: Node) -> Node:
    same = (one.op, one.key, one.inputs, one.outputs, one.target) == (
        two.op,
        two.key,
        two.inputs,
        two.outputs,
        two.target,
    )
    if not same:
        raise NotReplayableError(f"it runs other operations on other images, at {one.key[0]}")
    return replace(
        one, args=_both(one.args, two.args, one.key), kwargs=_both(dict(one.kwargs), dict(two.kwargs), one.key)
    )


def _both(one: Any, two: Any, key: Key) -> Any:
    if isinstance(one, bool) or isinstance(two, bool):
        equal = one is two
    elif isinstance(one, int) and isinstance(two, int):
        return one if one == two else Count(one, two - one)
    elif isinstance(one, (tuple, list)) and type(one) is type(two) and len(one) == len(two):
        parts = [_both(a, b, key) for a, b in zip(one, two, strict=True)]
        return type(one)(*parts) if hasattr(one, "_fields") else type(one)(parts)
    elif isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return {name: _both(one[name], two[name], key) for name in one}
    elif isinstance(one, Tensor) and isinstance(two, Tensor):
        equal = one is two or (one.shape == two.shape and torch.equal(one, two))
    elif isinstance(one, slice) and isinstance(two, slice):
        equal = (one.start, one.stop, one.step) == (two.start, two.stop, two.step)
    else:
        equal = one is two or bool(one == two)
    if not equal:
        raise NotReplayableError(f"it does something else for other images, at {key[0] or 'its top'} ({key[2]})")
    return one
