"""What a dream raises: a layer's energy, a channel, a class, or the likeness to a guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import Objective, best_match, channel, code_of, layer_energy, log_odds, places_of
from striate.nets.net import Net

from .default_layer import default_layer


@dataclass(frozen=True, eq=False)
class Aim:
    """What is raised in a net, for each picture once for every channel or class that is asked for.

    Attributes:
        layer: Site or module path; None where classes are raised.
        channels: Channels of the layer.
        targets: Classes.
        guide: Picture (C, H, W).
    """

    layer: str | None
    channels: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    guide: Tensor | None = None

    @property
    def wants(self) -> tuple[int | None, ...]:
        """Channel or class of each image of a picture; one None where there is none."""
        return self.channels or self.targets or (None,)

    @property
    def is_energy(self) -> bool:
        """Whether a layer's energy is raised, which is never negative."""
        return self.layer is not None and not self.channels and self.guide is None

    def suffix(self, want: int | None) -> str:
        """What the file of an image is called, after the picture's name."""
        return "" if want is None else f"-{'channel' if self.channels else 'class'}-{want}"

    def words(self, net: Net, want: int | None) -> str:
        """What an image was made for."""
        if self.targets and want is not None:
            return net.classes[want] if want < len(net.classes) else str(want)
        if self.guide is not None:
            return f"{self.layer}, guided"
        return f"{self.layer}" if want is None else f"{self.layer} channel {want}"

    def objective(self, net: Net, count: int, *, memory: int) -> Objective:
        """What is raised for so many pictures, the wants of the first picture first."""
        if self.layer is None:
            return log_odds(torch.tensor(self.targets).repeat(count))
        if self.channels:
            return channel(self.layer, torch.tensor(self.channels).repeat(count))
        if self.guide is None:
            return layer_energy(self.layer)
        return best_match(self.layer, places_of(code_of(net, self.guide[None], self.layer, memory=memory)[self.layer]))


def aim_of(
    net: Net,
    size: tuple[int, int],
    *,
    layer: str | None,
    channels: Sequence[int],
    targets: Sequence[int],
    guide: Tensor | None,
) -> Aim:
    """What is raised in pictures of a size; where neither layer nor classes are named, `default_layer` of the net.

    Raises:
        StriateError: More than one of channels, targets and guide; a layer and targets; a class that is not there; a
            guide that the net cannot take.
    """
    given = {"channels": bool(channels), "targets": bool(targets), "a guide": guide is not None}
    together = [name for name, is_given in given.items() if is_given]
    if len(together) > 1:
        raise StriateError(f"{' and '.join(together)} at once", accepted="one of channels, targets and guide")
    if targets and layer is not None:
        raise StriateError(f"targets and the layer {layer}", accepted="one of them: classes are read off the output")
    for each in targets:
        if each < 0 or (net.classes and each >= len(net.classes)):
            raise StriateError(f"target is {each}", accepted=f"0 to {len(net.classes) - 1}, the classes of {net.name}")
    if guide is not None:
        net.check(guide[None])
    chosen = None if targets else layer or default_layer(net, size)
    return Aim(chosen, tuple(channels), tuple(targets), guide)
