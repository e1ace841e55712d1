"""A net that is looked at and left bit for bit as it was found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_LOCK = threading.RLock()
_NONE: dict[Any, Any] = {}
_INSIDE: dict[int, list[_Found]] = {}


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[None]:
    """Eval mode and no parameter gradients inside; afterwards the net is as it was found, also after an exception.

    What comes back: the mode of every submodule, ``requires_grad`` and ``.grad`` of every parameter, the values and
    identity of every buffer, the hooks. Blocks may be nested, and several threads may be inside at once: the last one
    out restores what the first one found.
    """
    found = _Found(net)
    with _LOCK:
        entered = _INSIDE.setdefault(id(net), [])
        entered.append(found)
        found.calm()
    try:
        yield
    finally:
        with _LOCK:
            place = next(index for index, each in enumerate(entered) if each is found)
            if place == len(entered) - 1:
                found.restore()
            else:
                # Another thread came after us and is still inside: what we found is for it to restore.
                entered[place + 1].take_over(found)
            del entered[place]
            if not entered:
                _INSIDE.pop(id(net), None)


class _Found:
    """The state of a net that a look could change, and its restoration."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        modules = list(net.modules())
        self.modes = [(module, module.training) for module in modules]
        own = {id(each): each for module in modules for each in module._parameters.values() if each is not None}
        self.parameters = [(each, each.requires_grad, each.grad) for each in own.values()]
        self.buffers = [
            (module, name, buffer, None if buffer is None else buffer.detach().clone())
            for module in modules
            for name, buffer in module._buffers.items()
        ]
        self.hooks: list[tuple[dict[Any, Any], dict[Any, Any]]] = [
            (hooks, dict(hooks) if hooks else _NONE) for module in modules for hooks in _hooks(module)
        ]

    def calm(self) -> None:
        """Eval mode and no parameter gradients; what is so already is let be: a look may be opened for each image."""
        if any(training for _, training in self.modes):
            self.net.eval()
        for parameter, requires_grad, _ in self.parameters:
            if requires_grad:
                parameter.requires_grad_(False)

    def take_over(self, earlier: _Found) -> None:
        self.modes, self.parameters = earlier.modes, earlier.parameters
        self.buffers, self.hooks = earlier.buffers, earlier.hooks

    def restore(self) -> None:
        for module, training in self.modes:
            if module.training != training:
                module.training = training
        for parameter, requires_grad, gradient in self.parameters:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not gradient:
                parameter.grad = gradient
        for module, name, buffer, values in self.buffers:
            if buffer is not None and values is not None and not _same(buffer, values):
                with torch.no_grad():
                    buffer.copy_(values)
            if module._buffers.get(name) is not buffer:
                module._buffers[name] = buffer
        for hooks, before in self.hooks:
            if (hooks or before) and (hooks != before or list(hooks) != list(before)):
                hooks.clear()
                hooks.update(before)


def _hooks(module: nn.Module) -> list[dict[Any, Any]]:
    own = vars(module)
    return [own[kind] for kind in _HOOKS]


def _same(left: Tensor, right: Tensor) -> bool:
    """Equal bit for bit; a NaN equals itself here."""
    return left.shape == right.shape and torch.equal(
        left.detach().contiguous().reshape(-1).view(torch.uint8), right.contiguous().reshape(-1).view(torch.uint8)
    )
