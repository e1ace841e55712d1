"""The training loop, from top to bottom: prepare, open the run folder, epochs of steps, dev after each, done."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from striate.core.errors import RunError
from striate.core.progress import SILENT, Progress
from striate.core.ranks import joined, ranks
from striate.data.dataset import Splits

from .averages import PASSED, measuring
from .engine import Precision, build_fabric, check_precision, compiled, exact, set_up
from .events import Events, Observer, State, stalled
from .feed import Feed, MemoryFormat
from .init import seeded
from .observers import restore, writing
from .payload import Epoch, Training
from .prepare import build_task, changes_since, describe
from .recipe import Recipe
from .request import load_recipe
from .run import agreed, guarded, opened_by_first, read_run, save_record
from .start import starting_notes
from .task import Batch, Task
from .updates import Updates

ALONE_IN_ITS_CHANNEL = "Expected more than 1 value per channel"  # torch's words, and those of our shared BatchNorm


def fit(
    subject: str | Path | nn.Module | Task,
    splits: Splits,
    *,
    out: str | Path,
    recipe: Recipe | str = "quick",
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    precision: Precision = "float32",
    memory_format: MemoryFormat = "channels_last",
    compile: bool = False,  # noqa: A002  the word for it
    workers: int = 0,
    threads: int | None = None,
    weights_root: Path | None = None,
    asked: Mapping[str, Any] | None = None,
    keep: int | None = None,
    observers: Sequence[Observer] = (),
    progress: Progress = SILENT,
) -> Training:
    """Trains on ``splits.train``, keeps the epoch that is best on ``splits.dev``, never looks at ``splits.test``.

    The run lies in the folder ``out``; a kill at any moment loses at most the epoch that was running, and ``resume``
    with the same arguments ends, bit for bit, where the uninterrupted run would have ended (on the same machine with
    as many threads; seconds apart). As the best of several epochs, its figure on dev is a little too good. Processes
    that a launcher started share every batch, with the numbers of one; the first alone writes, shows and is observed.

    Args:
        subject: A net by name (``striate/small``: from scratch), a net (a copy is trained), or a `Task`.
        splits: What to learn from and to choose by.
        out: The run folder.
        recipe: How; by name, ``FILE.py:function``, ``FILE.json``, or as a value.
        seed: Of starting weights, order, random changes, dropout.
        resume: Go on with the run in ``out``; one that is complete is left as it is.
        overwrite: Delete the run in ``out`` first; other folders are never deleted.
        device: ``cpu``, ``cuda``, ``mps``.
        precision: ``bfloat16`` and ``float16`` compute in it where that is safe; weights stay float32.
        memory_format: Layout of weights and images; on a CPU ``channels_last`` is faster.
        compile: Let torch.compile make faster code of the nets first, which takes a while.
        workers: Processes that decode images of data that do not fit in memory.
        threads: Threads of torch; None takes what is set.
        weights_root: Where the weights of a net are looked for that is given by the name of weights.
        asked: What the caller was asked for, kept in ``run.json`` for one who resumes.
        keep: Keep the weights of every so many epochs too, from before the first step on.
        observers: What else watches; see `events`.
        progress: Where to show progress.

    Raises:
        RunError: Net, data, recipe and folder do not fit together, the loss is no number, the disk is full...
        KeyboardInterrupt: Ctrl-C, once the folder says that the run was stopped.
    """
    how, folder = load_recipe(recipe) if isinstance(recipe, str) else recipe, Path(out)
    with exact(device, threads), joined(device) as together:
        fabric = build_fabric(device, precision, memory_format)
        check_precision(precision, how)
        task = build_task(subject, splits, recipe=how, seed=seed, weights_root=weights_root)
        feed, dev = (
            Feed(part, how.batch, seed, fabric.device, memory_format, workers, how.augment, together)
            for part in (splits.train, splits.dev)
        )
        settings = {"device": device, "precision": precision, "memory_format": memory_format}
        record = agreed(together, describe(subject, task, splits, how, seed=seed, asked=asked or {}, **settings))
        record = replace(record, notes=(*record.notes, *starting_notes(task, how, feed, seed=seed)))
        with opened_by_first(together, folder, record, resume=resume, overwrite=overwrite) as run:
            if run.state == "complete":
                progress.say(f"the run in {folder} is complete: nothing is left to do")
                return together.led(lambda: read_run(out))
            for note in (*run.notes, *changes_since(run)):
                progress.say(f"note: {note}")
            watching = [*writing(folder, run, keep, progress), *observers] if together.leads else []
            with (
                set_up(fabric, task, how, epochs=run.epochs, feed=feed, memory_format=memory_format) as state,
                compiled(task, on=compile),
                guarded(folder, run, state, progress),
            ):
                restore(folder, state)
                train(state, how, feed, dev, observers=watching, seed=seed, fabric=fabric)
                together.led(lambda: save_record(folder, replace(run, state="complete")))
        return together.led(lambda: read_run(out))


def train(
    state: State, recipe: Recipe, feed: Feed, dev: Feed, *, observers: Sequence[Observer], seed: int, fabric: Fabric
) -> None:
    """The epochs that are still to do, each with its steps, its look at dev, its row of history."""
    events = Events()
    with ExitStack() as stack:
        for observer in observers:
            stack.enter_context(observer(events))
        events.emit("run_start", state)
        try:
            while state.epoch < state.epochs and not stalled(state.history, state.task.choice, recipe.patience):
                events.emit("epoch_start", state)
                begun = time.perf_counter()
                with seeded(seed, f"train/torch{ranks().number or ''}", step=state.epoch):
                    learnt = learn(state, recipe, feed, events, fabric)
                    take_average(state, feed)
                    with state.as_judged():
                        judged = evaluate(state.task, dev)
                state.epoch += 1
                seconds = time.perf_counter() - begun
                state.history.append(Epoch.of(state.epoch, learnt, judged, rate=state.rate, seconds=seconds))
                events.emit("epoch_end", state)
        except BaseException:
            events.emit("interrupted", state)
            raise
        events.emit("run_end", state)


def learn(state: State, recipe: Recipe, feed: Feed, events: Events, fabric: Fabric) -> dict[str, float]:
    """One pass over the training split; gives the task's mean figures of the batches as they were met.

    Raises:
        RunError: The loss is no number; the message holds epoch, step and learning rate. Or a batch is too small for
            the net's BatchNorm.
    """
    seen, sums = 0, dict.fromkeys(state.task.figures, 0.0)
    updates = Updates(state, recipe, fabric)
    set_mode(state.task, training=True)
    for batch in feed.shuffled(state.epoch):
        count = len(batch.rows)
        try:
            figures = updates.step(replace(batch, done=state.step / state.steps))
        except ValueError as error:
            if ALONE_IN_ITS_CHANNEL not in str(error):
                raise
            raise too_small(count, recipe) from error
        state.figures = {name: float(figures[name].sum()) / count for name in sums}
        if not math.isfinite(state.figures["loss"]):
            raise diverged(state, batch)
        seen += count
        for name in sums:
            sums[name] += state.figures[name] * count
        state.step += 1
        events.emit("step", state)
    return means(sums, dict.fromkeys(sums, seen))


@torch.no_grad()
def evaluate(task: Task, feed: Feed) -> dict[str, float]:
    """The task's mean figures over a split, in eval mode: each over the images that the task judged it on.

    Raises:
        RunError: The loss is no number.
    """
    set_mode(task, training=False)
    sums, counts = dict.fromkeys(task.figures, 0.0), dict.fromkeys(task.figures, 0)
    for batch in feed.plain():
        judged = task.judge(task.predict(batch), batch)
        for name in sums:
            sums[name] += float(judged[name].sum())
            counts[name] += len(judged[name])
    found = means(sums, counts)
    if not math.isfinite(found["loss"]):
        raise RunError(f"the loss on the {feed.data.split} split is {found['loss']}", hint="a lower learning rate")
    return found


def means(sums: Mapping[str, float], counts: Mapping[str, int]) -> dict[str, float]:
    """The mean of each figure over all ranks."""
    both = torch.tensor([[sums[name], counts[name]] for name in sums], dtype=torch.float64)
    total = ranks().sum_(both).tolist()
    return {name: value / max(count, 1) for name, (value, count) in zip(sums, total, strict=True)}


@torch.no_grad()
def take_average(state: State, feed: Feed) -> None:
    """The mean of the weights after an epoch, and BatchNorm's statistics by training images where it needs them."""
    average = state.average
    if average is None or not average.after_epoch(state.epoch + 1, state.epochs):
        return
    with average.in_place(), measuring(state.nets.values()) as needed:
        if needed:
            set_mode(state.task, training=True)
            for batch in islice(feed.shuffled(state.epoch), PASSED):
                state.task.predict(batch)
            average.keep_statistics()


def set_mode(task: Task, *, training: bool) -> None:
    """Training or eval mode for every net of the task."""
    for net in task.nets.values():
        net.train(training)


def too_small(count: int, recipe: Recipe) -> RunError:
    """What to say of a batch whose channels hold a single value each, of which there is no variance."""
    parts = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
    return RunError(
        f"a BatchNorm of the net meets one value per channel in a batch of {count}{parts}: it has no variance",
        accepted="two images or more",
        hint="--batch 16, or a net without BatchNorm (own nets: +norm=group)",
    )


def diverged(state: State, batch: Batch) -> RunError:
    """What to say of a loss that is no number: the pixels if they are at fault, else the learning rate."""
    where = f"epoch {state.epoch + 1}, step {state.step + 1} of {state.steps}, learning rate {state.rate:.4g}"
    given = f"the loss is {state.figures['loss']} in {where}"
    finite = batch.images.flatten(1).isfinite().all(1)
    if not bool(finite.all()):
        bad = batch.rows[~finite.cpu()].tolist()
        return RunError(f"{given}: pixels of training images {bad[:5]} are not finite", accepted="pixels from 0 to 1")
    return RunError(given, hint="a lower learning rate, or a longer warm-up")
