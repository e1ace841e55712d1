"""Fooling images: a net is sure of a class in what shows nothing of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.progress import SILENT
from striate.core.rng import Rng
from striate.imageopt.canvas import CPPN, Canvas, Pixels
from striate.imageopt.found import Found
from striate.imageopt.goal import confident_above, none
from striate.imageopt.objective import OUTPUT, Objective, Seen, Term, log_odds, log_probability
from striate.imageopt.problem import Search
from striate.imageopt.search.elites import DIRECT, GaussianMutation, MapElites, Mutation
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import Moment, solve
from striate.nets.net import Net

from .deception import CONFIDENT, deception
from .made import Made
from .watch import Watch

SURE = 0.9999  # the search goes on to this confidence, as in the paper, so that .99 outlasts rounding to 8 bits
Start = Literal["noise", "grey", "zero"]


@dataclass(frozen=True)
class Way:
    """How fooling images are made.

    Attributes:
        words: What is done.
        steps: At most so many.
        start: Uniform random bytes, mid grey, or black.
        rate: Length of a step along the gradient, as a share of the L2 norm of a white image; None evolves.
        mutation: How a child differs from its parent.
        drawn: Whether images are drawn by networks from coordinates (CPPN) and not pixel by pixel.
        cites: Keys of the papers.
    """

    words: str
    steps: int
    start: Start = "noise"
    rate: float | None = None
    mutation: Mutation = DIRECT
    drawn: bool = False
    cites: tuple[str, ...] = ("nguyen2015deep",)

    @property
    def evolves(self) -> bool:
        """Whether there is no gradient but an archive with a niche for each class."""
        return self.rate is None

    def canvas(self, net: Net, size: tuple[int, int]) -> Canvas:
        """What is free: the pixels, or the weights of networks that draw."""
        return CPPN(net.channels, size, fitted=False) if self.drawn else Pixels()


RATE = 0.005
LEAST_CHILDREN, MOST_CHILDREN = 64, 256  # a step, evolved
_ASCENT = ("nguyen2015deep", "simonyan2013deep")
_EVOLUTION = ("nguyen2015deep", "mouret2015illuminating")
WAYS = {
    "gradient": Way("gradient ascent from noise", 200, rate=RATE, cites=_ASCENT),
    "gradient_grey": Way("gradient ascent from mid grey", 200, "grey", RATE, cites=_ASCENT),
    "gradient_zero": Way("gradient ascent from black", 200, "zero", RATE, cites=_ASCENT),
    "direct": Way("evolved pixel by pixel", 2000, cites=(*_EVOLUTION, "deb1996combined")),
    "cppn": Way(
        "evolved networks that draw", 500, mutation=GaussianMutation(0.2, 0.3), drawn=True,
        cites=(*_EVOLUTION, "stanley2007compositional"),
    ),
}  # fmt: skip


def fooling_images(
    net: Net,
    targets: Sequence[int],
    *,
    way: str = "gradient",
    steps: int | None = None,
    children: int | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """One image for each class in which the net is sure of that class, and which shows nothing of it.

    By gradient each image ascends the class's probability from its start until the net gives it .9999, and is then left
    alone. Evolved, all images form one archive with a niche a class: each step breeds children, each changed at random
    from the holder of a random niche, and a child takes every niche whose class the net sees in it more surely than in
    the holder; it ends early once all niches are at .9999.

    Cost: by gradient at most ``steps`` forward and backward passes an image; evolved ``steps`` times ``children``
    forward passes in all, and no backward.

    Args:
        net: A classifier.
        targets: Numbers of the classes.
        way: A key of `WAYS`.
        steps: At most so many, at least 1; by default the way's.
        children: Bred a step, evolved; by default as many as there are niches, but 64 at least and 256 at most.
        seed: Of the starts and changes.
        size: (H, W) of the images; by default the net's own.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: A class is not there, the net is no classifier or cannot take such images, no gradient comes
            through.

    Source: Nguyen et al. 2015, "Generating images with evolution" (both encodings) and "Producing fooling images via
    gradient ascent". There the CPPNs' topology evolves too, the gradient is that of the softmax and starts from the
    mean of ImageNet; ours keep a topology, ascend log-odds, which have the same direction and do not vanish, and stay
    in [0, 1].
    """
    chosen = way_named(way)
    classes = _checked_classes(net, targets)
    objective: Objective = log_probability(classes) if chosen.evolves else log_odds(classes)
    start = _start(net, classes, net.a_size(size), chosen, seed)
    found = solve(
        net,
        objective,
        start=start,
        search=_search(chosen, classes, start, children),
        steps=chosen.steps if steps is None else steps,
        canvas=chosen.canvas(net, net.a_size(size)),
        goal=none() if chosen.evolves else confident_above(classes, SURE),
        keep="best" if chosen.evolves else "first",
        seed=seed,
        ids=classes,
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label="fooling images",
        callback=_watching(watch, chosen),
    )
    if not chosen.evolves and bool(found.flat.all()):
        raise StriateError(
            f"no gradient of {net.name} reaches its image",
            hint="--way direct or --way cppn, which need none; another start (gradient, gradient_grey)",
        )
    return _made(net, found, objective, way=chosen, targets=targets, seed=seed)


def _made(net: Net, found: Found, objective: Objective, *, way: Way, targets: Sequence[int], seed: int) -> Made:
    taken = len(found.history) - 1
    return Made(
        images=found.images,
        stems=tuple(f"fool-{each}" for each in targets),
        targets=tuple(net.classes[each] for each in targets),
        words=f"{'log-probability' if way.evolves else 'log-odds'} of the class, {way.words}",
        scores=found.scores,
        history=found.history,
        steps=taken,
        seed=seed,
        objective=objective,
        classes=tuple(targets),
        conclude=deception(_first_sure(found, way), taken=taken, forward=found.passes["forward"]),
        notes=found.notes,
        cites=way.cites,
    )


def way_named(way: str) -> Way:
    """The way of this name.

    Raises:
        UnknownNameError: There is none; the message names the nearest.
    """
    if way not in WAYS:
        raise UnknownNameError("way", way, WAYS)
    return WAYS[way]


def _checked_classes(net: Net, targets: Sequence[int]) -> Tensor:
    if net.outputs == "other" or len(net.classes) < 2:
        raise StriateError(
            f"{net.name} has {len(net.classes)} classes" if net.outputs != "other" else f"{net.name} is no classifier",
            accepted="a classifier of at least two classes, for an image that fools it",
        )
    if net.channels not in {1, 3}:
        raise StriateError(f"{net.name} takes {net.channels} channels", accepted="1 or 3, for a picture")
    if len(targets) == 0:
        raise StriateError("no targets", accepted="at least one class")
    for each in targets:
        if not 0 <= each < len(net.classes):
            raise StriateError(f"target is {each}", accepted=f"0 to {len(net.classes) - 1}, the classes of {net.name}")
    if len(set(targets)) < len(targets):
        raise StriateError("a target comes twice", accepted="each class once")
    return torch.tensor(list(targets), dtype=torch.int64)


def _start(net: Net, classes: Tensor, size: tuple[int, int], way: Way, seed: int) -> Tensor:
    shape = (net.channels, *size)
    if way.start == "noise" and not way.drawn:
        return Rng(seed, "synthesis/fool").integers(classes, shape, high=256).to(torch.float32) / 255
    return torch.full((len(classes), *shape), 0.0 if way.start == "zero" else 0.5)


def _search(way: Way, classes: Tensor, start: Tensor, children: int | None) -> Search:
    if way.rate is not None:
        return Steepest(way.rate * math.sqrt(start[0].numel()), norm=2.0)

    def every(seen: Seen) -> Tensor:
        return seen.output.log_softmax(1)[:, classes.to(seen.output.device)]

    niches = Term(f"the log-probabilities of {len(classes)} classes", every, OUTPUT)
    usual = min(max(LEAST_CHILDREN, len(classes)), MOST_CHILDREN)
    return MapElites(niches, way.mutation, usual if children is None else children)


def _watching(watch: Watch | None, way: Way) -> Callable[[Moment], bool]:
    """Shows each moment, and ends an evolution once every niche is sure."""

    def look(moment: Moment) -> bool:
        if watch is not None:
            watch(moment)
        return way.evolves and bool((moment.scores >= math.log(SURE)).all())

    return look


def _first_sure(found: Found, way: Way) -> tuple[int | None, ...]:
    """For each image the first step at which its score told a confidence above .99; None where none did."""
    wanted = math.log(CONFIDENT) if way.evolves else math.log(CONFIDENT / (1 - CONFIDENT))
    above = found.history > wanted
    return tuple(int(each.int().argmax()) if bool(each.any()) else None for each in above.T)
