"""A layer with weights as it ran, and the sums over its values that rules of relevance need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.site import Site

_BLOCK = 1 << 16  # values: a few such pieces stay in the second cache of a CPU's core while several operations pass


class Layer:
    """A convolution or linear layer as it ran, which can run again with other weights, forwards and transposed.

    Attributes:
        x: What it took in.
        z: What it gave.
        weight: Its weights.
        bias: Its bias, or None.
        falls: Whether relevance may lie at negative outputs; behind a convolution that a ReLU follows there is none.
    """

    def __init__(
        self, site: Site, inputs: Sequence[Tensor], output: Tensor, *, positive: bool = False, falls: bool = True
    ) -> None:
        self.x, self.z, self.falls = inputs[0].detach(), output.detach(), falls
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
        self.signed = not positive and bool(self.x.amin() < 0)

    def spread(self, bias: Tensor) -> Tensor:
        """One number for each channel of the output, in a shape that goes with the output."""
        return bias.view(-1, *[1] * (self.z.dim() - 2)) if self._convolves else bias

    def half(self, *, positive: bool, scale: float = 1.0) -> Tensor | None:
        """The positive or the negative part of the bias."""
        if self.bias is None:
            return None
        return scale * (self.bias.clamp(min=0) if positive else self.bias.clamp(max=0))

    def of_bias(self, signal: Tensor, bias: Tensor | None) -> Tensor:
        """The sum of the signal times a bias, for each image, (n,)."""
        if bias is None:
            return signal.new_zeros(len(signal))
        if not self._convolves:
            return rows(signal @ bias).sum(1)
        if signal.dim() == 4 and signal.is_contiguous(memory_format=torch.channels_last):
            return (signal.permute(0, 2, 3, 1) @ bias).flatten(1).sum(1)
        return signal.flatten(2).sum(2) @ bias

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Of ``x``, with other weights."""
        if not self._convolves:
            return F.linear(x, weight, bias)
        made: Tensor = torch.ops.aten.convolution(x, weight, bias, *self._form())
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

    def contributions(self, *, positive: bool, scale: float = 1.0, bias: Tensor | None = None) -> Tensor:
        """For each output ``scale`` times the sum of its positive (or negative) contributions, and a bias."""
        one, other = self.by_sign(positive=positive, scale=scale)
        if not self.signed:
            return self.forward(self.x, one, bias)
        return self.forward(self.x.clamp(min=0), one, bias) + self.forward(self.x.clamp(max=0), other)

    def by_sign(self, *, positive: bool, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        """The weights that contribute positively (or negatively) for inputs of at least 0, and for negative ones."""
        up, down = self.weight.clamp(min=0), self.weight.clamp(max=0)
        up, down = (up, down) if scale == 1 else (up.mul_(scale), down.mul_(scale))
        return (up, down) if positive else (down, up)

    def back_by_sign(self, signal: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        """The transposed layer with one set of weights for inputs of at least 0, and another for negative ones."""
        back = self.back(signal, weights[0])
        return torch.where(self.x < 0, self.back(signal, weights[1]), back) if self.signed else back

    def _form(self) -> tuple[object, ...]:
        node = self._node
        names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
        return tuple(getattr(node, f"_saved_{name}") for name in names)


def alike(values: Tensor, like: Tensor) -> Tensor:
    """The same values in the order of memory of ``like``."""
    return values if values.stride() == like.stride() else torch.empty_like(like).copy_(values)


def rows(values: Tensor) -> Tensor:
    """One row an image, (n, ...), in the order of memory where that is channels last."""
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        values = values.permute(0, 2, 3, 1)
    return values.reshape(len(values), -1)


def pieces(*values: Tensor) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """The number of an image, and a piece of each of several tensors of that image: views, small enough for a cache.

    All must be `alike`, and dense in memory: what is written into a piece is written into its tensor.
    """
    flat = [rows(each) for each in values]
    if any(one.data_ptr() != whole.data_ptr() for one, whole in zip(flat, values, strict=True)):
        raise StriateError("values that lie scattered in memory")
    size = _BLOCK if values[0].device.type == "cpu" else max(1, flat[0].shape[1])
    for image, parts in enumerate(zip(*flat, strict=True)):
        for piece in zip(*(each.split(size) for each in parts), strict=True):
            yield image, piece


def dot(one: Tensor, other: Tensor) -> Tensor:
    """The sum of products for each image, (n,)."""
    left, right = rows(one), rows(alike(other, one))
    return torch.stack([torch.dot(a, b) for a, b in zip(left, right, strict=True)])


def level(z: Tensor) -> Tensor:
    """The root mean square of each image's z, (n,)."""
    flat = rows(z)
    norm: Tensor = torch.linalg.vector_norm(flat, dim=1)
    found: Tensor = norm * flat.shape[1] ** -0.5
    return found
