"""`solve`: the one call that changes images by looking at a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from striate.core.allocator import memory_kept
from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress, Step
from striate.core.rng import Rng, image_ids
from striate.nets.fold import folded
from striate.nets.layout import laid_out
from striate.nets.look import Rule
from striate.nets.net import Net
from striate.nets.passes import Passes, counting
from striate.nets.undisturbed import undisturbed

from .canvas import Canvas, Levels, Pixels
from .found import Found, distances_between
from .goal import Goal, none
from .keep import Keep, Nearest, keep_named
from .objective import Objective
from .problem import Search
from .region import Box, Region
from .running import FRESH_VIEWS, PLAIN, Look, Running, looking
from .view import View

MANY = 8  # steps from which a folded copy of the net pays
CPU_VALUES = 4 * 3 * 224 * 224  # pixels that a CPU passes at once at its fastest: 4 photographs, 768 of 28 x 28


@dataclass(frozen=True)
class Moment:
    """What a callback is shown after each step: its number, ``z``, the latest scores, which rows are done.

    ``paint()`` gives the images of ``z``, ``kept()`` those that would be returned if the search ended here.
    """

    step: int
    z: Tensor
    scores: Tensor
    done: Tensor
    paint: Callable[[], Tensor] = field(repr=False)
    kept: Callable[[], Tensor] = field(repr=False)


def solve(
    net: Net,
    objective: Objective,
    *,
    start: Tensor,
    search: Search,
    steps: int,
    canvas: Canvas | None = None,
    within: Region | None = None,
    view: View | None = None,
    draws: int = 1,
    fresh: int = FRESH_VIEWS,
    rules: Mapping[str, Rule] | None = None,
    goal: Goal | None = None,
    keep: str | Keep = "best",
    seed: int = 0,
    ids: Tensor | None = None,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
    label: str = "solve",
    callback: Callable[[Moment], bool | None] | None = None,
    patience: int | None = None,
    sloped: bool = False,
    levels: bool = False,
) -> Found:
    """Images near ``start`` that raise an objective, one for each, found by a search within a region.

    Every image is treated as if alone, whatever its neighbours, order or chunk. The net is left as it was found.

    Args:
        net: Looked at in eval mode; no gradient of its parameters is computed.
        objective: What is raised.
        start: Images (N, C, H, W) in the region.
        search: How.
        steps: At most so many steps of the search, at least 1.
        canvas: Free numbers that are searched; by default the pixels.
        within: Where the images stay; by default values in [0, 1].
        view: Random transform under which the objective is looked at; the goal and the result are not transformed.
        draws: Views averaged in each evaluation.
        fresh: Views that the search never saw over which the final score is averaged; 0 scores the image as it is.
        rules: What takes the place of the backward of which site, as in `Net.look`.
        goal: What counts as success; by default nothing.
        keep: ``"first"`` (leaves once it reaches the goal), ``"best"`` score, ``"nearest"`` that does, ``"last"``.
        seed: Seed of every random draw.
        ids: Ids (N,) that random draws hang on; by default made from the pixels, so equal images draw alike.
        memory: Bytes beside the net that a chunk may take.
        progress: How the work is shown.
        label: What it is called there.
        callback: Called after each step; the search stops early where it gives True.
        patience: A row leaves once so many steps in a row have not raised its score; None waits to the end.
        levels: Paint images of 8 bits alone, so that what is found is found in a file too.
        sloped: Refuse an objective that has no slope at the start for any image; otherwise ``flat`` says so.

    Raises:
        StriateError: The start is no batch of images in the region, steps are below 1, the objective is not a number.
    """
    within, goal = within or Box(), goal or none()
    _check(start, within, steps=steps, draws=draws, fresh=fresh, patience=patience)
    memory_format = best_format(net, start)
    canvas = Levels(canvas or Pixels(), start, within) if levels else canvas or Pixels()
    fold, sites = _fold_size(start, steps, keep_named(keep)), objective.sites | goal.sites
    with looked_at(net, sites, memory_format, rules, fold=fold) as (passes, look, judge):
        running = Running(
            net=net, look=look, judge=judge, objective=objective, images=start, canvas=canvas,
            within=within, steps=steps, view=view, draws=draws, fresh=fresh, goal=goal, keep=keep_named(keep),
            rng=Rng(seed, "imageopt"), ids=_ids(start, ids), memory_format=memory_format,
            chunk=chunk_of(net, start, memory, whole=not objective.per_image),
        )  # fmt: skip
        with progress.task(label, steps, unit="steps") as step:
            history = _search(running, search, step, callback=callback, patience=patience, sloped=sloped)
        verdict = running.verdict()
    return _found(running, verdict, history, passes, _origin(running, search, seed))


@contextmanager
def looked_at(
    net: Net,
    sites: frozenset[str],
    memory_format: torch.memory_format,
    rules: Mapping[str, Rule] | None = None,
    *,
    fold: tuple[int, int] | None = None,
) -> Iterator[tuple[Passes, Look, Look]]:
    """The count of passes, and two looks over sites of a net that is left as it was found: to search by, to judge by.

    Weights are laid out once. Where nothing but the output is read, and a size to fold at is given, the search goes by
    a copy with batch normalisation folded into the convolutions, whose answers differ by rounding; the judge is the
    net itself.
    """
    with (
        counting() as passes,
        memory_kept(),
        undisturbed(net),
        laid_out(net, memory_format),
        looking(net, sites, rules) as judge,
    ):
        quick = folded(net, fold) if fold is not None and sites <= PLAIN and not rules else None
        if quick is None:
            yield passes, judge, judge
        else:
            with laid_out(quick, memory_format), looking(quick, sites) as look:
                yield passes, look, judge


def _found(
    running: Running,
    verdict: tuple[Tensor, Tensor, Tensor | None],
    history: Tensor,
    passes: Passes,
    origin: Mapping[str, str | int | float],
) -> Found:
    scores, success, output = verdict
    return Found(
        images=running.best,
        scores=scores,
        success=success,
        step=running.first,
        output=output,
        distances=distances_between(running.best, running.images),
        history=history,
        flat=running.flat,
        passes={"forward": passes.forward, "backward": passes.backward},
        origin=origin,
        notes=_notes(running),
        free=running.held,
    )


def _notes(running: Running) -> tuple[str, ...]:
    """What went wrong without an error, each with its first image and step."""
    count, notes = len(running.images), []
    broken = (running.broken >= 0).nonzero().squeeze(1)
    if len(broken) > 0:
        first = broken[running.broken[broken].argmin()]
        notes.append(
            f"{running.objective.words} was not a number for {len(broken)} of {count} images, first for image "
            f"{int(first)} at step {int(running.broken[first])}; the images kept are from before"
        )
    if bool(running.flat.any()):
        notes.append(
            f"at the start {running.objective.words} had no slope (0 or not finite) for {int(running.flat.sum())} of "
            f"{count} images, first for image {int(running.flat.nonzero()[0])}"
        )
    return tuple(notes)


def chunk_of(net: Net, start: Tensor, memory: int, *, whole: bool = False) -> int:
    """Images a pass: what fits the memory; on a CPU no more than stay near its caches, unless all have to be there."""
    fits = net.batch_size((start.shape[-2], start.shape[-1]), memory=memory, backward=True)
    return fits if whole or start.device.type != "cpu" else max(1, min(fits, CPU_VALUES // start[0].numel()))


def best_format(net: Net, images: Tensor) -> torch.memory_format:
    """channels_last where there are two-dimensional convolutions to gain from it, else contiguous."""
    convolves = any(isinstance(module, torch.nn.Conv2d) for module in net.modules())
    return torch.channels_last if convolves and images.dtype == torch.float32 else torch.contiguous_format


def _search(
    running: Running,
    search: Search,
    step: Step,
    *,
    callback: Callable[[Moment], bool | None] | None,
    patience: int | None,
    sloped: bool,
) -> Tensor:
    """Runs the search to its end, or until no row is left; gives the scores at the start and after each step."""
    history, z = [], running.start
    highest, risen = running.score.clone().fill_(-torch.inf), torch.zeros_like(running.first)
    for z in search(running):
        if sloped and bool(running.flat.all()):
            raise StriateError(
                f"{running.objective.words} in {running.net.name} has no slope (0 or not finite) at the start, "
                "for any image",
                accepted="an objective that the pixels change through gradients",
                hint="another start, layer or unit; a net without no_grad, detach or rounding on the way",
            )
        history.append(running.latest.clone())
        risen[history[-1] > highest] = running.step
        highest = torch.fmax(highest, history[-1])
        if patience is not None:
            running.leave(((running.step - risen) >= patience).nonzero().squeeze(1))
        running.latest.fill_(torch.nan)
        running.step += 1
        step()
        paint = partial(running.canvas.paint, z, running.every)
        shown = Moment(running.step, z, history[-1], running.done, paint, running.best.clone)
        stopped = callback is not None and callback(shown)
        if stopped or len(running.alive) == 0:
            break
    running.ask(z, grad=False)
    history.append(running.latest.clone())
    return torch.stack(history)


def _check(start: Tensor, within: Region, *, steps: int, draws: int, fresh: int, patience: int | None) -> None:
    if not isinstance(start, Tensor) or start.ndim != 4 or len(start) == 0 or not start.is_floating_point():
        shown = f"{tuple(start.shape)} {start.dtype}" if isinstance(start, Tensor) else type(start).__name__
        raise StriateError(f"start is {shown}", accepted="float images (N, C, H, W), N at least 1")
    if start.dtype not in {torch.float32, torch.float64}:
        raise StriateError(f"start is {start.dtype}", accepted="float32 or float64")
    if not bool(start.isfinite().all()):
        raise StriateError("start holds values that are not finite", accepted="images with values in [0, 1]")
    if steps < 1:
        raise StriateError(f"steps is {steps}", accepted="at least 1")
    if draws < 1:
        raise StriateError(f"draws is {draws}", accepted="at least 1")
    if fresh < 0:
        raise StriateError(f"fresh is {fresh}", accepted="at least 0 views")
    if patience is not None and patience < 1:
        raise StriateError(f"patience is {patience}", accepted="at least 1 step, or None")
    inside = within.contains(start, torch.arange(len(start), device=start.device))
    if not bool(inside.all()):
        row = int((~inside).nonzero()[0])
        raise StriateError(f"start image {row} is outside of {within.words}", accepted="a start in the region")


def _fold_size(start: Tensor, steps: int, keep: Keep) -> tuple[int, int] | None:
    """The size at which to fold the net: where steps are many, and no image is kept for being on the boundary."""
    return None if steps < MANY or isinstance(keep, Nearest) else (start.shape[-2], start.shape[-1])


def _ids(start: Tensor, ids: Tensor | None) -> Tensor:
    if ids is None:
        return image_ids(start)
    if len(ids) != len(start):
        raise StriateError(f"{len(ids)} ids for {len(start)} images", accepted="one id an image")
    return ids.to("cpu", torch.int64)


def _origin(running: Running, search: Search, seed: int) -> dict[str, str | int | float]:
    view = running.view
    return {
        "objective": running.objective.words,
        "canvas": running.canvas.words,
        "within": running.within.words,
        "search": search.words,
        "view": "none" if view is None else f"{view.words}, {running.draws} a step",
        "goal": running.goal.words,
        "keep": running.keep.words,
        "steps": running.steps,
        "seed": seed,
        "chunk": running.chunk,
        "memory_format": "channels_last" if running.memory_format is torch.channels_last else "contiguous",
        "precision": str(running.images.dtype).removeprefix("torch."),
    }
