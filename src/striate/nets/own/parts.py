"""Parts that any network of our own can have otherwise, by name: ``striate/resnet20+activation=gelu+norm=group``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.site import Pair

from .activating import MADE, activate
from .layers.dropping import DropConnect, StochasticDepth
from .normalising import GROUPS, NORMS, normalise
from .surgery import DROPOUTS, change, childless, of_types, output_layers, put

PARTS: Mapping[str, str] = {
    "activation": f"one of {', '.join(MADE)}",
    "norm": f"one of {', '.join(NORMS)}",
    "groups": f"how many the groups of norm=group are; {GROUPS} by default",
    "dropout": "a rate from 0 to below 1",
    "dropconnect": "a rate from 0 to below 1",
    "stochastic_depth": "a rate from 0 to below 1, that of the last residual block",
}


def put_parts(
    module: nn.Module, given: Mapping[str, str], *, name: str, classes: int, channels: int, size: Pair
) -> nn.Module:
    """Changes ``module``, in place, to what ``given`` asks for, and gives it; what is not asked for stays as it is.

    Weights of layers that stay start as they would have without.

    Args:
        module: A network as its builder made it.
        given: Values of parts, by the names of `PARTS`.
        name: Of the network, for messages.
        classes: Its outputs.
        channels: Of its images.
        size: Of its images.

    Raises:
        StriateError: A value cannot be read, or the network has nothing that the part could replace.
    """
    rates = {
        key: _rate(key, given[key], name) for key in ("dropout", "dropconnect", "stochastic_depth") if key in given
    }
    activation, norm = given.get("activation"), given.get("norm")
    if activation is not None and activation not in MADE:
        raise UnknownNameError(f"activation of {name}", activation, list(MADE))
    if norm is not None and norm not in NORMS:
        raise UnknownNameError(f"norm of {name}", norm, list(NORMS))
    if "groups" in given and norm != "group":
        raise StriateError(f"groups of {name} without norm=group", hint=f"+norm=group+groups={given['groups']}")
    images = torch.zeros(2, channels, *size)
    if activation:
        activate(module, activation, name=name, images=images)
    if norm:
        groups = _groups(given.get("groups", str(GROUPS)), name)
        normalise(module, norm, name=name, classes=classes, images=images, groups=groups)
    if "dropout" in rates:
        drop_units(module, rates["dropout"], classes=classes)
    if "dropconnect" in rates:
        drop_weights(module, rates["dropconnect"], name=name, classes=classes)
    if "stochastic_depth" in rates:
        drop_blocks(module, rates["stochastic_depth"], name=name)
    return module


def drop_units(module: nn.Module, rate: float, *, classes: int) -> None:
    """Sets the rate of all dropouts of ``module``; where it has none, puts one before the output layers.

    In training every value is left out with this probability, and what stays is divided by ``1 - rate``.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, section 10 for the scaling.
    """
    found = of_types(module, DROPOUTS)
    for each in found.values():
        each.p = rate  # type: ignore[assignment]
    if not found:
        for path in output_layers(module, classes):
            layers = OrderedDict(dropout=nn.Dropout(rate), layer=module.get_submodule(path))
            put(module, path, nn.Sequential(layers))


def drop_weights(module: nn.Module, rate: float, *, name: str, classes: int) -> None:
    """Makes the hidden linear layers of ``module`` leave out weights; where it has none, its linear output layers.

    Raises:
        StriateError: It has no linear layers.
    """
    linear = {path: each for path, each in of_types(module, (nn.Linear,)).items() if isinstance(each, nn.Linear)}
    if not linear:
        raise StriateError(f"dropconnect of {name}, which has no linear layers", accepted="a network with one")
    outputs = output_layers(module, classes)
    hidden: dict[str, nn.Module] = {path: each for path, each in linear.items() if path not in outputs}

    def masked(layer: nn.Module) -> nn.Module:
        assert isinstance(layer, nn.Linear)
        return DropConnect.of(layer, rate)

    change(module, hidden or dict(linear), masked)


def drop_blocks(module: nn.Module, rate: float, *, name: str) -> None:
    """Makes the residual blocks of ``module`` leave out their branches: block l of L at the rate ``l / L rate``.

    Raises:
        StriateError: It has no residual blocks.

    Source: Huang et al. 2016, equation 4, with survival p_L of ``1 - rate``.
    """
    blocks = [each for _, each in childless(module) if isinstance(each, StochasticDepth)]
    if not blocks:
        raise StriateError(
            f"stochastic_depth of {name}, which has no residual blocks",
            accepted="a residual network",
            hint="striate/resnet20, striate/vit_tiny",
        )
    for index, block in enumerate(blocks, start=1):
        block.rate = rate * index / len(blocks)


def _rate(key: str, text: str, name: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0.0 <= rate < 1.0:
        raise StriateError(f"{key}={text} of {name}", accepted=PARTS[key])
    return rate


def _groups(text: str, name: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise StriateError(f"groups={text} of {name}", accepted="a whole number of at least 1")
    return int(text)
