"""What the builders of own networks share: widths by a factor, sizes of maps, starting weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from striate.core.errors import StriateError
from striate.nets.site import Pair

_MOST = 1024  # a net whose maps vanish below this side is none for images


def scaled(count: int, width: float, *, step: int = 1) -> int:
    """``count`` channels or units times ``width``, to the nearest multiple of ``step`` and at least one of them.

    Raises:
        StriateError: ``width`` is not above 0.

    >>> scaled(96, 0.125), scaled(3, 0.1), scaled(50, 0.1, step=2)
    (12, 1, 4)
    """
    if not width > 0:
        raise StriateError(f"width is {width:g}", accepted="a factor above 0; 1 is the network of the paper")
    return max(1, round(count * width / step)) * step


def chosen(name: str, option: str, value: str, accepted: tuple[str, ...]) -> str:
    """The value of an option, where it is one of those accepted.

    Raises:
        StriateError: It is not.
    """
    if value not in accepted:
        raise StriateError(f"{option}={value} of striate/{name}", accepted=" or ".join(accepted))
    return value


def map_size(name: str, size: Pair, layers: Iterable[nn.Module], *, hint: str = "") -> Pair:
    """Height and width of the map that ``layers``, a chain of convolutions and pools, make of an image of ``size``.

    Raises:
        StriateError: A map on the way would be empty; the message says the least size of the network ``name``.
    """
    layers = list(layers)
    windows = list(_windows(layers))
    height, width = (_side(each, windows) for each in size)
    if min(height, width) < 1:
        raise StriateError(
            f"striate/{name} for images of {size[0]} x {size[1]}",
            accepted=f"at least {least_side(layers)} px",
            hint=hint,
        )
    return height, width


def least_side(layers: Iterable[nn.Module]) -> int:
    """The side of the smallest square image of which a chain of convolutions and pools leaves something."""
    windows = list(_windows(layers))
    return next((side for side in range(1, _MOST) if _side(side, windows) >= 1), _MOST)


def small_stem(name: str, stem: str) -> tuple[bool, str]:
    """Whether a stem for small images is asked for, and the hint for those who should ask for it.

    Raises:
        StriateError: ``stem`` is neither ``paper`` nor ``small``.
    """
    small = chosen(name, "stem", stem, ("paper", "small")) == "small"
    return small, "" if small else f"striate/{name}+stem=small"


def start_normal(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-in in convolutions and linear layers, biases zero; in place.

    Source: He et al. 2015, equation 10. The papers before it draw from normal weights of deviation 0.01 (with pixels
    up to 255), from which a deep or a narrow net of rectifiers does not start to learn.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _windows(layers: Iterable[nn.Module]) -> Iterator[tuple[int, int, int, bool]]:
    """Size, stride, padding, rounding up: of every window in a chain."""
    for layer in layers:
        for each in layer.modules():
            if isinstance(each, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
                rounded_up = not isinstance(each, nn.Conv2d) and bool(each.ceil_mode)
                yield _one(each.kernel_size), _one(each.stride), _one(each.padding), rounded_up


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)


def _side(side: int, windows: list[tuple[int, int, int, bool]]) -> int:
    for kernel, stride, padding, up in windows:
        spare = side + 2 * padding - kernel
        if spare < 0 and not (up and spare + stride > 0):
            return 0
        places = (spare + (stride - 1 if up else 0)) // stride + 1
        if up and (places - 1) * stride >= side + padding:  # the last window must begin on the image
            places -= 1
        side = places
    return side
