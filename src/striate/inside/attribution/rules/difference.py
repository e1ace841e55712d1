"""Rules of differences from a baseline: multipliers (f(x) - f(x0)) / (x - x0) in the place of derivatives.

One pass holds the images in its first half and their baselines in its second; the signal lives in the first half alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.site import Site

from .rectify import rectified
from .way import ELEMENTWISE, SELECTING

_NEAR = 1e-6  # of the larger of two inputs: closer ones have no quotient but rounding, and get the derivative


class Rescale:
    """``m = (f(x) - f(x0)) / (x - x0)``, the rescale rule, for functions of one number.

    Source: Shrikumar et al. 2017, section 3.5.1, equation 9.
    """

    def refuses(self, site: Site) -> str | None:
        """Functions of several numbers."""
        return None if site.op in ELEMENTWISE else "the rescale rule is defined for functions of one number"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """The derivative where image and baseline hardly differ."""
        place = rectified(site, inputs, output) if site.op in ("max", "maximum") else 0
        x, base = inputs[place].detach().chunk(2)
        signal, _ = grad.chunk(2)
        rise, step = _rise(output), x - base
        far = step.abs() > _NEAR * torch.maximum(x.abs(), base.abs())
        slope = torch.autograd.grad(output, inputs[place], grad, retain_graph=True)[0].chunk(2)[0]
        back = torch.where(far, signal * rise / torch.where(far, step, torch.ones_like(step)), slope)
        return _at(place, len(inputs), back)


class Winner:
    """Max pooling: the rise of a window goes to where the larger of its two maxima lies.

    That is the image's maximum where the window rose, and the baseline's where it fell: there the input changed by at
    least as much as the maximum did, so no multiplier exceeds 1 in size.

    Source: the rescale rule as the authors' own code applies it to max pooling; the paper does not say.
    """

    def refuses(self, site: Site) -> str | None:
        """What does not choose."""
        return None if site.op in SELECTING else "it does not choose one of its inputs"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Contributions are laid where the maxima lie, and divided by the change there."""
        del site
        x, base = inputs[0].detach().chunk(2)
        signal, _ = grad.chunk(2)
        rise = _rise(output)
        given = signal * rise
        laid = torch.cat([torch.where(rise >= 0, given, 0.0), torch.where(rise < 0, given, 0.0)])
        up, down = torch.autograd.grad(output, inputs[0], laid, retain_graph=True)[0].chunk(2)
        step = x - base
        moved = step != 0
        back = torch.where(moved, (up + down) / torch.where(moved, step, torch.ones_like(step)), 0.0)
        return _at(0, len(inputs), back)


class Product:
    """``a b - a0 b0`` shared alike in both orders: ``m_a = (b + b0) / 2`` and ``m_b = (a + a0) / 2``.

    The paper has no rule for products of activations (gates); this one is their Shapley value, and adds up exactly.

    Source: Lundberg & Lee 2017, section 4.2 (DeepLIFT's multipliers as Shapley values).
    """

    def refuses(self, site: Site) -> str | None:
        """What is no product."""
        return None if site.op == "mul" else "it is no product"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """A factor that both halves share counts as a number."""
        del site
        if len(inputs) == 1:  # a square, or a multiple
            x = inputs[0]
            (double,) = torch.autograd.grad(output, x, torch.ones_like(output), retain_graph=True)
            mean = (double[: len(double) // 2] + double[len(double) // 2 :]) / 2
            return _at(0, 1, grad.chunk(2)[0] * mean)
        rows = len(output)
        signal = torch.cat([grad.chunk(2)[0]] * 2)
        means = [_mean_of_halves(each.detach(), rows) for each in inputs]
        back = [
            _reduced(signal * means[1 - place], each) if len(each) == rows and each.dim() == output.dim() else None
            for place, each in enumerate(inputs)
        ]
        return [None if each is None else _first_half(each) for each in back]


def _mean_of_halves(value: Tensor, rows: int) -> Tensor:
    if value.dim() == 0 or len(value) != rows:
        return value
    one, other = value.chunk(2)
    mean = (one + other) / 2
    return torch.cat([mean, mean])


def _reduced(value: Tensor, like: Tensor) -> Tensor:
    """Summed over the axes along which ``like`` was spread."""
    axes = [axis for axis in range(like.dim()) if like.shape[axis] == 1 and value.shape[axis] != 1]
    return value.sum(axes, keepdim=True) if axes else value


def _first_half(value: Tensor) -> Tensor:
    value[len(value) // 2 :] = 0
    return value


def _rise(output: Tensor) -> Tensor:
    values = output.detach()
    if len(values) % 2:
        raise StriateError("an operation mixed the images of a batch", hint="gradient, occlusion")
    one, other = values.chunk(2)
    return one - other


def _at(place: int, count: int, back: Tensor) -> list[Tensor | None]:
    whole = torch.cat([back, torch.zeros_like(back)])
    return [whole if each == place else None for each in range(count)]
