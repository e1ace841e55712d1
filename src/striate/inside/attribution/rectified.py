"""Maps of the signal that comes back through a net whose rectifiers let its positive part alone pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.progress import Progress
from striate.inside.payload import MapCheck
from striate.nets.net import Net
from striate.nets.site import Pair, Site

from .chunks import chunks, looked_into
from .maps import Maps
from .rules.passing import class_score, signal
from .rules.rectify import Rectify
from .rules.way import RECTIFIERS, RECTIFYING, covered, end_of

GATES = ("relu", "relu6")  # rectifiers by their names alone
WHAT = "the rule ran at every rectifier on the way, and a signal arrived at the pixels"


def rectified_maps(
    net: Net, images: Tensor, targets: Tensor, *, gated: bool, method: str, units: str, memory: int, progress: Progress
) -> Maps:
    """The signal at the pixels, raw, (N, C, H, W); gated as guided backpropagation is, or not as the deconvnet."""
    size = (images.shape[-2], images.shape[-1])
    site = end_of(net, size)
    rectifiers = rectifiers_to(net, size, site)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with looked_into(net, images), progress.task(method, len(images)) as step:
        for part, wanted in chunks(net, images, targets, memory=memory, backward=True):
            score = class_score(net, site, wanted)
            found, _, said = rectified_signal(net, part, gated=gated, site=site, score=score, rectifiers=rectifiers)
            values.append(found.float().cpu().contiguous())
            checks.extend(said)
            step(len(part))
    return Maps(torch.cat(values), units=units, signed=False, checks=tuple(checks), share=0.995)


def rectifiers_to(net: Net, size: Pair, site: str) -> tuple[Site, ...]:
    """The rectifiers between the pixels and ``site``.

    Raises:
        StriateError: Another operation is on the way for which the rule says nothing.
    """
    return tuple(each for each in covered(net, size, site, RECTIFYING) if each.op in RECTIFIERS)


def rectified_signal(
    net: Net,
    images: Tensor,
    *,
    gated: bool,
    site: str,
    score: Callable[[Tensor], Tensor],
    rectifiers: tuple[Site, ...],
) -> tuple[Tensor, Tensor, tuple[MapCheck, ...]]:
    """The signal (n, C, H, W), the scores (n,) and the checks; one forward and one backward pass an image."""
    rule = Rectify(gated=gated)
    # Where a rectifier's own backward is the gate, the signal is cut behind it; anywhere else a rule takes its place.
    own = {each.name for each in rectifiers if gated and each.op in GATES}
    rules = {each.name: rule for each in rectifiers if each.name not in own}
    heard = {name: partial(rule.cut, name) for name in own}
    found, scores = signal(net, images, rules=rules, heard=heard, site=site, score=score)
    missing = 1 - len(rule.passed) / len(rectifiers) if rectifiers else 0.0
    arrived = found.abs().amax((1, 2, 3)).cpu().tolist()
    return found, scores, tuple(_check(missing if each else 1.0) for each in arrived)


def _check(residual: float) -> MapCheck:
    return MapCheck(
        WHAT, Number.of(residual, why="a count: no interval"), 0.0, math.isfinite(residual) and residual == 0
    )
