"""A net made ready for attacks with gradients: random outputs averaged, lost gradients handed on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.bridge import Blocked, blocked, bridged
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

DRAWS = 20  # passes averaged in each evaluation of a net with random outputs (AutoAttack's "rand" version)
SEEN = 4  # images by which a net is looked over


@dataclass(frozen=True)
class Ready:
    """A net to attack, and what was found about it.

    Attributes:
        net: The net itself, or the same with gradients where it lets none through.
        draws: Passes averaged in each evaluation: 1, or 20 where two passes of one image differ.
        blocked: What lets no gradient through.
        random: Whether two passes of one image differ.
    """

    net: Net
    draws: int
    blocked: Blocked
    random: bool


@contextmanager
def made_ready(net: Net, images: Tensor, *, seed: int, gradients: bool = True) -> Iterator[Ready]:
    """The net made ready, while its random numbers are its own: afterwards the global generator is as it was.

    Costs three passes of up to four images, two where no gradients are asked for; none of no images.

    Raises:
        StriateError: Weights or outputs are no floating numbers.

    Source: Athalye et al. 2018, section 4 (expectation over transformation for random nets; for operations without
    a gradient the identity in their place, backwards only).
    """
    few = images[:SEEN]
    _check_floating(net)
    if len(few) == 0:
        yield Ready(net, 1, Blocked(), False)
        return
    with undisturbed(net), torch.no_grad():
        state = torch.random.get_rng_state()
        torch.random.manual_seed(seed & 0x7FFFFFFF)
        random = not torch.equal(_scores(net, few), _scores(net, few))
        torch.random.set_rng_state(state)
    stop = blocked(net, few) if gradients else Blocked()
    torch.random.set_rng_state(state)
    ready = Ready(bridged(net, stop) if stop else net, DRAWS if random else 1, stop, random)
    if not random:
        yield ready
        return
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed & 0x7FFFFFFF)
        yield ready


def _scores(net: Net, images: Tensor) -> Tensor:
    return net.logits(images)


def _check_floating(net: Net) -> None:
    """A net whose weights are integers cannot be attacked through gradients, nor can pixels be fed to it."""
    for name, value in net.named_parameters():
        if not value.is_floating_point():
            raise StriateError(
                f"{name} of {net.name} is {value.dtype}", accepted="a net of floating numbers", hint="attack it before"
            )
