"""Rules of relevance: how what one layer gave is shared among what it took in.

Backwards goes not relevance R but relevance a unit of activation, ``c = R / a``. Then a layer without a rule of its own
shares in proportion to contributions when autograd does what it always does: additions (skip connections), average
pooling and concatenation pass c on by their own weights, max pooling to the winner, rectifiers where they let pass. No
rule divides by an activation, so none explodes where one is near zero, and the relevance of a pixel is the product of
c and its normalised value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.site import Site

from .rectify import rectified
from .way import RECTIFIERS

_NOISE = 1e-7  # of the root mean square of a layer: a sum below is rounding, and shares nothing


@dataclass
class Ledger:
    """What of the relevance does not arrive at the pixels by the rules.

    Attributes:
        absorbed: Relevance that biases and stabilisers kept, for each image, (n,) float64.
    """

    absorbed: Tensor

    def keep(self, came: Tensor, shared: Tensor) -> None:
        """Books what came to a layer and was not shared, (n,) each."""
        self.absorbed += came.double() - shared.double()


class Layer:
    """A convolution or linear layer as it ran, which can run again with other weights, forwards and transposed."""

    def __init__(self, site: Site, inputs: Sequence[Tensor], output: Tensor) -> None:
        self.x, self.z = inputs[0].detach(), output.detach()
        many = [each for each in inputs[1:] if each.dim() > 1]
        few = [each for each in inputs[1:] if each.dim() == 1]
        self._node = output.grad_fn
        known = self._node is not None and "Convolution" in self._node.name()
        if len(many) != 1 or not (known or site.op == "linear"):
            raise StriateError(
                f"{site.name} is a {site.op} of an unusual kind, for which there is no rule of relevance"
            )
        self.weight, self.bias = many[0].detach(), few[0].detach() if few else None
        self._convolves = known

    def bias_for(self, part: str = "all") -> Tensor | float:
        """The bias, its positive or its negative part, in the shape of the output."""
        if self.bias is None:
            return 0.0
        bias = {"all": self.bias, "positive": self.bias.clamp(min=0), "negative": self.bias.clamp(max=0)}[part]
        return bias.view(-1, *[1] * (self.z.dim() - 2)) if self._convolves else bias

    def biased(self, signal: Tensor) -> Tensor | float:
        """The sum of the signal times the bias, for each image, (n,)."""
        if self.bias is None:
            return 0.0
        if not self._convolves:
            return rows(signal @ self.bias).sum(1)
        return signal.sum(tuple(range(2, signal.dim()))) @ self.bias

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """Of ``x``, without bias."""
        if not self._convolves:
            return x @ weight.T
        made: Tensor = torch.ops.aten.convolution(x, weight, None, *self._form())
        return made

    def back(self, signal: Tensor, weight: Tensor) -> Tensor:
        """The transposed layer, of a signal in the shape of the output."""
        if not self._convolves:
            return signal @ weight
        only_input = [True, False, False]
        found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            signal, self.x, weight, None, *self._form(), only_input
        )
        return found[0]

    def _form(self) -> tuple[object, ...]:
        node = self._node
        names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
        return tuple(getattr(node, f"_saved_{name}") for name in names)


class Share(Protocol):
    """A rule of a layer with weights: the signal by its input, and how much relevance was shared, (n,)."""

    def __call__(self, layer: Layer, c: Tensor) -> tuple[Tensor, Tensor]:
        """Both for ``c = R / z``, the relevance of the outputs a unit of output."""
        ...


@dataclass(frozen=True)
class Epsilon:
    """``R_i = sum_j a_i w_ij / (z_j + e sign(z_j)) R_j``, with e a share of the root mean square of the layer's z.

    Source: Bach et al. 2015, equation 58; Montavon et al. 2019, section 10.2.2, who measure e so.
    """

    share: float = 0.0

    def damped(self, z: Tensor, c: Tensor) -> Tensor:
        """The signal before the weights, R_j / (z_j + e sign(z_j))."""
        if not self.share:
            return c
        size = z.abs()
        stable = size + (self.share * _level(z)).clamp(min=torch.finfo(z.dtype).tiny)
        return size.div_(stable).mul_(c)

    def __call__(self, layer: Layer, c: Tensor) -> tuple[Tensor, Tensor]:
        """A bias has a share too, which stays in it."""
        signal = self.damped(layer.z, c)
        return layer.back(signal, layer.weight), dot(signal, layer.z) - layer.biased(signal)


@dataclass(frozen=True)
class Gamma:
    """``R_i = sum_j a_i (w_ij + g w_ij+) / sum_i a_i (w_ij + g w_ij+) R_j``: positive contributions favoured.

    Where inputs may be negative it is the contributions a_i w_ij whose positive parts are favoured, and where an output
    is negative their negative parts, so that no denominator is smaller than the output itself.

    Source: Montavon et al. 2019, section 10.2.3; for signed inputs and outputs Andeol et al. 2021, appendix.
    """

    gamma: float = 0.25

    def __call__(self, layer: Layer, c: Tensor) -> tuple[Tensor, Tensor]:
        """The positive outputs, and where there is relevance at negative ones those too."""
        came, plain = c * layer.z, layer.z - layer.bias_for()
        helping = _contributions(layer, positive=True)
        total = torch.add(plain, helping, alpha=self.gamma)
        signal = _ratio(came, total + self._bias(layer, "positive"), layer.z > 0)
        back, shared = self._back(layer, signal, favoured=True), dot(signal, total)
        below = layer.z < 0
        if bool((came * below).any()):
            total = plain.add(plain - helping, alpha=self.gamma)
            signal = _ratio(came, total + self._bias(layer, "negative"), below)
            back = back + self._back(layer, signal, favoured=False)
            shared = shared + dot(signal, total)
        return back, shared

    def _bias(self, layer: Layer, part: str) -> Tensor | float:
        return layer.bias_for() + self.gamma * layer.bias_for(part)

    def _back(self, layer: Layer, signal: Tensor, *, favoured: bool) -> Tensor:
        up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        first, second = (up, down) if favoured else (down, up)
        return _back_by_sign(layer, signal, layer.weight + self.gamma * first, layer.weight + self.gamma * second)


@dataclass(frozen=True)
class AlphaBeta:
    """``R_i = sum_j (alpha (a_i w_ij)+ / z_j+ - beta (a_i w_ij)- / z_j-) R_j``; beta 0 is the z+ rule.

    Source: Bach et al. 2015, equation 60 (alpha - beta = 1); with beta 0 Montavon et al. 2017, section 4.2.
    """

    alpha: float = 2.0
    beta: float = 1.0

    def __call__(self, layer: Layer, c: Tensor) -> tuple[Tensor, Tensor]:
        """Positive and negative contributions apart; an output without the one kind loses the share of that kind."""
        came = c * layer.z
        up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        found = _contributions(layer, positive=True)
        total = found + layer.bias_for("positive")
        signal = _ratio(self.alpha * came, total, total > _NOISE * _level(total))
        back, shared = _back_by_sign(layer, signal, up, down), dot(signal, found)
        if self.beta:
            found = _contributions(layer, positive=False)
            total = found + layer.bias_for("negative")
            signal = _ratio(-self.beta * came, total, total < -_NOISE * _level(total))
            back = back + _back_by_sign(layer, signal, down, up)
            shared = shared + dot(signal, found)
        return back, shared


class Relevance:
    """A layer with weights, by one of the rules above."""

    def __init__(self, share: Share, ledger: Ledger) -> None:
        self.share, self.ledger = share, ledger

    def refuses(self, site: Site) -> str | None:
        """Nothing but convolutions and linear layers."""
        return None if site.op.startswith(("conv", "linear")) else "the rule shares by weights, and it has none"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """The signal by the input; parameters get none."""
        layer = Layer(site, inputs, output)
        back, shared = self.share(layer, grad)
        self.ledger.keep(dot(grad, layer.z), shared)
        return [back]


class Affine:
    """``z = k x + b``, unit by unit: a batch normalisation, or a constant added. What b has of z stays in it."""

    def __init__(self, share: Epsilon, ledger: Ledger) -> None:
        self.share, self.ledger = share, ledger

    def refuses(self, site: Site) -> str | None:
        """Whatever is not affine."""
        return None if site.op in ("batch_norm", "add", "sub") else "it is not affine"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """The epsilon rule."""
        del site
        z = output.detach()
        place = next((i for i, each in enumerate(inputs) if each.shape == z.shape), 0)
        signal = self.share.damped(z, grad)
        back = torch.autograd.grad(output, inputs[place], signal, retain_graph=True)[0]
        self.ledger.keep(dot(grad, z), dot(back, inputs[place].detach()))
        return [back if each == place else None for each in range(len(inputs))]


class Passes:
    """``R_i = R_j`` through a function of one number with f(0) = 0: ``c_i = c_j f(x) / x``."""

    def refuses(self, site: Site) -> str | None:
        """Nothing: `way.RELEVANCE` names those that may pass."""
        del site
        return None

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """Near zero the derivative."""
        place = rectified(site, inputs, output) if site.op in RECTIFIERS else 0
        x = inputs[place].detach()
        small = x.abs() < 1e-6
        slope = torch.autograd.grad(output, inputs[place], grad, retain_graph=True)[0]
        back = torch.where(small, slope, grad * output.detach() / torch.where(small, torch.ones_like(x), x))
        return [back if each == place else None for each in range(len(inputs))]


def rows(values: Tensor) -> Tensor:
    """One row an image, (n, ...), in the order of memory where that is channels last."""
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        values = values.permute(0, 2, 3, 1)
    return values.reshape(len(values), -1)


def dot(one: Tensor, other: Tensor) -> Tensor:
    """The sum of products for each image, (n,)."""
    if one.stride() != other.stride():
        other = other.contiguous().to(memory_format=torch.contiguous_format)
        one = one.contiguous().to(memory_format=torch.contiguous_format)
    return torch.stack([torch.dot(a, b) for a, b in zip(rows(one), rows(other), strict=True)])


def _level(z: Tensor) -> Tensor:
    """The root mean square of each image's z, in a shape that goes with z."""
    flat = rows(z)
    norm: Tensor = torch.linalg.vector_norm(flat, dim=1)
    level: Tensor = norm * flat.shape[1] ** -0.5
    return level.view(-1, *[1] * (z.dim() - 1))


def _ratio(relevance: Tensor, total: Tensor, where: Tensor) -> Tensor:
    """Relevance a unit of contribution, and nothing elsewhere."""
    return torch.where(where, relevance / total, 0.0)


def _signed(x: Tensor) -> bool:
    return bool(x.amin() < 0)


def _contributions(layer: Layer, *, positive: bool) -> Tensor:
    """For each output the sum of its positive (or negative) contributions ``a_i w_ij``."""
    up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    one, other = (up, down) if positive else (down, up)
    if not _signed(layer.x):
        return layer.forward(layer.x, one)
    return layer.forward(layer.x.clamp(min=0), one) + layer.forward(layer.x.clamp(max=0), other)


def _back_by_sign(layer: Layer, signal: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The transposed layer with one set of weights for inputs of at least 0, and another for negative ones."""
    back = layer.back(signal, positive)
    return torch.where(layer.x < 0, layer.back(signal, negative), back) if _signed(layer.x) else back
