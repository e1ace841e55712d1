"""The padding of TensorFlow's ``SAME``, for weights that were trained with it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SamePaddedConv2d(nn.Conv2d):
    """A convolution whose output has ceil(side / stride) units, with the odd unit of padding below and right.

    Source: TensorFlow, documentation of ``tf.nn``, "Notes on padding"; torch pads both sides alike.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The padded input, convolved."""
        sides = []
        for side, kernel, stride, dilation in zip(
            reversed(x.shape[2:]),
            reversed(self.kernel_size),
            reversed(self.stride),
            reversed(self.dilation),
            strict=True,
        ):
            total = max((-(-side // stride) - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)
            sides += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, sides), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def pad_as_tensorflow(module: nn.Module) -> None:
    """Gives every convolution with a stride TensorFlow's padding; without one both libraries agree."""
    for each in module.modules():
        if type(each) is nn.Conv2d and max(each.stride) > 1 and max(each.kernel_size) > 1:
            each.__class__ = SamePaddedConv2d
