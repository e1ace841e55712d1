"""Checks of the learning rate and the batch: steps too large, too small, too few."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..course import begun, ended, finite, ignorance, knows, moved, ratio, rivals, steps_an_epoch


@check(
    "rate-too-high",
    what="the learning rate is too high",
    why="each step goes past the minimum: the loss rises or jumps instead of falling",
    phase="run",
    needs=("steps", "probes"),
    symptom="unstable",
    mend="Divide the learning rate by 10; by 10 again if the loss still jumps.",
    code="for group in optimizer.param_groups: group['lr'] /= 10",
    thresholds=(
        Threshold("share of the weights that a step changes", 0.05, "healthy about 1e-3; measured up to .16 at first"),
        Threshold("the same, where the loss only stays", 0.2, "healthy set-ups lie below .16"),
        Threshold("times the loss at the beginning", 3.0, "healthy set-ups stay below 1.4"),
        Threshold("loss at the end over that at the beginning", 0.8, "healthy set-ups end below it"),
    ),
    source="Karpathy 2015, update over weights; Bengio 2012, section 3.1.1",
    leads_to=("diverged", "no-progress", "plateau", "loss-spikes"),
    else_=("inputs that are not scaled", "weights that were drawn too large", "a loss that is a sum over the batch"),
)
def rate_too_high(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses, change = case.trace.losses(), ratio(case)
    if change is None or rivals(case) or case.trace.rates()[0] <= 0:
        return
    numbers = finite(losses)
    if len(numbers) < 2:
        return
    first = numbers[0] if case.start is None or case.start.loss is None else max(numbers[0], case.start.loss)
    base = max(first, ignorance(case) or 0.0)
    top = max(numbers)
    blown = len(numbers) < len(losses) or top > limits["times the loss at the beginning"] * base > 0
    done = case.finished and len(losses) >= 30
    stays = done and base > 0 and ended(numbers) > limits["loss at the end over that at the beginning"] * base
    large = change > limits["share of the weights that a step changes"]
    huge = change > limits["the same, where the loss only stays"]
    if not ((blown and large) or (huge and stays)):
        return
    rate = max(case.trace.rates())
    how = (
        f"and the loss went from {first:.3g} to {top:.3g}"
        if top > 1.5 * base
        else "and the loss does not fall"
        if len(numbers) == len(losses)
        else "and the loss became NaN"
    )
    yield Seen(
        f"With a rate of {rate:g} a step changes {change:.0%} of the weights, {how}.",
        sure=0.85,
        evidence=(
            Evidence("share of the weights that a step changes", Number.of(change), limit="healthy about .001"),
            Evidence("largest loss over that at the beginning", Number.of(top / base if base > 0 else math.nan)),
        ),
    )


@check(
    "rate-too-low",
    what="the learning rate is too low",
    why="the weights hardly move: what takes ten steps takes thousands",
    phase="run",
    needs=("steps", "start"),
    symptom="flat",
    mend="Multiply the learning rate by 10, and again, until the loss falls; .001 for Adam and .1 for SGD are usual.",
    code="for group in optimizer.param_groups: group['lr'] *= 10",
    thresholds=(
        Threshold("share of the weights that all steps changed", 0.01, "healthy set-ups lie above .05 after 60 steps"),
        Threshold("loss at the end over that at the beginning", 0.92, "healthy set-ups end below .85"),
        Threshold("steps", 50, "before that a warm-up looks the same"),
    ),
    source="Bengio 2012, section 3.1.1",
    leads_to=("no-progress", "plateau"),
    else_=("gradients that vanish on their way", "the beginning of a long warm-up"),
)
def rate_too_low(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = finite(case.trace.losses())
    if not case.finished or len(losses) < limits["steps"] or rivals(case):
        return
    far, first, last, rates = moved(case), begun(losses), ended(losses), case.trace.rates()
    if far is None or not 0 < far < limits["share of the weights that all steps changed"] or max(rates) <= 0:
        return
    if first <= 0 or knows(case, first) or last < limits["loss at the end over that at the beginning"] * first:
        return
    yield Seen(
        f"{len(losses)} steps at a rate of up to {max(rates):g} changed {far:.2%} of the weights, and the loss went "
        f"from {first:.3g} to {last:.3g}.",
        severity="warning",
        sure=0.85,
        evidence=(
            Evidence("share of the weights that all steps changed", Number.of(far), limit="below .01"),
            Evidence("loss at the end over that at the beginning", Number.of(last / first), limit="above .92"),
        ),
    )


@check(
    "full-batch",
    what="so large a batch that an epoch has one or two steps",
    why="there are too few steps to get anywhere, each as dear as a pass over all data",
    phase="run",
    needs=("steps", "train"),
    symptom="slow",
    mend="Take batches of 32 to 512.",
    code="DataLoader(train, batch_size=64, shuffle=True)",
    thresholds=(
        Threshold("steps an epoch", 2.5, "the whole data set, or half of it"),
        Threshold("samples", 500, "less fits well into one batch"),
        Threshold("steps", 300, "after that many a full batch has done its work"),
        Threshold("loss at the end over that at the beginning", 0.5, "healthy set-ups end below it"),
    ),
    source="Keskar et al. 2017, section 2; Masters & Luschi 2018, section 5",
    leads_to=("no-progress", "steps-too-few", "plateau"),
)
def batch_too_large(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    assert case.train is not None
    an_epoch, total = steps_an_epoch(case), case.train.total or 0
    losses = finite(case.trace.losses())
    second = any("LBFGS" in type(each).__name__ for each in case.setup.optimizers)
    if an_epoch is None or second or not case.finished or total < limits["samples"] or not losses:
        return
    slow = ended(losses) > limits["loss at the end over that at the beginning"] * begun(losses) > 0
    if an_epoch < limits["steps an epoch"] and len(losses) < limits["steps"]:
        size = round(total / an_epoch)
        yield Seen(
            f"A batch holds {size:,} of {total:,} samples: {len(losses)} steps in all, and the loss went from "
            f"{begun(losses):.3g} to {ended(losses):.3g}.",
            severity="warning" if slow and not knows(case, begun(losses)) else "note",
            sure=0.85,
            evidence=(Evidence("steps an epoch", Number.of(an_epoch), limit="below 2.5"),),
        )


@check(
    "batch-of-one",
    what="a step for every single sample",
    why="each step follows the noise of one sample, and the machine idles",
    phase="run",
    needs=("steps", "train"),
    symptom="cost",
    mend="Take batches of 16 or more, or add up the gradients of several.",
    code="DataLoader(train, batch_size=32, shuffle=True)",
    source="Masters & Luschi 2018, section 5",
)
def batch_of_one(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    steps = case.trace.steps
    if median(each.batch for each in steps) == 1 and median(each.passes for each in steps) <= 1:
        yield Seen(
            f"{len(steps)} steps, each for one sample.",
            severity="note",
            sure=0.8,
            evidence=(Evidence("samples a step", Number.of(1)),),
        )
