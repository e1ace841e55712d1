"""Whether copies of an image with a patch covered are cheaper to compute in part, and the net that does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from striate.nets.fold import folded
from striate.nets.net import Net
from striate.nets.partial.partial import Partial, Replay

# Below these everything takes milliseconds, and recording the net costs more than it saves.
LEAST_MACS = 5_000_000
LEAST_PLACES = 32
GAIN = 0.85  # of the multiply-adds of full passes; what is cut and pasted takes the rest


@dataclass(frozen=True)
class Recomputed:
    """A net recorded for recomputation in part.

    Attributes:
        replay: The record; its net is the given one with normalisation folded into the convolutions.
        share: Its multiply-adds over those of full passes.
    """

    replay: Replay
    share: float

    def on(self, image: Tensor, *, memory: int) -> Partial:
        """The recorded net on one image; costs one pass."""
        return Partial(self.replay, image, memory=memory)


def recomputed(
    net: Net, image: Tensor, tops: Sequence[int], lefts: Sequence[int], *, patch: int, memory: int
) -> Recomputed | None:
    """The record where recomputing in part gains for patches at these places, else None.

    It does not for small nets and few places, for nets that mix all places early (vision transformers; the gates of
    EfficientNet), for patches that change most of each map, and it is not done on accelerators. Costs seven passes
    of the net, two of them counted.
    """
    size = (image.shape[-2], image.shape[-1])
    if image.device.type != "cpu" or len(tops) < LEAST_PLACES:
        return None
    if sum(site.macs for site in net.sites(size)) < LEAST_MACS:
        return None
    replay = Replay(folded(net, size) or net, image)
    if replay.reason:
        return None
    share = replay.cost(tops, lefts, (patch, patch), memory=memory)
    return Recomputed(replay, share) if share <= GAIN else None
