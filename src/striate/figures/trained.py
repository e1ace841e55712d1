"""Figures of trained networks, for those who have the weights and the images at hand."""

from __future__ import annotations

from striate.core.errors import StriateError
from striate.data.load import load_data
from striate.measure.table import predict
from striate.metrics.intervals import wilson
from striate.nets.load import load_net

from .claims import Computed, claim, holds

FIRST = 932  # test images, in the official order, for which the right numbers are known


def cifar_resnet_error() -> Computed:
    """Two residual nets on the first test images of CIFAR-10: the deeper one is wrong less often."""
    try:
        data = load_data("CIFAR10", partial=True, download=False).limit(FIRST)
        nets = [load_net(f"striate/resnet{depth}.cifar10") for depth in (20, 32)]
    except StriateError as error:
        raise StriateError(
            f"cifar-resnet-error needs the test images of CIFAR-10 and two nets trained on it ({error})",
            accepted="CIFAR10 in the folder STRIATE_DATA, cifar10_resnet20.safetensors and cifar10_resnet32.safetensors"
            " in the folder STRIATE_WEIGHTS",
        ) from error
    if len(data) < FIRST:
        raise StriateError(f"CIFAR10 has {len(data)} test images here", accepted=f"at least {FIRST}")
    wrong = [int((~predict(net, data).correct).sum()) for net in nets]
    rates = [wilson(count, FIRST) for count in wrong]
    paper = [0.0875, 0.0751]
    near = [float(rate.low or 0) <= right <= float(rate.high or 0) for rate, right in zip(rates, paper, strict=True)]
    return Computed(
        (
            claim("wrong of 932 images, ResNet-20 and -32", wrong, [78, 65]),
            claim(
                "error in %",
                [100 * float(rate) for rate in rates],
                [8.37, 6.97],
                says=[8.75, 7.51],
                tolerance=0.005,
                note="the paper's errors are those of all 10,000 test images, and of its own training (He et al. 2016)",
            ),
            holds("the paper's errors lie in the intervals of ours", all(near)),
        )
    )
