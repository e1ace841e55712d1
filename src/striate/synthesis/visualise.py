"""Images that raise an objective from noise: the ascent that all of them share, and class images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.progress import SILENT
from striate.core.rng import Rng
from striate.imageopt.canvas import Fourier
from striate.imageopt.found import Found
from striate.imageopt.objective import Objective, diversity, of_rows, squared_distance, total_variation, weighted
from striate.imageopt.problem import Problem
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import solve
from striate.imageopt.view import Jitter
from striate.nets.net import Net

from .judge import seen_by
from .made import Made
from .presets import DEFAULT, Preset, preset_named
from .waking import waking_rules
from .watch import Watch

WAKING = 16  # steps in which a silent unit is brought to speak, as in Olah et al. 2017
APART = 2.0  # weight of the diversity of images of one target, in units of their scores
COPY = 1 << 32  # what the ids of several images of one target lie apart
SLOPE = 10.0  # gradient's L2 norm of a class's log-odds at grey, for which weights of the total variation are meant
GREY = 0.5


@dataclass(frozen=True, eq=False)
class Start:
    """Where images begin, and how steep their scores are there.

    Attributes:
        images: (N, C, H, W).
        slopes: L2 norm of the gradient of each score by the pixels, (N,); 0 where it has none.
        passes: ``forward`` and ``backward`` passes of single images that this took.
    """

    images: Tensor
    slopes: Tensor
    passes: dict[str, int]

    def at(self, rows: Tensor) -> Start:
        """The start of these rows; its passes are counted once, with those of the first part."""
        return Start(self.images[rows], self.slopes[rows], dict.fromkeys(self.passes, 0))


@dataclass(eq=False)
class _Slope:
    """A search that takes no step and notes how long the gradients at the start are."""

    slopes: Tensor
    words: str = "no step"

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        answer = problem.ask(problem.start)
        self.slopes[answer.rows] = answer.gradient.flatten(1).double().square().sum(1).sqrt().to(self.slopes)
        yield from ()


def start_from_noise(
    net: Net,
    score: Objective,
    *,
    ids: Tensor,
    size: tuple[int, int],
    noise: float,
    seed: int = 0,
    memory: int = 1 << 30,
    images: Tensor | None = None,
) -> Start:
    """Grey noise for each id, or the given images; where the score has no slope there, images that wake it.

    A rectified unit says 0 of grey and has no gradient. Then `WAKING` steps go up a gradient that rectifiers let
    through (`waking.Redirected`). Cost: two forward passes and a backward one an image, and about `WAKING + 4` of each
    for a silent one.
    """
    rng = Rng(seed, "synthesis/class")
    if images is None:
        images = (GREY + noise * rng.normal(ids, (net.channels, *size))).clamp(0, 1)
    slopes, passes = _slopes(net, score, images, memory)
    silent = (slopes == 0).nonzero().squeeze(1)
    rules = waking_rules(net, size)
    if len(silent) > 0 and rules:
        woken = solve(
            net,
            of_rows(score, silent),
            start=images[silent],
            search=Adam(0.1),
            steps=WAKING,
            canvas=Fourier(size),
            keep="last",
            seed=seed,
            ids=ids[silent],
            rules=rules,
            memory=memory,
        )
        images = images.index_copy(0, silent, woken.images)
        again, more = _slopes(net, of_rows(score, silent), woken.images, memory)
        slopes = slopes.index_copy(0, silent, again)
        passes = {name: passes[name] + woken.passes[name] + more[name] for name in passes}
    return Start(images, slopes, passes)


def _slopes(net: Net, score: Objective, images: Tensor, memory: int) -> tuple[Tensor, dict[str, int]]:
    probe = _Slope(torch.zeros(len(images)))
    found = solve(net, score, start=images, search=probe, steps=1, memory=memory)
    return probe.slopes, dict(found.passes)


def ascended(
    net: Net,
    score: Objective,
    start: Start,
    *,
    ids: Tensor,
    preset: Preset,
    steps: int,
    smoothness: float = 0.0,
    relative: bool = False,
    seed: int = 0,
    memory: int = 1 << 30,
    watch: Watch | None = None,
    label: str = "images",
) -> Found:
    """Images that raise a score from a start, as a preset does; ``scores`` and ``history`` are less its penalties.

    Args:
        net: Looked at.
        score: What is raised.
        start: Where images begin, from `start_from_noise`.
        ids: What random draws hang on, (N,).
        preset: How.
        steps: Of its search.
        smoothness: Weight of the total variation, divided by the shorter side.
        relative: Whether that weight is in units of the slope at the start over `SLOPE`, as it is in class images.
        seed: Seed of the views.
        memory: Bytes beside the net.
        watch: Who looks on.
        label: What the progress is called.
    """
    size = (start.images.shape[-2], start.images.shape[-1])
    objective, scale = penalised(score, preset, start, smoothness=smoothness, relative=relative)
    found = solve(
        net,
        objective,
        start=start.images,
        search=preset.search,
        steps=steps,
        canvas=preset.canvas(size),
        view=preset.view(min(size)),
        keep=preset.keep,
        seed=seed,
        ids=ids,
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label=label,
        callback=watch,
    )
    passes = {name: found.passes[name] + start.passes[name] for name in found.passes}
    return replace(found, scores=found.scores / scale, history=found.history / scale, passes=passes)


def ascended_apart(
    net: Net, score: Objective, start: Start, *, ids: Tensor, site: str, preset: Preset, steps: int, **more: Any
) -> Found:
    """Images of one score that are to look unlike each other, all in one pass: the score plus their `diversity`.

    A first quarter of the steps goes without it; its weight is then `APART` times the mean size of the scores.

    Raises:
        StriateError: They do not fit one pass.

    Source: Olah et al. 2017, "Diversity".
    """
    alone = max(1, steps // 4)
    first = ascended(net, score, start, ids=ids, preset=preset, steps=alone, **more)
    if steps <= alone:
        return first
    weight = APART * float(first.scores.abs().mean())
    both = score + weight * diversity(site, len(ids))
    again = ascended(
        net, both, replace(start, images=first.images), ids=ids, preset=preset, steps=steps - alone, **more
    )
    return replace(again, history=torch.cat([first.history[:-1], again.history]))


def penalised(
    score: Objective, preset: Preset, start: Start, *, smoothness: float = 0.0, relative: bool = False
) -> tuple[Objective, Tensor]:
    """The score less a preset's penalties, and by what each image's is multiplied, (N,).

    With a penalty on the contrast c that is ``(c sqrt(n) / slope) score - ||I - 1/2||^2 / 2``, n values an image, which
    is the score less ``lambda ||I - 1/2||^2``, multiplied by ``c sqrt(n) / slope`` with lambda half its inverse: a
    linear score is highest ``c sqrt(n)`` from grey in the direction of its gradient, ``w / (2 lambda)``, and gradient
    ascent at a rate r comes there by ``1 - r`` a step, whatever the score.
    """
    side, scale = min(start.images.shape[-2:]), torch.ones(len(start.images))
    if preset.contrast:
        length = preset.contrast * math.sqrt(start.images[0].numel())
        scale = torch.where(start.slopes > 0, length / start.slopes, 1.0)
        score = weighted(score, scale) - 0.5 * squared_distance(GREY)
    elif smoothness and relative:
        scale = torch.where(start.slopes > 0, SLOPE / start.slopes, 1.0)
        score = weighted(score, scale)
    if smoothness:
        score = score - smoothness / side * total_variation()
    return score, scale


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


def joined(parts: Sequence[Found]) -> Found:
    """The results of several runs on different images as one."""
    first = parts[0]
    return replace(
        first,
        images=torch.cat([each.images for each in parts]),
        scores=torch.cat([each.scores for each in parts]),
        history=torch.cat([each.history for each in parts], 1),
        passes={name: sum(each.passes[name] for each in parts) for name in first.passes},
    )


def words_of(preset: Preset, score: str, size: tuple[int, int], used: Tensor | None = None) -> str:
    """What was raised, and how, in words; ``used`` are the weights of the total variation."""
    side = min(size)
    parts = [score]
    if used is not None and any(preset.smoothness):
        weights = " or ".join(f"{each / side:.3g}" for each in sorted(set(used.tolist()), reverse=True))
        parts.append(f" - {weights} * total variation")
    if preset.contrast:
        parts.append(f" - lambda ||I - 1/2||^2 (contrast {preset.contrast:g} of a linear score)")
    view = preset.view(side)
    if preset.spectrum:
        parts.append(f" over the {preset.canvas(size).words}")
    if isinstance(view, Jitter):
        parts.append(f", shifted by up to {view.pixels} px at each step")
    elif view is not None:
        parts.append(f", {view.words}")
    return f"{''.join(parts)}; {preset.search.words}"


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
