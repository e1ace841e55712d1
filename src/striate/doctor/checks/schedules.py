"""Checks of what goes along with the steps: the rate's schedule, the running mean of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..course import begun, ended, finite, knows, steps_an_epoch


def _count(scheduler: Any) -> int | None:
    """How often a scheduler was stepped, where it says so."""
    last = getattr(scheduler, "last_epoch", None)
    return int(last) if isinstance(last, (int, float)) else None


def _period(scheduler: Any) -> tuple[str, float] | None:
    """The length in which a scheduler does its work, in its own steps, with the argument's name."""
    kind = type(scheduler).__name__
    if kind == "StepLR":
        return "step_size", float(scheduler.step_size)
    if kind == "MultiStepLR" and scheduler.milestones:
        return "milestones", float(max(scheduler.milestones))
    if kind == "CosineAnnealingLR":
        return "T_max", float(scheduler.T_max)
    if kind == "ExponentialLR" and 0 < scheduler.gamma < 1:
        return "gamma", math.log(1e-3) / math.log(scheduler.gamma)
    if kind == "ReduceLROnPlateau":
        return "patience", float(scheduler.patience)
    return None


@check(
    "scheduler-each-step",
    what="a schedule counted in epochs is stepped after every batch",
    why="the rate has gone through all of it within the first epochs",
    phase="run",
    needs=("scheduler", "steps", "train"),
    symptom="slow",
    mend="Step it once after each epoch, or give it its numbers in steps.",
    code="for epoch in range(epochs): train_epoch(...); scheduler.step()",
    thresholds=(
        Threshold("its length over the steps of an epoch", 0.75, "a schedule counted in steps lasts for epochs"),
        Threshold("steps of the schedule over those of the optimizer", 0.8, "1 where it is stepped each time"),
    ),
    leads_to=("rate-collapsed", "rate-too-low", "no-progress", "plateau"),
    else_=("restarts within an epoch that are meant",),
)
def scheduler_each_step(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    scheduler, steps = case.setup.scheduler, len(case.trace.steps)
    done, period, an_epoch = _count(scheduler), _period(scheduler), steps_an_epoch(case)
    if done is None or period is None or an_epoch is None or an_epoch < 3 or steps < 6:
        return
    if done < limits["steps of the schedule over those of the optimizer"] * steps:
        return
    name, length = period
    if length > limits["its length over the steps of an epoch"] * an_epoch:
        return
    kind = type(scheduler).__name__
    yield Seen(
        f"{kind} was stepped {done} times in {steps} steps, and its {name} is {length:.3g}: less than the "
        f"{an_epoch:.0f} steps of one epoch.",
        severity="warning",
        sure=0.9,
        evidence=(
            Evidence("its length over the steps of an epoch", Number.of(length / an_epoch), limit="below .75"),
            Evidence("learning rate at the end over its peak", Number.of(_end_over_peak(case.trace.rates()))),
        ),
    )


def _end_over_peak(rates: list[float]) -> float:
    return rates[-1] / max(rates) if max(rates) > 0 else math.nan


@check(
    "rate-collapsed",
    what="the learning rate is as good as 0 for most of the run",
    why="nothing is learnt from there on",
    phase="run",
    needs=("steps",),
    symptom="slow",
    mend="Make the schedule as long as the run, in the unit in which it is stepped.",
    code="CosineAnnealingLR(optimizer, T_max=epochs * len(train))  # where it is stepped each batch",
    thresholds=(
        Threshold("rate over its peak", 1e-3, "cosine and one-cycle come below it in the last steps only"),
        Threshold("share of the run after that", 0.5, "healthy schedules below .05"),
    ),
    leads_to=("no-progress", "plateau", "rate-too-low"),
)
def rate_collapsed(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    rates = case.trace.rates()
    peak = max(rates)
    if not case.finished or len(rates) < 20 or peak <= 0:
        return
    top = rates.index(peak)
    high = max(at for at, each in enumerate(rates) if each >= limits["rate over its peak"] * peak)
    low = (len(rates) - 1 - high) / len(rates)
    if low > limits["share of the run after that"]:
        yield Seen(
            f"The learning rate fell from {peak:g} (step {top}) to {rates[high + 1]:.1e} by step {high + 1} of "
            f"{len(rates)}.",
            severity="warning",
            sure=0.9,
            evidence=(
                Evidence("share of the run below a thousandth of the peak", Number.of(low), limit="above .5"),
                Evidence("rate at the end", Number.of(rates[-1])),
            ),
        )


@check(
    "scheduler-never-stepped",
    what="there is a schedule, and nobody steps it",
    why="the rate stays where the schedule begins; with a warm-up that is next to nothing",
    phase="run",
    needs=("scheduler", "steps"),
    symptom="slow",
    mend="Step it after each epoch, or after each optimizer step, whichever its numbers are counted in.",
    code="optimizer.step(); scheduler.step()",
    thresholds=(Threshold("epochs", 2.0, "one that is stepped after each epoch was stepped by then"),),
    leads_to=("rate-too-low", "warm-up-endless", "no-progress", "plateau", "step-changes-nothing"),
)
def scheduler_never_stepped(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    scheduler, steps = case.setup.scheduler, len(case.trace.steps)
    made = getattr(scheduler, "_step_count", None)
    done = _count(scheduler)
    an_epoch = steps_an_epoch(case)
    plateau = type(scheduler).__name__ == "ReduceLROnPlateau"
    if done is None or not case.finished or done > 0 or (isinstance(made, int) and made > 1 and not plateau):
        return
    each_step = type(scheduler).__name__ in ("OneCycleLR", "CyclicLR")
    if steps < 10 or not (each_step or (an_epoch is not None and steps >= limits["epochs"] * an_epoch)):
        return
    yield Seen(
        f"{type(scheduler).__name__} was not stepped once in {steps} steps; the rate is {case.trace.rates()[-1]:g}.",
        severity="warning",
        sure=0.9,
        evidence=(
            Evidence("steps of the schedule", Number.of(0), limit="none"),
            *((Evidence("epochs", Number.of(steps / an_epoch)),) if an_epoch else ()),
        ),
    )


@check(
    "scheduler-each-epoch",
    what="a schedule counted in steps is stepped once an epoch",
    why="the run ends while the rate is still at its beginning",
    phase="run",
    needs=("scheduler", "steps", "train"),
    symptom="slow",
    mend="Step it after each step of the optimizer.",
    code="optimizer.step(); scheduler.step()  # inside the loop over batches",
    thresholds=(
        Threshold("its length over the steps that were watched", 0.9, "1 where the length is that of the run"),
        Threshold("share of it that was gone through", 0.2, "1 at the end of the run"),
    ),
    leads_to=("warm-up-endless", "rate-too-low", "no-progress", "plateau", "steps-too-few"),
)
def scheduler_each_epoch(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    scheduler, steps, an_epoch = case.setup.scheduler, len(case.trace.steps), steps_an_epoch(case)
    done = _count(scheduler)
    length = getattr(scheduler, "total_steps", None) or getattr(scheduler, "T_max", None)
    if not case.finished or done is None or an_epoch is None or not isinstance(length, (int, float)):
        return
    epochs = steps / an_epoch
    if epochs < 2 or an_epoch < 5 or not 0 < done <= epochs + 1.5:
        return
    low = limits["its length over the steps that were watched"]
    if low <= length / steps <= 1 / low and done < limits["share of it that was gone through"] * length:
        yield Seen(
            f"{type(scheduler).__name__} lasts {length:,.0f} steps, as many as the run has ({steps}), and was stepped "
            f"{done} times.",
            severity="warning",
            sure=0.9,
            evidence=(Evidence("share of it that was gone through", Number.of(done / length), limit="below .2"),),
        )


@check(
    "warm-up-endless",
    what="the learning rate still rises when the run ends",
    why="the run never comes to the rate that was meant",
    phase="run",
    needs=("steps",),
    symptom="slow",
    mend="Let the warm-up take a twentieth of the run, counted in the unit in which the schedule is stepped.",
    code="LinearLR(optimizer, start_factor=0.01, total_iters=steps // 20)",
    thresholds=(
        Threshold("last rate over the one that was meant", 0.2, "after a warm-up it is 1"),
        Threshold("epochs", 2.0, "a warm-up may take the first"),
    ),
    source="Goyal et al. 2017, section 2.2",
    leads_to=("rate-too-low", "no-progress", "steps-too-few", "plateau"),
    else_=("only the beginning of a long run was watched",),
)
def warm_up_endless(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    rates = case.trace.rates()
    if not case.finished or len(rates) < 20 or max(rates) <= 0:
        return
    half = rates[len(rates) // 2 :]
    rising = rates[-1] >= max(rates) and half[-1] > 1.2 * half[0] and all(a <= b for a, b in pairwise(half))
    if not rising:
        return
    meant = 0.0
    for one in case.setup.optimizers:
        for group in one.param_groups:
            meant = max(meant, *(float(group.get(key) or 0.0) for key in ("initial_lr", "max_lr", "lr")))
    share = rates[-1] / meant if meant > 0 else 1.0
    an_epoch = steps_an_epoch(case)
    epochs = len(rates) / an_epoch if an_epoch else 0.0
    low = share < limits["last rate over the one that was meant"] and epochs >= limits["epochs"]
    losses = finite(case.trace.losses())
    slow = bool(losses) and not knows(case, begun(losses)) and ended(losses) > 0.8 * begun(losses)
    yield Seen(
        f"The learning rate rose to the last of {len(rates)} steps and came to {rates[-1]:.2g}"
        + (f", {share:.1%} of the {meant:g} that were meant." if meant > rates[-1] else "."),
        severity="warning" if low and slow else "note",
        sure=0.8,
        evidence=(Evidence("last rate over the one that was meant", Number.of(share), limit="below .2"),),
    )


def _averaged(average: nn.Module, model: nn.Module) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Parameters of the mean and of the model that have one name, ``module.`` in front of it aside."""
    own = dict(model.named_parameters())
    for name, each in average.named_parameters():
        key = name if name in own else name.removeprefix("module.")
        if key in own and own[key].shape == each.shape:
            yield key, each.detach(), own[key].detach()


def _way(case: Case) -> tuple[float, float, float] | None:
    """How far the model went, how far its mean did along that way (share), and how far apart they are."""
    if case.start is None or case.setup.average is None:
        return None
    before = case.start.parameters
    with torch.no_grad():
        along = far = apart = 0.0
        for name, mean, now in _averaged(case.setup.average, case.model):
            then = before[name].detach().to(now.device).float() if name in before else now.float()
            way = now.float() - then
            along += float(((mean.to(now.device).float() - then) * way).sum())
            far += float(way.square().sum())
            apart += float((mean.to(now.device).float() - now.float()).square().sum())
    return (math.sqrt(far), along / far, math.sqrt(apart)) if far > 0 else None


@check(
    "average-never-updated",
    what="the running mean of the weights (EMA, SWA) is never updated",
    why="what is kept and evaluated are the weights from before training",
    phase="end",
    needs=("average", "start", "steps"),
    symptom="gap",
    mend="Update it after each step of the optimizer.",
    code="optimizer.step(); average.update_parameters(model)",
    leads_to=("average-lags",),
)
def average_never_updated(case: Case, limits: Limits) -> Iterator[Seen]:
    way = _way(case)
    if way is not None and way[1] == 0:
        yield Seen(
            "The mean of the weights is what the weights were before the first step.",
            evidence=(
                Evidence("share of the model's way that its mean has gone", Number.of(0.0), limit="0"),
                Evidence("way of the model", Number.of(way[0])),
            ),
            sure=0.95,
        )


@check(
    "average-is-the-model",
    what="the running mean of the weights is the model itself",
    why="nothing is averaged: both names lead to the same numbers",
    phase="end",
    needs=("average", "start", "steps"),
    symptom="gap",
    mend="Make the mean from a deep copy, and give it a decay below 1 and above 0.",
    code="average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))",
)
def average_is_the_model(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.setup.average is not None
    pairs = list(_averaged(case.setup.average, case.model))
    shared = [name for name, mean, now in pairs if mean.data_ptr() == now.data_ptr()]
    way = _way(case)
    if pairs and (len(shared) == len(pairs) or (way is not None and way[2] == 0)):
        yield Seen(
            "The mean of the weights "
            + ("shares its memory with the model." if shared else "equals the model's weights exactly at the end."),
            severity="warning" if shared else "note",
            sure=0.95,
            evidence=(Evidence("parameters that share memory", Number.of(len(shared)), limit=f"of {len(pairs)}"),),
        )


@check(
    "average-lags",
    what="the running mean of the weights remembers longer than the run lasts",
    why="most of it is still the weights from before training",
    phase="end",
    needs=("average", "start", "steps"),
    symptom="gap",
    mend="Take a decay whose memory, 1 / (1 - decay) steps, is a tenth of the run, or one that grows from 0.",
    code="decay = min(0.999, (1 + step) / (10 + step))",
    thresholds=(
        Threshold("share of the model's way that its mean has gone", 0.3, "healthy set-ups lie above .6"),
        Threshold("epochs", 2.0, "of a longer run more may come"),
    ),
    source="Polyak & Juditsky 1992; Tarvainen & Valpola 2017, section 3",
)
def average_lags(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    way, steps, an_epoch = _way(case), len(case.trace.steps), steps_an_epoch(case)
    if way is None or way[1] == 0 or way[1] > limits["share of the model's way that its mean has gone"]:
        return
    longer = an_epoch is not None and steps / an_epoch >= limits["epochs"]
    yield Seen(
        f"After {steps} steps the mean of the weights has gone {way[1]:.0%} of the way that the weights went.",
        severity="warning" if longer else "note",
        sure=0.85,
        code=f"decay = {max(0.0, 1 - 10 / steps):.3g}  # memory of a tenth of {steps} steps",
        evidence=(
            Evidence("share of the model's way that its mean has gone", Number.of(way[1]), limit="below .3"),
        ),
    )  # fmt: skip
