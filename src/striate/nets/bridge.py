"""Where a net lets no gradient through, and the same net with a gradient there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .net import Net
from .ops import names, op_name
from .undisturbed import undisturbed

# Operations whose derivative is 0 wherever it exists, or that cut the graph.
FLAT = names("round floor ceil trunc fix sign sgn heaviside detach round_ floor_ ceil_ trunc_ sign_ detach_")


@dataclass(frozen=True)
class Blocked:
    """What stops the gradient of a net.

    Attributes:
        modules: Paths of the smallest modules that give a tensor of their input's shape and no gradient.
        ops: Names of operations outside of those that have no gradient.
    """

    modules: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.modules or self.ops)

    def __str__(self) -> str:
        return ", ".join([*(f"module {name}" for name in self.modules), *self.ops])


def blocked(net: Net, images: Tensor) -> Blocked:
    """What stops the gradient of the outputs by these images, found by a pass or two; nothing where it comes through.

    A net whose gradient is lost in another way (turned into an array and back in its own forward) shows nothing here.
    """
    with undisturbed(net):
        if _has_slope(net, images):
            return Blocked()
        stuck = _stuck_modules(net, images)
        modules = tuple(name for name in stuck if not any(other != name and other.startswith(name) for other in stuck))
        trial = bridged(net, Blocked(modules)) if modules else net
        if modules and _has_slope(trial, images):
            return Blocked(modules)
        seen: set[str] = set()
        with _Straight(seen):
            slope = _has_slope(trial, images, fails=False)
        return Blocked(modules, tuple(sorted(seen))) if slope else Blocked(modules)


def bridged(net: Net, at: Blocked) -> Net:
    """The same net, its weights shared, whose outputs are the same and whose gradients pass those places unchanged.

    Source: Athalye et al. 2018, section 4.1 (backward pass differentiable approximation, by the identity).
    """
    return net.with_module(_Bridged(net.module, at))


class _Bridged(nn.Module):
    """A module in whose forward some modules and operations hand gradients on as they come."""

    def __init__(self, module: nn.Module, at: Blocked) -> None:
        super().__init__()
        self.module, self.at = module, at

    def forward(self, pixels: Tensor) -> Any:
        with ExitStack() as stack:
            inner = dict(self.module.named_modules())
            for name in self.at.modules:
                stack.enter_context(_hooked(inner[name]))
            if self.at.ops:
                stack.enter_context(_Straight())
            return self.module(pixels)


@contextmanager
def _hooked(module: nn.Module) -> Iterator[None]:
    def straight(_: nn.Module, given: tuple[Any, ...], output: Any) -> Any:
        return _through(given[0], output)

    handle = module.register_forward_hook(straight)
    try:
        yield
    finally:
        handle.remove()


class _Straight(TorchFunctionMode):
    """While it is entered, operations without a gradient hand it on; ``seen`` learns which there were."""

    def __init__(self, seen: set[str] | None = None) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        flat = name in FLAT and bool(args) and isinstance(args[0], Tensor) and args[0].requires_grad
        if not flat:
            return func(*args, **kwargs)
        given = args[0].clone() if name.endswith("_") else args[0]
        output = func(args[0].detach() if name.endswith("_") else args[0], *args[1:], **kwargs)
        if self.seen is not None:
            self.seen.add(op_name(func, args, kwargs))
        return _through(given, output)


class _Through(torch.autograd.Function):
    """The output of something, with the gradient of its input."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, output: Tensor) -> Tensor:
        """The output itself."""
        del ctx, given
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """The gradient as it comes."""
        del ctx
        return grads[0], None


def _through(given: Any, output: Any) -> Any:
    fits = (
        isinstance(given, Tensor)
        and isinstance(output, Tensor)
        and given.requires_grad
        and given.shape == output.shape
        and output.is_floating_point()
    )
    return _Through.apply(given, output.detach()) if fits else output


def _has_slope(net: Net, images: Tensor, *, fails: bool = True) -> bool:
    """Whether the outputs have a finite gradient by the pixels that is not 0 everywhere."""
    leaf = images.detach().clone().requires_grad_()
    try:
        with torch.enable_grad():
            output = net(leaf)
    except RuntimeError:
        if fails:
            raise
        return False
    return isinstance(output, Tensor) and _slope(output, leaf)


def _slope(output: Tensor, leaf: Tensor) -> bool:
    if not output.requires_grad:
        return False
    weights = torch.linspace(1.0, 2.0, output.numel(), dtype=output.dtype, device=output.device).view_as(output)
    (grad,) = torch.autograd.grad((output * weights).sum(), leaf, allow_unused=True, retain_graph=True)
    return grad is not None and bool((grad != 0).any()) and bool(grad.isfinite().all())


def _stuck_modules(net: Net, images: Tensor) -> list[str]:
    """Paths of modules that took a tensor which a gradient reaches, and gave one of its shape which none does."""
    stuck: list[str] = []
    leaf = images.detach().clone().requires_grad_()
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        def look(_: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            first = given[0] if given else None
            if not isinstance(first, Tensor) or not isinstance(output, Tensor) or first.shape != output.shape:
                return
            if first.requires_grad and not _slope(output, first):
                stuck.append(name)

        handles.append(module.register_forward_hook(look))

    for name, module in net.module.named_modules():
        if name:
            watch(name, module)
    try:
        with torch.enable_grad():
            net(leaf)
    finally:
        for handle in handles:
            handle.remove()
    return stuck
