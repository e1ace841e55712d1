"""Class images: what a net holds for typical of a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.imageopt.found import Found
from striate.imageopt.objective import weighted
from striate.nets.net import Net

from .ascending import COPY, Start, ascended, ascended_apart, joined, penalised, start_from_noise, words_of
from .judge import seen_by
from .made import Made
from .presets import DEFAULT, Preset, preset_named
from .watch import Watch


def class_images(
    net: Net,
    targets: Sequence[int],
    *,
    steps: int = 128,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    preset: Preset | str = DEFAULT,
    count: int = 1,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """One image for each class that the net sees as that class.

    From grey noise, ascends ``S(I)`` less penalties, by a preset. Where the net does not clearly see the class at the
    end and the preset has weaker penalties, the image is made again with them. Cost: ``steps + 13`` forward passes an
    image, as often as it is made.

    Args:
        net: A classifier.
        targets: Numbers of the classes.
        steps: Steps of the search, at least 1.
        seed: Seed of start and shifts.
        size: (H, W) of the images; by default the net's own.
        preset: The way, or its name.
        count: Images of each class, from starts of their own.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: A class is not there, the net cannot take such images, no gradient comes through.

    Source: Simonyan et al. 2013, section 2, equation 1: ``argmax S_c(I) - m ||I||^2``, which is the preset
    ``simonyan``. The others ascend log-odds in place of the logit where they say so, since other nets recognise what is
    told apart from the other classes; ``pixels`` penalises the total variation (Rudin et al. 1992) in place of the L2
    norm, which leaves high frequencies, shifts at each step (Mordvintsev et al. 2015), and uses Adam; ``yosinski1`` to
    ``yosinski4`` are the rows of table 1 of Yosinski et al. 2015; ``olah`` is Olah et al. 2017, "Feature
    visualization": over the spectrum, shifted, scaled and turned at each step, without penalty.
    """
    height, width = net.a_size(size)
    way = preset_named(preset)
    classes = checked_targets(net, targets)
    if count < 1:
        raise StriateError(f"count is {count}", accepted="at least 1")
    classes = classes.repeat_interleave(count)
    ids = classes + COPY * torch.arange(len(classes)).remainder(count)
    score = way.score(classes)
    start = start_from_noise(net, score, ids=ids, size=(height, width), noise=way.noise, seed=seed, memory=memory)
    if not bool((start.slopes > 0).any()):
        raise StriateError(
            f"no gradient of {net.name} reaches its image",
            hint="a net without no_grad, detach or rounding on the way to its output",
        )
    common: dict[str, Any] = {"steps": steps, "seed": seed, "memory": memory, "watch": watch, "label": "class images"}
    if count > 1:
        used = torch.full((len(classes),), way.smoothness[0])
        found = _diverse(net, way, classes, start, ids=ids, count=count, **common)
    else:
        found, used = _recognised(net, way, classes, start, ids=ids, **common)
    names = [net.classes[each] if each < len(net.classes) else str(each) for each in classes.tolist()]
    copies = [f"-{k % count}" if count > 1 else "" for k in range(len(classes))]
    again = None if len(set(used.tolist())) > 1 else penalised(score, way, start, smoothness=float(used[0]))
    return Made(
        images=found.images,
        stems=tuple(f"class-{each}{copy}" for each, copy in zip(classes.tolist(), copies, strict=True)),
        targets=tuple(names),
        words=words_of(way, way.score_words, (height, width), used),
        scores=found.scores,
        history=found.history,
        steps=steps,
        seed=seed,
        objective=None if again is None else weighted(again[0], 1 / again[1]),
        classes=tuple(classes.tolist()),
        cites=way.cites,
    )


def _recognised(
    net: Net, preset: Preset, classes: Tensor, start: Start, *, ids: Tensor, memory: int, **common: Any
) -> tuple[Found, Tensor]:
    """The images, and the weight of the total variation that each was made with."""
    first, *weaker = preset.smoothness
    used = torch.full((len(classes),), first)
    more = common | {"preset": preset, "memory": memory}
    found = ascended(net, preset.score(classes), start, ids=ids, smoothness=first, **more)
    for smoothness in weaker:
        probability, predicted = seen_by(net, from_bytes(to_bytes(found.images)), memory=memory)
        clear = probability.gather(1, classes[:, None]).squeeze(1) >= min(0.5, 2 / probability.shape[1])
        rows = (~(clear & (predicted == classes))).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        part, score = start.at(rows), preset.score(classes[rows])
        found = found.replaced(ascended(net, score, part, ids=ids[rows], smoothness=smoothness, **more), rows)
        used = used.index_fill(0, rows, smoothness)
    return found, used


def _diverse(
    net: Net, preset: Preset, classes: Tensor, start: Start, *, ids: Tensor, count: int, **common: Any
) -> Found:
    """Several images of each class, unlike each other in the deepest maps."""
    site, parts = deepest_maps(net, (start.images.shape[-2], start.images.shape[-1])), []
    for rows in torch.split(torch.arange(len(classes)), count):
        score = preset.score(classes[rows])
        parts.append(
            ascended_apart(
                net,
                score,
                start.at(rows),
                ids=ids[rows],
                site=site,
                preset=preset,
                smoothness=preset.smoothness[0],
                **common,
            )
        )
    return joined(parts)


def deepest_maps(net: Net, size: tuple[int, int]) -> str:
    """The last site that gives maps of several places.

    Raises:
        StriateError: There is none.
    """
    for site in reversed(net.sites(size)):
        if len(site.shape) == 3 and site.shape[1] * site.shape[2] > 1:
            return site.name
    raise StriateError(f"{net.name} has no maps to tell images apart by", accepted="count 1")


def checked_targets(net: Net, targets: Sequence[int]) -> Tensor:
    """The numbers of classes, (N,) int64.

    Raises:
        StriateError: There are none, or one is not there; the net takes no pictures.
    """
    if net.channels not in {1, 3}:
        raise StriateError(f"{net.name} takes {net.channels} channels", accepted="1 or 3, for a picture")
    if len(targets) == 0:
        raise StriateError("no targets", accepted="at least one class")
    last = len(net.classes) - 1 if net.classes else math.inf
    for each in targets:
        if not 0 <= each <= last:
            raise StriateError(f"target is {each}", accepted=f"0 to {last:g}, the classes of {net.name}")
    return torch.tensor(list(targets), dtype=torch.int64)
