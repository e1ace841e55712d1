"""The part ``activation``: what stands between the layers of a network, replaced everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError

from .layers.maxout import Maxout
from .surgery import ACTIVATIONS, DROPOUTS, NORMALISATIONS, Run, change, of_types, put, runs

MADE: Mapping[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "maxout": Maxout,
    "none": nn.Identity,
}
_PASSING = (*NORMALISATIONS, *DROPOUTS, nn.MaxPool2d, nn.AvgPool2d, nn.Identity)  # channel by channel


def activate(module: nn.Module, kind: str, *, name: str, images: Tensor) -> None:
    """Gives ``module``, in place, activations of one kind in the place of all that it has.

    The layer before a ``maxout`` gets twice the outputs, the second half of them drawn with the deviation of the first.

    Args:
        module: A network.
        kind: A key of `MADE`.
        name: Of the network, for messages.
        images: Images of its size, such as zeros, on which it is looked at.

    Raises:
        StriateError: It has no activations, or ``maxout`` is asked for where no layer stands right before one.

    Source: Nair & Hinton 2010 (relu); Maas, Hannun & Ng 2013 (leaky_relu, slope .01); He et al. 2015 (prelu, one slope
    a layer, from .25); Clevert, Unterthiner & Hochreiter 2016 (elu); Klambauer et al. 2017 (selu); Hendrycks & Gimpel
    2016 (gelu, by the error function); Elfwing, Uchibe & Doya 2018 (silu); Goodfellow et al. 2013 (maxout, two pieces).
    """
    places = of_types(module, ACTIVATIONS)
    if not places:
        raise StriateError(f"activation={kind} of {name}, which has no activations", accepted="a network with some")
    if kind == "maxout":
        _double(module, places, name=name, images=images)
    change(module, places, lambda _: MADE[kind]())


def _double(module: nn.Module, places: Mapping[str, nn.Module], *, name: str, images: Tensor) -> None:
    """Twice the outputs in every layer before an activation, and in what lies between."""
    seen = runs(module, images)
    made_by = {run.path: run for run in seen}
    doubled: dict[str, nn.Module] = {}
    for run in (each for each in seen if each.path in places):
        for path in _before(run, made_by, name):
            doubled[path] = made_by[path].module
    missed = [path for path in places if path not in made_by]
    if missed:
        raise StriateError(
            f"activation=maxout of {name}: {missed[0]} does not run in eval mode", accepted="one that does"
        )
    for path, each in doubled.items():
        put(module, path, _twice(each))


def _before(run: Run, made_by: Mapping[str, Run], name: str) -> list[str]:
    found: list[str] = []
    path = run.before
    while path is not None:
        found.append(path)
        each = made_by[path]
        if isinstance(each.module, (nn.Conv2d, nn.Linear)):
            return found
        path = each.before if type(each.module) in _PASSING else None
    raise StriateError(
        f"activation=maxout of {name}: no layer stands right before {run.path}",
        accepted="a network whose activations each follow a convolution or a linear layer",
        hint="striate/small+activation=maxout",
    )


def _twice(layer: nn.Module) -> nn.Module:
    match layer:
        case nn.Conv2d():
            made: nn.Module = nn.Conv2d(
                layer.in_channels,
                2 * layer.out_channels,
                layer.kernel_size,  # type: ignore[arg-type]
                layer.stride,  # type: ignore[arg-type]
                layer.padding,  # type: ignore[arg-type]
                layer.dilation,  # type: ignore[arg-type]
                layer.groups,
                bias=layer.bias is not None,
            )
        case nn.Linear():
            made = nn.Linear(layer.in_features, 2 * layer.out_features, bias=layer.bias is not None)
        case nn.BatchNorm2d() | nn.BatchNorm1d() | nn.InstanceNorm2d():
            return type(layer)(2 * layer.num_features, affine=layer.affine)
        case nn.GroupNorm():
            return nn.GroupNorm(layer.num_groups, 2 * layer.num_channels)
        case nn.LayerNorm():
            return nn.LayerNorm(2 * layer.normalized_shape[-1])
        case _:
            return layer
    with torch.no_grad():
        for new, old in zip(made.parameters(), layer.parameters(), strict=True):
            other = torch.randn_like(old) * old.std() + old.mean() if old.numel() > 1 else old.clone()
            new.copy_(torch.stack([old, other], 1).flatten(0, 1))
    return made
