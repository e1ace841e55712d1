"""Signs that gradients mislead an attack, so that its robust accuracy is too high."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.imageopt.found import Found
from striate.metrics.intervals import wilson
from striate.nets.net import Net

from .fgsm import FGSM
from .method import Running, Threat, running_of
from .payload import Masking

FLAT_SHARE = 0.02  # of images without a gradient: an honest net has next to none
SATURATED_SHARE = 0.5  # of images whose probability rounds to 1: honest nets are so sure on some
ONE_STEP_SHARE = 0.02  # of images that one step breaks and many did not; seeds alone move one or two of 200
ONE_STEP_LEAST = 3


def saturated(logits: Tensor) -> Tensor:
    """Whether the gradient of cross-entropy vanishes: the probability of the predicted class is 1 in float32, (N,)."""
    return logits.to(torch.float32).softmax(1).amax(1) == 1.0


def broken_by_one_step(net: Net, images: Tensor, threat: Threat, found: Found, running: Running) -> int:
    """How many of the images that an attack left are broken by a single step of the whole radius.

    An attack that took no gradient was misled by none: then nothing is tried.
    """
    rows = (~found.success).nonzero().squeeze(1)
    if len(rows) == 0 or threat.radius == 0 or found.passes["backward"] == 0:
        return 0
    again = running_of(running, rows, label="one step")
    return int(FGSM(net, images[rows], threat.of(rows), steps=1, running=again).success.sum())


def masking_of(*, attacked: int, flat: int, n: int, sure: int, one_step: int) -> Masking:
    """The signs, in words.

    Args:
        attacked: Images that the attack worked on.
        flat: Of these, images whose first gradient was zero or not finite.
        n: Images in all.
        sure: Of these, images whose outputs saturate.
        one_step: Images that one step broke and the attack did not.

    Source: Athalye et al. 2018, section 3.1; Carlini et al. 2019, section 3.
    """
    signs = []
    if flat > FLAT_SHARE * attacked:
        signs.append(f"the gradient is zero or not finite on {flat} of {attacked} images: this attack is blind there")
    if sure > SATURATED_SHARE * n:
        signs.append(
            f"the probability rounds to 1 on {sure} of {n} images: cross-entropy has no gradient there; this attack "
            "climbs log-odds, which have"
        )
    if one_step >= max(ONE_STEP_LEAST, ONE_STEP_SHARE * n):
        signs.append(f"one step broke {one_step} images that many steps did not: gradients mislead along the way")
    return Masking(tuple(signs), wilson(flat, attacked), wilson(sure, n))
