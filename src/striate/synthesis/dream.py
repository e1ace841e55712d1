"""DeepDream: a picture changed until a layer says more of what it says already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.core.rng import Rng, image_ids
from striate.data.transforms.transform import size_of
from striate.imageopt.found import Found
from striate.imageopt.objective import Objective
from striate.imageopt.score import scores_of
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import Moment, solve
from striate.imageopt.view import Jitter
from striate.nets.net import Net

from .aim import aim_of
from .judge import seen_by
from .made import Made
from .octaves import SCALE, Size, octave_sizes, resized
from .payload import Measured
from .watch import Watch

CITES = ("mordvintsev2015inceptionism", "mordvintsev2015deepdream")


@dataclass(frozen=True)
class Dreaming:
    """How a picture is dreamt on.

    Attributes:
        octaves: Sizes that it is dreamt at, from small to large; fewer where the net does not take the small ones.
        steps: Steps at each.
        rate: Mean absolute change of a pixel value in a step, before values are held in [0, 1].
        scale: From one size to the next.
        jitter: Largest shift at each step, as a share of the shorter side.
        noise: Standard deviation around mid grey of the start where there is no picture: noise at the size of the
            smallest octave, enlarged, since finer noise would stay in the picture.
        zoom: Factor from a frame of a zoom to the next.
        zoom_steps: Steps at each octave of each frame after the first.

    Source: the numbers of Mordvintsev et al. 2015's notebook but for ``jitter`` (there 32 pixels at every size) and
    ``zoom_steps`` (there the full 10).
    """

    octaves: int = 4
    steps: int = 10
    rate: float = 1.5 / 255
    scale: float = SCALE
    jitter: float = 1 / 8
    noise: float = 0.05
    zoom: float = 1.05
    zoom_steps: int = 2

    def __post_init__(self) -> None:
        if min(self.steps, self.zoom_steps) < 1:
            raise StriateError(f"steps is {min(self.steps, self.zoom_steps)}", accepted="at least 1")
        if not self.rate >= 0:
            raise StriateError(f"rate is {self.rate:g}", accepted="at least 0, in values of a pixel")
        if not 0 <= self.jitter < 1:
            raise StriateError(f"jitter is {self.jitter:g}", accepted="a share of the shorter side, below 1")

    def sizes(self, net: Net, size: Size) -> tuple[Size, ...]:
        """Those of the octaves of a picture; a net of one size has one."""
        return octave_sizes(size, 1 if net.size else self.octaves, scale=self.scale, least=net.least_size)


@dataclass(frozen=True, eq=False)
class Octave:
    """One size of a dream: what it began with, and what was found."""

    start: Tensor
    found: Found


def dream(
    net: Net,
    pictures: Tensor | None = None,
    *,
    names: Sequence[str] = (),
    layer: str | None = None,
    channels: Sequence[int] = (),
    targets: Sequence[int] = (),
    guide: Tensor | None = None,
    how: Dreaming | None = None,
    size: Size | None = None,
    seed: int = 0,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """Pictures in which a layer finds more of what it found in them.

    Ascends half the sum of squares of all that a layer says, at several sizes. Every step is the gradient divided by
    its mean absolute value, under a random shift. In place of the energy the mean of a channel, the log-odds of a class
    or the likeness to a guide can be ascended: the sum over places of the largest inner product of what stands there
    with what stands at a place of the guide.

    Cost: for each image and octave ``steps`` passes forward and backward and three forward; four octaves of the usual
    scale hold as many pixels as 1.9 at full size.

    Args:
        net: Whose layer.
        pictures: (N, C, H, W) in [0, 1]; None begins with grey noise.
        names: What to call the pictures.
        layer: Site or module path; by default `default_layer`.
        channels: Channels of the layer, each gives an image of its own.
        targets: Classes, each gives an image of its own.
        guide: Picture (C, H, W) whose parts are to be found.
        how: The numbers.
        size: (H, W) where there is no picture; by default the net's own.
        seed: Seed of noise and shifts.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: More than one of channels, targets and guide; a layer and targets; a layer, channel or class that
            is not there; a picture that the net cannot take; no gradient comes through.

    Source: Mordvintsev, Olah & Tyka 2015, and their notebook (``make_step``, ``deepdream``, ``objective_guide``). There
    shifts wrap around; ours show the picture mirrored at its edge.
    """
    how = how or Dreaming()
    own, called = _start(net, pictures, names, size=size, how=how, seed=seed)
    aim = aim_of(net, size_of(own), layer=layer, channels=channels, targets=targets, guide=guide)
    wants = aim.wants
    stems = tuple(f"dream-{name}{aim.suffix(want)}" for name in called for want in wants)
    start = own.repeat_interleave(len(wants), 0)
    objective = aim.objective(net, len(own), memory=memory)
    sizes = how.sizes(net, size_of(own))
    ids = image_ids(own).repeat_interleave(len(wants), 0)
    progress = SILENT if watch is None else watch.progress
    with progress.task("dream", len(sizes) * how.steps, unit="steps") as step:
        look = _at_full_size(start, watch, step)
        done = dreamt(net, objective, start, how=how, ids=ids, seed=seed, memory=memory, callback=look)
    began = [scores_of(net, objective, each, memory=memory) for each in (*(octave.start for octave in done), start)]
    octaves = _by_octave(stems, done, began, energy=aim.is_energy)
    return Made(
        images=done[-1].found.images,
        stems=stems,
        targets=tuple(aim.words(net, want) for _ in called for want in wants),
        words=_words(objective, how, sizes),
        scores=done[-1].found.scores,
        history=torch.cat([each.found.history for each in done]),
        steps=how.steps * len(sizes),
        seed=seed,
        objective=objective,
        classes=tuple(aim.targets) * len(called),
        numbers=tuple(aim.channels) * len(called),
        sources={} if pictures is None else dict(zip(called, own, strict=True)),
        source=() if pictures is None else tuple(name for name in called for _ in wants),
        tables=(octaves, *_seen(net, stems, start, done[-1].found.images, memory)),
        notes=_notes(net, how, done),
        cites=CITES,
    )


def dreamt(
    net: Net,
    objective: Objective,
    pictures: Tensor,
    *,
    how: Dreaming,
    ids: Tensor,
    seed: int = 0,
    steps: int | None = None,
    turn: int = 0,
    memory: int = 1 << 30,
    callback: Callable[[Moment], None] | None = None,
) -> list[Octave]:
    """The octaves of a dream, the smallest first; the images found in the last are the dream.

    What was added to the picture at one size is enlarged and added to the picture as it is at the next. ``steps`` are
    those of each octave, by default ``how.steps``; ``turn`` counts the dreams of a film, so that each draws its shifts
    anew.

    Raises:
        StriateError: No gradient comes through at the start.

    Source: Mordvintsev et al. 2015, the notebook's ``deepdream``.
    """
    sizes = how.sizes(net, size_of(pictures))
    done: list[Octave] = []
    detail: Tensor | None = None
    for number, size in enumerate(sizes):
        base = resized(pictures, size)
        start = base if detail is None else (base + resized(detail, size)).clamp(0, 1)
        found = solve(
            net,
            objective,
            start=start,
            search=Steepest(how.rate, norm="mean"),
            steps=steps or how.steps,
            view=Jitter(int(how.jitter * min(size))),
            fresh=0,
            keep="last",
            seed=seed,
            ids=ids + turn * len(sizes) + number,
            memory=memory,
            callback=callback,
        )
        if turn == number == 0 and bool(found.flat.all()):
            raise StriateError(
                f"{objective.words} of {net.name} has no slope at the start",
                accepted="a layer that answers to the picture, in a net without no_grad, detach or rounding on the way",
                hint="another layer, or another picture",
            )
        done.append(Octave(start, found))
        detail = found.images - base
    return done


def _start(
    net: Net, pictures: Tensor | None, names: Sequence[str], *, size: Size | None, how: Dreaming, seed: int
) -> tuple[Tensor, tuple[str, ...]]:
    """The pictures and what they are called; grey noise where there are none."""
    if net.channels not in {1, 3}:
        raise StriateError(f"{net.name} takes {net.channels} channels", accepted="1 or 3, for a picture")
    if pictures is None:
        whole = net.a_size(size)
        noise = Rng(seed, "synthesis/dream").normal(torch.tensor([0]), (net.channels, *how.sizes(net, whole)[0]))
        pictures, names = resized((0.5 + how.noise * noise).clamp(0, 1), whole), names or ("noise",)
    net.check(pictures)
    called = tuple(names) or tuple(map(str, range(len(pictures))))
    if len(called) != len(pictures) or len(set(called)) != len(called) or len(called) == 0:
        raise StriateError(f"names {called} for {len(pictures)} pictures", accepted="one a picture, each once")
    return pictures, called


def _at_full_size(pictures: Tensor, watch: Watch | None, step: Callable[[], None]) -> Callable[[Moment], None]:
    """What is called after each step: shows the picture at full size, with what was added so far."""
    taken = 0

    def look(moment: Moment) -> None:
        nonlocal taken
        taken += 1
        step()

        def whole() -> Tensor:
            added = moment.paint() - resized(pictures, size_of(moment.z))
            detail = resized(added, size_of(pictures))
            return (pictures + detail).clamp(0, 1)

        if watch is not None:
            watch(replace(moment, step=taken, paint=whole))

    return look


def _by_octave(stems: Sequence[str], done: Sequence[Octave], began: Sequence[Tensor], *, energy: bool) -> Measured:
    """What is raised, before and after each octave; the last line of an image compares the picture and the dream.

    ``began`` holds the scores at the start of each octave, then those of the pictures. Ratios are given of energies.
    """
    rows: list[tuple[float | str | None, ...]] = []
    for k, stem in enumerate(stems):
        sizes = [" x ".join(map(str, size_of(each.start))) for each in done]
        ended = [float(each.found.scores[k]) for each in (*done, done[-1])]
        for place, words in enumerate((*sizes, "the picture, the dream")):
            before, after = float(began[place][k]), ended[place]
            grown = (after / before if before > 0 else None,) if energy else ()
            rows.append((stem, place + 1 if place < len(done) else None, words, before, after, *grown))
    return Measured(
        "What is raised, before and after each octave, without shifts.",
        ("image", "octave", "height x width in pixels", "before", "after", *(("after / before",) if energy else ())),
        tuple(rows),
    )


def _seen(net: Net, stems: Sequence[str], start: Tensor, images: Tensor, memory: int) -> tuple[Measured, ...]:
    """What the net itself sees in the pictures and in their dreams."""
    if net.outputs == "other":
        return ()
    cells = []
    for shown in (start, images):
        probability, predicted = seen_by(net, shown, memory=memory)
        names = [net.classes[each] if each < len(net.classes) else str(each) for each in predicted.tolist()]
        cells.append(list(zip(names, probability.amax(1).tolist(), strict=True)))
    rows = tuple((stem, *before, *after) for stem, before, after in zip(stems, *cells, strict=True))
    return (
        Measured(
            f"What {net.name} sees before and after.",
            ("image", "before", "probability", "after", "probability of that"),
            rows,
        ),
    )


def _words(objective: Objective, how: Dreaming, sizes: Sequence[Size]) -> str:
    count, (height, width) = len(sizes), sizes[0]
    octaves = f"{count} octaves from {height} x {width} px" if count > 1 else "one octave"
    return (
        f"{objective.words}, {octaves}, steps of {255 * how.rate:.3g}/255 in the mean, shifted by up to "
        f"{how.jitter:.3g} of the shorter side"
    )


def _notes(net: Net, how: Dreaming, done: Sequence[Octave]) -> tuple[str, ...]:
    notes = [note for each in done for note in each.found.notes]
    if len(done) < how.octaves:
        why = "one size" if net.size else f"nothing below {net.least_size} px"
        notes.append(f"{len(done)} of {how.octaves} octaves: {net.name} takes {why}")
    return tuple(dict.fromkeys(notes))
