"""Every torch operation of a net, caught as it runs, with the module that runs it.

A `TorchFunctionMode` sees functions, methods and operators alike, so functional, in-place and re-used operations are
caught where hooks on modules would miss them. What a torch function calls inside itself is not seen again: one call,
one operation.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from .ops import QUESTIONS, op_name

Key = tuple[str, int, str, int]  # path of the module, its run, name of the operation, how many of it before in the run
Answer = Callable[["Call"], Any]
Left = Callable[[nn.Module, str, int, Any], None]


@dataclass(frozen=True)
class Call:
    """One call of a torch function inside a net."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    op: str
    key: Key

    def __call__(self) -> Any:
        """What the function gives."""
        return self.func(*self.args, **self.kwargs)


@dataclass
class _Frame:
    module: nn.Module
    path: str
    run: int
    ops: Counter[str] = field(default_factory=Counter)


def paths_of(module: nn.Module) -> dict[int, str]:
    """Path of every submodule by its id; a shared one has its first path."""
    return {id(each): path for path, each in module.named_modules()}


class Interception(TorchFunctionMode):
    """While it is entered, every torch function that the net calls in this thread is answered by ``answer``.

    Args:
        paths: Paths of the net's modules by id.
        answer: Gets each call and gives its result; what it calls itself is not intercepted.
        left: Told of each module that has run, with its path, its run and its output.
    """

    def __init__(self, paths: Mapping[int, str], answer: Answer, left: Left | None = None) -> None:
        super().__init__()
        self._paths, self._answer, self._left = paths, answer, left
        self._thread = threading.get_ident()
        self._frames: list[_Frame] = []
        self._runs: Counter[str] = Counter()
        self._busy = False

    def __enter__(self) -> Interception:
        # Hooks of the process, not of the modules: nothing of the net is touched, and they see hooks of its own.
        self._handles = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in QUESTIONS or not self._frames:
            return func(*args, **kwargs)
        op, frame = op_name(func, args, kwargs), self._frames[-1]
        key = (frame.path, frame.run, op, frame.ops[op])
        frame.ops[op] += 1
        self._busy = True
        try:
            return self._answer(Call(func, args, kwargs, op, key))
        finally:
            self._busy = False

    def _enter(self, module: nn.Module, args: Any) -> None:
        del args
        path = self._path(module)
        if path is not None:
            self._frames.append(_Frame(module, path, self._runs[path]))
            self._runs[path] += 1

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        del args
        path = self._path(module)
        if path is None:
            return
        # A module whose exception was caught inside the net never leaves: its frame goes with that of its parent.
        while self._frames:
            frame = self._frames.pop()
            if frame.module is module:
                if self._left is not None:
                    self._left(module, path, frame.run, output)
                return

    def _path(self, module: nn.Module) -> str | None:
        if self._busy or threading.get_ident() != self._thread:
            return None
        return self._paths.get(id(module))
