"""The masking verdict: signs that gradients mislead an attack, so that its robust accuracy is too high."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.imageopt.found import Found
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.random import RandomSearch
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.metrics.intervals import wilson
from striate.nets.net import Net

from .fgsm import FGSM
from .method import Running, Threat, running_of
from .payload import Masking, Probe
from .ready import Ready
from .square import SQUARE

FLAT_SHARE = 0.02  # of images without a gradient: an honest net has next to none
SATURATED_SHARE = 0.5  # of images whose probability rounds to 1: honest nets are so sure on some
WEAKER_SHARE = 0.02  # of images that a weaker attack breaks and many steps did not; seeds alone move 1 or 2 of 200
WEAKER_LEAST = 3
HELD_SHARE = 0.1  # of images that hold within half of all grey levels: honest nets lose nearly all of them
PROBED = 64  # images left by the attack that are probed
POINTS = 100  # random points of the region, one pass each
QUERIES = 300  # of Square
WIDE, WIDE_STEPS = 0.5, 40  # the large radius, in Linf, and its steps of a tenth
STRONG = frozenset({"pgd", "apgd_ce", "apgd_dlr", "apgd_t", "auto"})  # what weaker attacks must not beat


def saturated(logits: Tensor) -> Tensor:
    """Whether the gradient of cross-entropy vanishes: the probability of the predicted class is 1 in float32, (N,)."""
    return logits.to(torch.float32).softmax(1).amax(1) == 1.0


@dataclass(frozen=True)
class _Trial:
    """A weaker attack, what it says if it wins, and how many images must fall for that."""

    name: str
    words: str
    attack: Callable[[Net, Tensor, Threat, Running], Found]


def _one_step(net: Net, images: Tensor, threat: Threat, running: Running) -> Found:
    return FGSM(net, images, threat, steps=1, running=running)


def _random_points(net: Net, images: Tensor, threat: Threat, running: Running) -> Found:
    region = threat.region(images)
    search = RandomSearch(tries=10)
    return solve(
        net, threat.lead, start=images, search=search, steps=POINTS // 10, within=region, goal=threat.goal,
        keep="first", **running,
    )  # fmt: skip


def _square(net: Net, images: Tensor, threat: Threat, running: Running) -> Found:
    return SQUARE(net, images, threat, steps=QUERIES, running=running)


def _wide(net: Net, images: Tensor, threat: Threat, running: Running) -> Found:
    return solve(
        net, threat.loss, start=images, search=Steepest(WIDE / 10, random_start=True), steps=WIDE_STEPS,
        within=Ball(images, WIDE) & Box(), goal=threat.goal, keep="first", **running,
    )  # fmt: skip


WEAKER = (
    _Trial("one step", "one step of the whole radius breaks", _one_step),
    _Trial("random points", f"{POINTS} random points of the region break", _random_points),
    _Trial("square", f"{QUERIES} queries without gradients break", _square),
)
UNBOUNDED = _Trial("unbounded", f"within Linf {WIDE:g} there still hold", _wide)


def probe(
    ready: Ready, images: Tensor, threat: Threat, found: Found, running: Running, *, method: str, most: int = PROBED
) -> tuple[Probe, ...]:
    """What weaker attacks do to images that an attack left, at most so many, and what a wide radius does.

    Weaker attacks are tried where the attack was one of many steps along gradients in L2 or Linf. Costs one pass an
    image for one step, 100 for random points, 300 for Square, 40 for the wide radius; images that fall leave.
    """
    left = left_of(images, threat, found, running, most=most)
    return probe_left(ready, left, method=method)


@dataclass(frozen=True, eq=False)
class Left:
    """Images that an attack left, with the threat to them and how to run on them."""

    images: Tensor
    threat: Threat
    running: Running


def left_of(images: Tensor, threat: Threat, found: Found, running: Running, *, most: int = PROBED) -> Left:
    """The first images that the attack left, at most so many."""
    rows = (~found.success).nonzero().squeeze(1)[:most]
    return Left(images[rows], threat.of(rows), running_of(running, rows, label="masking"))


def probe_left(ready: Ready, left: Left, *, method: str, most: int = PROBED) -> tuple[Probe, ...]:
    """`probe` of images that were put by."""
    images, running = left.images[:most], left.running
    if len(images) == 0 or left.threat.radius == 0:
        return ()
    rows = torch.arange(len(images), device=images.device)
    threat = left.threat.of(rows)
    weaker = WEAKER if method in STRONG and threat.norm in {2.0, math.inf} else ()
    probes = []
    for trial in (*weaker, UNBOUNDED):
        own = running_of(running, rows, label=f"masking: {trial.name}")
        broken = int(trial.attack(ready.net, images, threat, own).success.sum())
        probes.append(Probe(trial.name, len(images), broken))
    return tuple(probes)


def added(parts: Iterable[Sequence[Probe]]) -> tuple[Probe, ...]:
    """Probes of several parts of the data as one."""
    total: dict[str, Probe] = {}
    for one in (each for part in parts for each in part):
        held = total.get(one.name)
        grown = one if held is None else replace(held, tried=held.tried + one.tried, broken=held.broken + one.broken)
        total[one.name] = grown
    return tuple(total.values())


def masking_of(*, attacked: int, flat: int, n: int, sure: int, probes: Sequence[Probe], ready: Ready) -> Masking:
    """The signs, in words.

    Args:
        attacked: Images that the attack worked on.
        flat: Of these, images whose first gradient was zero or not finite.
        n: Images in all.
        sure: Of these, images whose outputs saturate.
        probes: What weaker attacks and a wide radius did to images that were left.
        ready: What was found about the net beforehand.

    Source: Athalye et al. 2018, section 3.1; Carlini et al. 2019, section 3; the limits are ours.
    """
    signs = []
    if ready.random:
        signs.append(f"two passes of one image differ: the outputs are random, {ready.draws} passes were averaged")
    if ready.blocked:
        signs.append(f"no gradient comes through {ready.blocked}: it was handed on there as it came")
    if flat > FLAT_SHARE * attacked:
        signs.append(f"the gradient is zero or not finite on {flat} of {attacked} images: this attack is blind there")
    if sure > SATURATED_SHARE * n:
        signs.append(
            f"the probability rounds to 1 on {sure} of {n} images: cross-entropy has no gradient there; this attack "
            "climbs log-odds, which have"
        )
    named = {trial.name: trial.words for trial in (*WEAKER, UNBOUNDED)}
    for one in probes:
        held = one.tried - one.broken
        if one.name == UNBOUNDED.name:
            if held >= WEAKER_LEAST and held > HELD_SHARE * one.tried:
                signs.append(f"{named[one.name]} {held} of {one.tried} images: gradients do not lead there")
        elif one.broken >= max(WEAKER_LEAST, WEAKER_SHARE * n):
            signs.append(f"{named[one.name]} {one.broken} of {one.tried} images that many steps did not")
    return Masking(
        tuple(signs), wilson(flat, attacked), wilson(sure, n), tuple(probes), ready.draws, str(ready.blocked)
    )
