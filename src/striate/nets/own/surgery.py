"""Finding and replacing layers of a module that is built already, by what runs when it sees one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers.local import ContrastNorm, ResponseNorm
from .layers.maxout import Maxout

ACTIVATIONS = (
    nn.Sigmoid,
    nn.Tanh,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    Maxout,
)
NORMALISATIONS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.LocalResponseNorm,
    ResponseNorm,
    ContrastNorm,
)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
WEIGHTED = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Run:
    """One run of a childless module.

    Attributes:
        path: Where the module is.
        module: It.
        before: Path of the childless module that made its input as it is, or None where something else did.
        taken: Shape of its input.
        made: Shape of its output.
    """

    path: str
    module: nn.Module
    before: str | None
    taken: torch.Size
    made: torch.Size


def childless(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules that hold no others, each module once."""
    for path, each in module.named_modules():
        if path and next(each.children(), None) is None:
            yield path, each


def of_types(module: nn.Module, types: tuple[type[nn.Module], ...]) -> dict[str, nn.Module]:
    """The modules of exactly these types by path: a subclass is something of its own, such as a gate."""
    return {path: each for path, each in childless(module) if type(each) in types}


def put(module: nn.Module, path: str, new: nn.Module) -> None:
    """``new`` in the place ``path`` of ``module``."""
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, new)


def change(module: nn.Module, places: dict[str, nn.Module], make: Callable[[nn.Module], nn.Module]) -> None:
    """Every module of ``places`` replaced by what ``make`` gives for it."""
    for path, each in places.items():
        put(module, path, make(each))


def output_layers(module: nn.Module, classes: int) -> set[str]:
    """Paths of the layers that give logits: the last one, and those of side branches."""
    weighted = of_types(module, WEIGHTED)
    found = set(list(weighted)[-1:])
    for path, layer in weighted.items():
        parent, _, name = path.rpartition(".")
        last = list(module.get_submodule(parent)._modules)[-1] == name
        if last and isinstance(layer, nn.Linear) and layer.out_features == classes:
            found.add(path)
    return found


def runs(module: nn.Module, images: Tensor) -> list[Run]:
    """What runs on ``images`` in eval mode, in order; the module is left as it was."""
    found: list[Run] = []
    makers: dict[int, str] = {}
    kept: list[Tensor] = []  # ids stay unique as long as the tensors live

    def note(path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(each: nn.Module, taken: tuple[Tensor, ...], made: Tensor) -> None:
            found.append(Run(path, each, makers.get(id(taken[0])), taken[0].shape, made.shape))
            makers[id(made)] = path
            kept.extend((taken[0], made))

        return hook

    handles = [each.register_forward_hook(note(path)) for path, each in childless(module)]
    with _evaluating(module), torch.no_grad():
        try:
            module(images)
        finally:
            for handle in handles:
                handle.remove()
    return found


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training
