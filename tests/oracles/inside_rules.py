"""Rules of rectifiers and of relevance, written again in float64 from the papers; nothing of ours is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Rectifier(torch.autograd.Function):
    """max(x, 0), or min(max(x, 0), 6), whose backward keeps the positive part, and where ``gated`` the forward mask."""

    @staticmethod
    def forward(ctx, x: Tensor, top: float, gated: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.top, ctx.gated = top, gated
        return torch.where(x > 0, torch.where(x < top, x, torch.full_like(x, top)), torch.zeros_like(x))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        back = torch.where(grad > 0, grad, torch.zeros_like(grad))
        if ctx.gated:
            back = torch.where((x > 0) & (x < ctx.top), back, torch.zeros_like(back))
        return back, None, None


@contextmanager
def rectifiers_replaced(gated: bool) -> Iterator[None]:
    """Every form of ReLU and ReLU6 that torchvision's nets use is replaced, by name, in torch itself."""

    def plain(x: Tensor, inplace: bool = False) -> Tensor:
        return _Rectifier.apply(x, float("inf"), gated)

    def six(x: Tensor, inplace: bool = False) -> Tensor:
        return _Rectifier.apply(x, 6.0, gated)

    def hard(x: Tensor, low: float, high: float, inplace: bool = False) -> Tensor:
        assert (low, high) == (0.0, 6.0)
        return six(x)

    places = [(F, "relu", plain), (torch, "relu", plain), (torch, "relu_", plain)]
    places += [(F, "relu6", six), (F, "hardtanh", hard)]
    found = [(where, name, getattr(where, name)) for where, name, _ in places]
    try:
        for where, name, other in places:
            setattr(where, name, other)
        yield
    finally:
        for where, name, former in found:
            setattr(where, name, former)


def rectified_signal(
    net: nn.Module, images: Tensor, score: Callable[[Tensor], Tensor], *, gated: bool = True
) -> Tensor:
    """Guided backpropagation (or, not gated, the deconvnet) by the functions of torch with another backward."""
    leaf = images.clone().requires_grad_()
    with rectifiers_replaced(gated):
        value = score(net(leaf))
    return torch.autograd.grad(value.sum(), leaf)[0]
