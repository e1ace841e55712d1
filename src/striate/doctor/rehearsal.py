"""Rehearsal: a recipe's first steps on its net and data, watched; nothing is kept of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.data.dataset import Splits
from striate.training.engine import Precision, build_fabric, exact, set_up
from striate.training.events import Events, State
from striate.training.feed import Feed, MemoryFormat
from striate.training.init import seeded
from striate.training.loop import evaluate, set_mode
from striate.training.prepare import build_task
from striate.training.recipe import Recipe
from striate.training.task import Batch
from striate.training.updates import Updates

from .attending import Attending, attends
from .payload import CheckRun
from .registry import all_checks
from .watch import Speak, Watch

STEPS = 100  # that are watched, where nothing else was asked for
JUDGED = 512  # dev images that the last look takes
LAYOUT: MemoryFormat = "channels_last"


def rehearse(
    subject: str | Path | nn.Module,
    splits: Splits,
    *,
    recipe: Recipe,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "cpu",
    precision: Precision = "float32",
    workers: int = 0,
    weights_root: Path | None = None,
    speak: Speak | None = None,
    progress: Progress = SILENT,
) -> Watch:
    """The first ``steps`` steps that `striate train` would take with that seed, watched, and one look at dev images.

    The net is looked at before its first step, on a copy; with 0 steps that is all. A net given as an object is copied.
    A loss that is no number ends the rehearsal: the findings say so.

    Cost: ``steps`` batches forward and back, beside some passes of a batch of 64.

    Raises:
        StriateError: The net learns in another way than by gradients of a loss.
        RunError: Net, data and recipe do not fit together.
    """
    with exact(device, None):
        fabric = build_fabric(device, precision, LAYOUT)
        task = build_task(subject, splits, recipe=recipe, seed=seed, weights_root=weights_root)
        if not attends(task, next(iter(task.nets.values()))):
            raise StriateError(
                f"the task of {subject} is {task.name}", accepted="a net that learns classes by gradients"
            )
        feed = Feed(splits.train, recipe.batch, seed, fabric.device, LAYOUT, workers, recipe.augment)
        dev = Feed(splits.dev.limit(JUDGED), recipe.batch, seed, fabric.device, LAYOUT, workers)
        attending = Attending(splits, batch=recipe.batch, speak=speak)
        epochs = recipe.epochs_on(len(splits.train))
        with set_up(fabric, task, recipe, epochs=epochs, feed=feed, memory_format=LAYOUT) as state:
            events = Events()
            with attending(events):
                events.emit("run_start", state)
                updates = Updates(state, recipe, fabric)
                if _stepped(updates, feed, steps=steps, seed=seed, progress=progress):
                    with state.as_judged(), torch.no_grad():
                        evaluate(state.task, dev)
    assert attending.watched is not None
    leave_out_schedules(attending.watched)
    return attending.watched


def leave_out_schedules(watched: Watch) -> None:
    """What checks say of a whole schedule is not said of its beginning."""
    for each in all_checks():
        if each.family == "schedules" and each.phase != "start":
            why = "only the beginning of the run was watched"
            watched._checked.recall(CheckRun(each.name, each.family, "not run", why), ())


def _stepped(updates: Updates, feed: Feed, *, steps: int, seed: int, progress: Progress) -> bool:
    """Make the steps; whether the loss was a number to the end and there is something to judge."""
    if not steps:
        return False
    state = updates.state
    set_mode(state.task, training=True)
    with progress.task("watching", steps, unit="steps") as tell, seeded(seed, "train/torch"):
        for batch in islice(_batches(feed, state), steps):
            figures = updates.step(replace(batch, done=min(state.step / state.steps, 1.0)))
            state.step += 1
            tell()
            if not math.isfinite(float(figures["loss"].sum())):
                return False
    return True


def _batches(feed: Feed, state: State) -> Iterator[Batch]:
    """Batches of the run's epochs, one after the other, as far as its schedule goes."""
    for epoch in range(state.epochs):
        yield from feed.shuffled(epoch)
