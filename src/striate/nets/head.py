"""The head of a classifier: its last linear layer, found, read from, and replaced for other classes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError

from .net import Net
from .undisturbed import undisturbed

_AFTER = ("relu", "avg_pool", "mean", "flatten", "dropout", "identity", "reshape", "view", "squeeze", "getitem")


@dataclass(frozen=True)
class Head:
    """Where the last layer lies.

    Attributes:
        path: Of the module, from the net's own module on.
        layer: A linear layer, or a convolution of 1 x 1 whose maps are averaged into the logits.
        cut: Whether a ReLU cuts what it gives (SqueezeNet): logits are then at least 0.
    """

    path: str
    layer: nn.Linear | nn.Conv2d
    cut: bool

    @property
    def width(self) -> int:
        """Numbers that it takes in."""
        return self.layer.in_features if isinstance(self.layer, nn.Linear) else self.layer.in_channels


def find_head(net: Net) -> Head:
    """The layer whose outputs are the logits: the last linear layer, or 1 x 1 convolution, that the net executes.

    Raises:
        StriateError: There is none, it is used twice, or what follows it is more than a ReLU and an average.
    """
    try:
        sites = net.sites(net.a_size() if net.size or net.geometry else max(32, net.least_size))
    except RuntimeError as error:
        raise StriateError(
            f"{net.name} does not say what size of images it takes", hint="Net(module, size=...)"
        ) from error
    modules = dict(net.module.named_modules())
    place = next(
        (place for place, site in reversed(tuple(enumerate(sites))) if site.op in {"linear", "conv2d"}), len(sites)
    )
    layer = modules.get(sites[place].module) if place < len(sites) else None
    wanted = "a net that ends in a linear layer, or in a 1 x 1 convolution and an average"
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        raise StriateError(f"{net.name} has no last linear layer to replace", accepted=wanted)
    path, after = sites[place].module, [site.op for site in sites[place + 1 :]]
    strange = [op for op in after if not any(word in op for word in _AFTER)]
    if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
        strange = [f"its kernel of {layer.kernel_size[0]} x {layer.kernel_size[1]}"]
    outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    if strange or outputs != len(net.classes) or sum(site.module == path for site in sites) > 1:
        why = ", ".join(strange) or f"its {outputs} outputs for {len(net.classes)} classes, or its being used twice"
        raise StriateError(f"{path} of {net.name} is no head: {why}", accepted=wanted)
    return Head(path, layer, any("relu" in op for op in after))


def replace_head(net: Net, classes: Sequence[str], *, seed: int = 0) -> Net:
    """A copy of the net with a new last layer for these classes, its weights drawn from ``seed``.

    Everything before it, normalisation, geometry, name and the architecture's name are as they were, so that
    `save_weights` and a run folder make a file that `load_net` reads.

    Raises:
        StriateError: The net has no head to replace, or there are fewer than two classes.

    >>> from striate.nets.load import load_net
    >>> replace_head(load_net("striate/lenet5.random"), ("cat", "dog")).classes
    ('cat', 'dog')
    """
    if len(classes) < 2:
        raise StriateError(f"{len(classes)} class for a new head", accepted="at least two classes to tell apart")
    head = find_head(net)
    made = copy.deepcopy(net)
    parent_path, _, name = head.path.rpartition(".")
    parent, old = made.module.get_submodule(parent_path), head.layer
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layer: nn.Linear | nn.Conv2d
        if isinstance(old, nn.Linear):
            layer = nn.Linear(old.in_features, len(classes))
        else:
            layer = nn.Conv2d(old.in_channels, len(classes), 1)
    if old.bias is None:
        layer.bias = None
    setattr(parent, name, layer.to(old.weight.device, old.weight.dtype))
    if hasattr(made.module, "num_classes"):
        made.module.num_classes = len(classes)  # type: ignore[assignment]
    return made.adapted(classes=classes)


@contextmanager
def reading_head(net: Net, head: Head) -> Iterator[list[Tensor]]:
    """Inside, each pass adds what came into the head to the list, (n, D): of a convolution its mean over space.

    The net is in eval mode and without gradients.
    """
    met: list[Tensor] = []
    layer = net.module.get_submodule(head.path)

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].detach()
        met.append((values.mean((2, 3)) if isinstance(head.layer, nn.Conv2d) else values.flatten(1)).float())

    hook = layer.register_forward_pre_hook(keep)
    try:
        with undisturbed(net), torch.no_grad():
            yield met
    finally:
        hook.remove()


def write_head(net: Net, weight: Tensor, bias: Tensor) -> None:
    """Puts the scores ``codes @ weight.T + bias`` into the head, in place; weight (K, D), bias (K,).

    Raises:
        StriateError: The shapes are not the head's, or it has no bias.
    """
    layer = find_head(net).layer
    if layer.bias is None or weight.shape != layer.weight.shape[:2] or bias.shape != layer.bias.shape:
        has = "no bias" if layer.bias is None else f"a bias {tuple(layer.bias.shape)}"
        raise StriateError(
            f"weights {tuple(weight.shape)} and bias {tuple(bias.shape)} for a head {tuple(layer.weight.shape)}, {has}"
        )
    with torch.no_grad():
        layer.weight.copy_(weight.to(layer.weight).reshape(layer.weight.shape))
        layer.bias.copy_(bias.to(layer.bias))
