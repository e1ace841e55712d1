"""Rules of relevance: how what one layer gave is shared among what it took in.

Backwards goes not relevance R but relevance a unit of activation, ``c = R / a``. Then a layer without a rule of its own
shares in proportion to contributions when autograd does what it always does: additions (skip connections), average
pooling and concatenation pass c on by their own weights, max pooling to the winner, rectifiers where they let pass. No
rule divides by an activation, so none explodes where one is near zero, and the relevance of a pixel is the product of
c and its normalised value.

A bias b_j takes part in z_j. Either it keeps its part of the relevance (``"absorb"``), or the inputs share that part
too (``"share"``), in proportion to the contributions that the rule favours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.site import Site

from .layer import Layer, alike, dot, level, pieces
from .rectify import rectified
from .way import RECTIFIERS

Biases = Literal["absorb", "share"]
_NOISE = 1e-5  # of a sum of contributions of both signs: one sign with less is float32's rounding, and shares nothing
_LEAST = 1e-20  # a sum of contributions below it is none
_TINY = 1e-30  # keeps 0 / 0 away, and is lost beside whatever is not 0
NEAR_ZERO = 0.02  # of the root mean square of what a normalisation takes in: smaller values cannot bear its relevance


def checked(biases: str) -> Biases:
    """The word, if it is one of the two.

    Raises:
        StriateError: It is not.
    """
    for each in get_args(Biases):
        if each == biases:
            return each  # type: ignore[no-any-return]
    raise StriateError(f"biases is {biases!r}", accepted=", ".join(get_args(Biases)))


@dataclass
class Ledger:
    """What of the relevance does not arrive at the pixels by the rules.

    Attributes:
        absorbed: Relevance that biases and stabilisers kept, for each image, (n,) float64.
        open: Whether anybody asks; rules book nothing where not.
    """

    absorbed: Tensor
    open: bool = True

    def keep(self, kept: Tensor) -> None:
        """Books what came to a layer and was not shared, (n,)."""
        self.absorbed += kept.double()


class Share(Protocol):
    """A rule of a layer with weights: the signal by its input; what is not shared is booked."""

    def __call__(self, layer: Layer, c: Tensor, ledger: Ledger) -> Tensor:
        """For ``c = R / z``, the relevance of the outputs a unit of output, in the layout of z."""
        ...


@dataclass(frozen=True)
class Epsilon:
    """``R_i = sum_j a_i w_ij / (z_j + e sign(z_j)) R_j``, with e a share of the root mean square of the layer's z.

    Where inputs share the part of biases, z_j is the sum of the contributions alone.

    Source: Bach et al. 2015, equation 58; Montavon et al. 2019, section 10.2.2, who measure e so.
    """

    share: float = 0.0
    biases: Biases = "absorb"

    def damped(self, z: Tensor, c: Tensor) -> Tensor:
        """The signal before the weights, ``R_j / (z_j + e sign(z_j)) = c |z_j| / (|z_j| + e)``."""
        if not self.share:
            return c
        signal, e = torch.empty_like(z), (self.share * level(z)).clamp(min=_TINY).tolist()
        for i, (one, z_i, c_i) in pieces(signal, z, c):
            torch.abs(z_i, out=one)
            torch.addcdiv(c_i, c_i, one.add_(e[i]), value=-e[i], out=one)
        return signal

    def __call__(self, layer: Layer, c: Tensor, ledger: Ledger) -> Tensor:
        """As the equation says."""
        if self.biases == "absorb" or layer.bias is None:
            signal = self.damped(layer.z, c)
            if ledger.open:
                lost = 0.0 if signal is c else dot(c, layer.z) - dot(signal, layer.z)
                ledger.keep(lost + layer.of_bias(signal, layer.bias))
        else:
            total = layer.z - layer.spread(layer.bias)
            e = (self.share * level(total)).clamp(min=_TINY).view(-1, *[1] * (total.dim() - 1))
            signal = c * layer.z / torch.copysign(total.abs() + e, total)
            if ledger.open:
                ledger.keep(dot(c, layer.z) - dot(signal, total))
        return layer.back(signal, layer.weight)


@dataclass(frozen=True)
class Gamma:
    """``R_i = sum_j a_i (w_ij + g w_ij+) / sum_i a_i (w_ij + g w_ij+) R_j``: positive contributions favoured.

    The sum holds the bias as a contribution of its own. Where inputs may be negative it is the contributions a_i w_ij
    whose positive parts are favoured, and where an output is negative their negative parts, so that no denominator is
    smaller than the output itself. That stays so where inputs share the part of the bias: they do it in proportion to
    the contributions that have the sign of the output.

    Source: Montavon et al. 2019, section 10.2.3; for signed inputs and outputs Andeol et al. 2021, appendix.
    """

    gamma: float = 0.25
    biases: Biases = "absorb"

    def __call__(self, layer: Layer, c: Tensor, ledger: Ledger) -> Tensor:
        """The positive outputs, and where there is relevance at negative ones those too."""
        side = self._absorbing if self.biases == "absorb" or layer.bias is None else self._sharing
        back = side(layer, c, ledger, positive=True)
        if layer.falls and bool(((layer.z < 0) & (c != 0)).any()):
            back = back + side(layer, c, ledger, positive=False)
        return back

    def _absorbing(self, layer: Layer, c: Tensor, ledger: Ledger, *, positive: bool) -> Tensor:
        """The outputs of one sign: ``c z / (z + g sum_i (a_i w_ij)+ + g b+)`` before the favoured weights."""
        half = layer.half(positive=positive, scale=self.gamma)
        helping = layer.contributions(positive=positive, scale=self.gamma, bias=half)
        signal, tiny = alike(helping, layer.z), _TINY if positive else -_TINY
        for _, (one, z, c_i) in pieces(signal, layer.z, c):
            part = z.clamp(min=0) if positive else z.clamp(max=0)
            torch.div(part, one.add_(part).add_(tiny), out=one).mul_(c_i)
        if ledger.open and layer.bias is not None and half is not None:
            ledger.keep(layer.of_bias(signal, layer.bias + half))
        first, second = layer.by_sign(positive=positive, scale=self.gamma)
        return layer.back_by_sign(signal, (first.add_(layer.weight), second.add_(layer.weight)))

    def _sharing(self, layer: Layer, c: Tensor, ledger: Ledger, *, positive: bool) -> Tensor:
        """The same, and the part of the bias by the favoured contributions alone."""
        bias, half = layer.bias, layer.half(positive=positive, scale=self.gamma)
        assert bias is not None
        assert half is not None
        helping = alike(layer.contributions(positive=positive), layer.z)
        part = layer.z.clamp(min=0) if positive else layer.z.clamp(max=0)
        total = torch.add(part, helping, alpha=self.gamma).add_(layer.spread(half + (_TINY if positive else -_TINY)))
        signal = torch.div(part, total, out=part).mul_(c)
        given = layer.spread(bias + half)
        borne = helping.abs() > (_NOISE * given.abs()).clamp(min=_LEAST)
        extra = torch.where(borne, given / helping, 0.0).add_(self.gamma).mul_(signal)
        if ledger.open:
            shared = dot(signal, layer.z) - layer.of_bias(signal, bias) + dot(extra, helping)
            ledger.keep(dot(signal, total) - shared)
        favoured = layer.back_by_sign(extra, layer.by_sign(positive=positive))
        return layer.back(signal, layer.weight) + favoured


@dataclass(frozen=True)
class AlphaBeta:
    """``R_i = sum_j (alpha (a_i w_ij)+ / z_j+ - beta (a_i w_ij)- / z_j-) R_j``; beta 0 is the z+ rule.

    Bach et al. count b_j+ to z_j+ and b_j- to z_j-. Montavon et al. have no bias in z_j+: there inputs share its part.

    Source: Bach et al. 2015, equation 60 (alpha - beta = 1); with beta 0 Montavon et al. 2017, section 4.2.
    """

    alpha: float = 2.0
    beta: float = 1.0
    biases: Biases = "absorb"

    def __call__(self, layer: Layer, c: Tensor, ledger: Ledger) -> Tensor:
        """Positive and negative contributions apart; an output without the one kind loses the share of that kind."""
        absorbing = self.biases == "absorb"
        bias = layer.half(positive=True) if absorbing else None
        up = alike(layer.contributions(positive=True, bias=bias), layer.z)
        if not self.beta:
            return self._positive(layer, c, up, bias, ledger)
        # z less a bias that may be far larger would be rounding: then the negative contributions are summed themselves.
        known = absorbing or layer.bias is None
        down = layer.z - up if known else alike(layer.contributions(positive=False), layer.z)
        least = (up - down).mul_(_NOISE).clamp_(min=_LEAST)
        came = c * layer.z
        one = torch.where(up > least, came / up, 0.0)
        other = torch.where(-down > least, -came / down, 0.0)
        if ledger.open:
            lower = layer.half(positive=False) if absorbing else None
            shared = self.alpha * (dot(one, up) - layer.of_bias(one, bias))
            shared = shared + self.beta * (dot(other, down) - layer.of_bias(other, lower))
            ledger.keep(dot(c, layer.z) - shared)
        return self._back(layer, one, other)

    def _positive(self, layer: Layer, c: Tensor, up: Tensor, bias: Tensor | None, ledger: Ledger) -> Tensor:
        """The z+ rule."""
        booked = dot(c, layer.z) if ledger.open else None
        lost = torch.zeros(len(c), dtype=torch.float64, device=c.device)
        for i, (one, z, c_i) in pieces(up, layer.z, c):
            if booked is not None:
                lost[i] += torch.dot(c_i, torch.where(one > _LEAST, 0.0, z))
            torch.div(z, F.threshold(one, _LEAST, float("inf"), inplace=True), out=one).mul_(c_i)
        if booked is not None:
            ledger.keep(booked - self.alpha * (booked - lost - layer.of_bias(up, bias)))
        return layer.back_by_sign(up, layer.by_sign(positive=True, scale=self.alpha))

    def _back(self, layer: Layer, one: Tensor, other: Tensor) -> Tensor:
        back = layer.back_by_sign(one, layer.by_sign(positive=True, scale=self.alpha))
        return back.add_(layer.back_by_sign(other, layer.by_sign(positive=False, scale=self.beta)))


class Relevance:
    """A layer with weights, by one of the rules above.

    Args:
        share: The rule.
        ledger: Where what is kept is booked.
        positive: Whether what the layer takes in is known to be at least 0.
        falls: Whether relevance may lie at negative outputs.
    """

    def __init__(self, share: Share, ledger: Ledger, *, positive: bool = False, falls: bool = True) -> None:
        self.share, self.ledger, self.positive, self.falls = share, ledger, positive, falls

    def refuses(self, site: Site) -> str | None:
        """Nothing but convolutions and linear layers."""
        return None if site.op.startswith(("conv", "linear")) else "the rule shares by weights, and it has none"

    def __call__(self, site: Site, inputs: Sequence[Tensor], output: Tensor, grad: Tensor) -> Sequence[Tensor | None]:
        """The signal by the input; parameters get none."""
        layer = Layer(site, inputs, output, positive=self.positive, falls=self.falls)
        return [self.share(layer, alike(grad, layer.z), self.ledger)]


class Affine:
    """``z = k x + b``, unit by unit: a batch normalisation that no convolution took in, or a constant added.

    What b has of z stays in it, or goes to x, ``c_x = R / (x + e sign(x))``. There e is a share of the root mean square
    of x: a value near zero, whose output is the bias alone, cannot bear it, and so much is kept.

    Source: sharing by normalisation before rectifier as part of the rectifier: Motzkus et al. 2022, section 3.
    """

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
        x, c = inputs[place].detach(), alike(grad, z)
        if self.share.biases == "absorb":
            signal = self.share.damped(z, c)
            back = torch.autograd.grad(output, inputs[place], signal, retain_graph=True)[0]
        else:
            e = (NEAR_ZERO * level(x)).clamp(min=_TINY).view(-1, *[1] * (x.dim() - 1))
            back = c * z / torch.copysign(x.abs() + e, x)
        if self.ledger.open:
            self.ledger.keep(dot(c, z) - dot(back, x))
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
