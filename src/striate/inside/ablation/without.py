"""An architecture without some of its layers: what is left is joined again, its inputs as wide as what now comes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.training.init import seeded

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_ADAPTED = (nn.Conv2d, nn.Linear, *_NORMS)


class _Misfit(Exception):  # noqa: N818  it says what does not fit, and is always caught
    def __init__(self, path: str, width: int) -> None:
        super().__init__(path)
        self.path, self.width = path, width


def without(net: Net, removed: Sequence[str], *, seed: int = 0) -> tuple[Net, tuple[str, ...]]:
    """A copy of the net without these modules, and the paths of the layers that were rebuilt for it.

    A removed module passes on what comes into it; a batch norm that took in nothing but its output goes with it. What
    comes behind and no longer fits (convolution, linear layer, batch norm) is made again for what now comes, with fresh
    weights drawn by seed and path; all other weights are as they were. Functions and activations stay.

    Raises:
        UnknownNameError: No such module.
        StriateError: The layers that are left cannot be joined; the message says which.
    """
    module = copy.deepcopy(net.module)
    paths = dict(module.named_modules())
    for path in removed:
        if path not in paths or not path:
            raise UnknownNameError("layer", path, [name for name in paths if name], hint=f"striate summary {net.name}")
    gone = {*removed, *_norms_of(net, removed)}
    for path in gone:
        _put(module, path, nn.Identity())
    rebuilt: list[str] = []
    height, width = net.a_size()
    like = next(net.parameters(), torch.zeros(()))
    image = torch.zeros(1, net.channels, height, width, device=like.device, dtype=like.dtype)
    for _ in range(len(paths)):
        try:
            output = _tried(module, image)
        except _Misfit as misfit:
            _put(
                module, misfit.path, _widened(module.get_submodule(misfit.path), misfit, seed, removed).to(like.device)
            )
            rebuilt.append(misfit.path)
            continue
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StriateError(
                f"{net.name} without {', '.join(removed)} cannot be joined: {reason}",
                accepted="layers whose way around, if there is one, gives what they gave",
                hint="remove the whole block",
            ) from error
        if not isinstance(output, Tensor) or output.shape != (1, len(net.classes)):
            given = tuple(output.shape[1:]) if isinstance(output, Tensor) else type(output).__name__
            raise StriateError(
                f"{net.name} without {', '.join(removed)} gives {given}",
                accepted=f"scores of its {len(net.classes)} classes: the last layer must stay",
            )
        break
    made = net.with_module(module)
    return made.adapted(name=f"{net.name} without {', '.join(removed)}"), tuple(rebuilt)


def _norms_of(net: Net, removed: Sequence[str]) -> set[str]:
    """Batch norms whose only input is the output of a removed layer."""
    sites = net.sites(net.a_size())
    last = {site.module: site.name for site in sites}
    ends = {last[path] for path in removed if path in last}
    found = {site.module for site in sites if len(site.inputs) == 1 and site.inputs[0] in ends}
    return {path for path in found if path and isinstance(net.module.get_submodule(path), _NORMS)}


def _put(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, new)


def _tried(module: nn.Module, image: Tensor) -> Any:
    """One forward pass; stops before the first layer that does not fit what comes into it."""

    def check(path: str, wanted: int, axis: int) -> Any:
        def hook(_layer: nn.Module, args: tuple[Any, ...]) -> None:
            if args and isinstance(args[0], Tensor) and args[0].shape[axis] != wanted:
                raise _Misfit(path, args[0].shape[axis])

        return hook

    handles = []
    for path, layer in module.named_modules():
        if isinstance(layer, _ADAPTED):
            axis = -1 if isinstance(layer, nn.Linear) else 1
            handles.append(layer.register_forward_pre_hook(check(path, _width(layer), axis)))
    training = module.training
    try:
        with torch.no_grad():
            return module.eval()(image)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()


def _width(layer: nn.Module) -> int:
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels
    if isinstance(layer, nn.Linear):
        return layer.in_features
    assert isinstance(layer, _NORMS)
    return layer.num_features


def _widened(layer: nn.Module, misfit: _Misfit, seed: int, removed: Sequence[str]) -> nn.Module:
    """The layer for another number of inputs."""
    width = misfit.width
    with seeded(seed, f"ablation/without/{misfit.path}"):
        if isinstance(layer, nn.Linear):
            return nn.Linear(width, layer.out_features, bias=layer.bias is not None)
        if isinstance(layer, nn.Conv2d):
            if width % layer.groups:
                raise StriateError(
                    f"{misfit.path} has {layer.groups} groups and takes {width} channels without {', '.join(removed)}",
                    accepted="a number of channels that its groups divide",
                )
            same: Any = {
                name: getattr(layer, name)
                for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
            }
            return nn.Conv2d(width, layer.out_channels, bias=layer.bias is not None, **same)
        assert isinstance(layer, _NORMS)
        return type(layer)(width, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
