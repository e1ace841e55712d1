"""The part ``norm``: normalisations of a network replaced by others, put in where there are none, or taken out."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from striate.core.errors import StriateError

from .layers.carried import Shift, Tokens
from .layers.local import ContrastNorm, ResponseNorm
from .surgery import NORMALISATIONS, WEIGHTED, of_types, output_layers, put, runs

NORMS = ("batch", "layer", "instance", "group", "weight", "lrn", "lcn", "none")
GROUPS = 8
_LINEAR = ("batch", "layer", "weight")  # these go behind linear layers too where they are put in


def normalise(module: nn.Module, kind: str, *, name: str, classes: int, images: Tensor, groups: int = GROUPS) -> None:
    """Gives ``module``, in place, normalisations of one kind.

    Those that it has are replaced. Where it has none, one goes behind every convolution but the output layer, before
    what follows; behind hidden linear layers too where the kind is ``batch`` or ``layer``. ``weight`` writes the
    weight of every layer but the output as length times direction; it, ``lrn``, ``lcn`` and ``none`` leave a learnt
    shift in the place of a normalisation that had one. Normalisations with statistics have a scale and a shift a
    channel.

    Args:
        module: A network.
        kind: One of `NORMS`.
        name: Of the network, for messages.
        classes: Its outputs.
        images: Images of its size, such as zeros, on which it is looked at.
        groups: Of ``group``.

    Raises:
        StriateError: There is nothing to normalise so, or the groups do not divide the channels.

    Source: Ioffe & Szegedy 2015 (batch: a channel over N, H, W); Ba, Kiros & Hinton 2016 (layer: an image over C, H,
    W); Ulyanov, Vedaldi & Lempitsky 2016 (instance: H, W); Wu & He 2018 (group: C/G, H, W); Salimans & Kingma 2016
    (weight, equation 2); Krizhevsky et al. 2012 (lrn); Jarrett et al. 2009 (lcn).
    """
    places = of_types(module, NORMALISATIONS)
    outputs = output_layers(module, classes)
    layers = {path: each for path, each in of_types(module, WEIGHTED).items() if path not in outputs}
    seen = {run.path: run for run in runs(module, images)}
    if kind == "group":
        shapes = [seen[path].taken for path in places if path in seen] or [
            seen[path].made for path, each in layers.items() if path in seen and isinstance(each, nn.Conv2d)
        ]
        check_groups(groups, [_channels(each) for each in shapes], name)
    for path, each in places.items():
        taken = seen[path].taken if path in seen else _size_of(each)
        put(module, path, _made(kind, taken, groups, name=f"{name}: {path}", shifts=_shifts(each)))
    if kind == "weight":
        for layer in layers.values():
            weight_norm(layer)
    elif not places:
        wanted = {p: each for p, each in layers.items() if isinstance(each, nn.Conv2d) or kind in _LINEAR}
        if kind == "none" or not wanted:
            missed = "" if kind == "none" else " and no place for this one"
            raise StriateError(
                f"norm={kind} of {name}, which has no normalisation{missed}",
                accepted=f"norm={' or '.join(_LINEAR)}" if layers else "a network with hidden layers",
            )
        for path, layer in wanted.items():
            made = seen[path].made if path in seen else _outputs_of(layer)
            norm = _made(kind, made, groups, name=f"{name}: {path}", shifts=False)
            put(module, path, nn.Sequential(OrderedDict(layer=layer, norm=norm)))
    if kind == "weight" and not layers:
        raise StriateError(f"norm=weight of {name}", accepted="a network with hidden layers")


def check_groups(groups: int, channels: list[int], name: str) -> None:
    """Raises where ``groups`` do not divide all numbers of channels."""
    if any(each % groups for each in channels):
        shared = math.gcd(*channels)
        fit = [str(each) for each in range(1, shared + 1) if not shared % each]
        bad = next(each for each in channels if each % groups)
        raise StriateError(
            f"{groups} groups for {bad} channels of {name}",
            accepted=f"groups={', '.join(fit)}",
            hint=f"+norm=group+groups={fit[-1]}",
        )


def _made(kind: str, taken: torch.Size, groups: int, *, name: str, shifts: bool) -> nn.Module:
    """The normalisation of what has the shape ``taken``: maps (N, C, H, W), rows (N, C) or tokens (N, T, C)."""
    tokens, rows, channels = len(taken) == 3, len(taken) == 2, _channels(taken)
    if (kind in ("instance", "lrn") and rows) or (kind == "lcn" and len(taken) != 4):
        raise StriateError(f"norm={kind} at {name}, which is no map", accepted="batch, layer, group, weight, none")
    if kind == "instance" and not tokens and math.prod(taken[2:]) < 2:
        raise StriateError(f"norm=instance at {name}, a map of one place", accepted="larger images", hint="norm=group")
    made: nn.Module
    match kind:
        case "batch":
            made = nn.BatchNorm1d(channels) if tokens or rows else nn.BatchNorm2d(channels)
        case "layer":
            return nn.LayerNorm(channels) if tokens or rows else nn.GroupNorm(1, channels)
        case "instance":
            made = (nn.InstanceNorm1d if tokens else nn.InstanceNorm2d)(channels, affine=True)
        case "group":
            made = nn.GroupNorm(groups, channels)
        case "lrn" | "lcn":
            local = ResponseNorm() if kind == "lrn" else ContrastNorm()
            made = nn.Sequential(OrderedDict(shift=Shift(channels), local=local)) if shifts else local
        case _:
            return Shift(channels, last=tokens) if shifts else nn.Identity()
    return Tokens(made) if tokens else made


def _channels(shape: torch.Size) -> int:
    return shape[-1] if len(shape) == 3 else shape[1]


def _shifts(norm: nn.Module) -> bool:
    return getattr(norm, "bias", None) is not None


def _size_of(norm: nn.Module) -> torch.Size:
    """The shape that a normalisation takes which did not run in eval mode, as in a side branch."""
    if isinstance(norm, nn.LayerNorm):
        return torch.Size((2, 2, norm.normalized_shape[-1]))
    channels = int(getattr(norm, "num_features", 0) or getattr(norm, "num_channels", 1))
    return torch.Size((2, channels) if isinstance(norm, nn.BatchNorm1d) else (2, channels, 2, 2))


def _outputs_of(layer: nn.Module) -> torch.Size:
    """The same for a layer behind which one is put."""
    return torch.Size((2, layer.out_channels, 2, 2) if isinstance(layer, nn.Conv2d) else (2, int(layer.out_features)))  # type: ignore[arg-type]
