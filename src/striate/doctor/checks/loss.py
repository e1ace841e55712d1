"""Checks of the loss: its sign, its reduction; and of its course, where that is all that is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..course import begun, ended, finite, ignorance, invariant, knows, rivals
from ..graph import Graph

POSITIVE = ("mse", "l1", "smooth_l1", "huber", "multi_margin", "soft_margin")


def _never_negative(graph: Graph | None) -> bool:
    """Whether the loss function within a graph cannot be negative."""
    return graph is not None and (
        graph.loss in POSITIVE or (graph.loss == "nll" and any("LogSoftmax" in each for each in graph.operations))
    )


def _turned(value: float, graph: Graph | None) -> Iterator[Seen]:
    if value < 0 and _never_negative(graph):
        assert graph is not None
        yield Seen(
            f"The loss is {value:.3g}, though {graph.loss} is never below 0: something turns its sign "
            f"({graph.tail[0] if graph.tail else 'after it'}).",
            sure=0.95,
            evidence=(Evidence("loss", Number.of(value), limit="below 0"),),
        )


@check(
    "loss-sign",
    what="the loss has the wrong sign: what cannot be negative is",
    why="making it small makes the error large",
    phase="start",
    needs=("start", "loss"),
    symptom="unstable",
    mend="Take the minus, or the subtraction, in front of the loss away.",
    code="loss = loss_fn(model(x), y); loss.backward()",
    leads_to=(
        "loss-below-zero", "diverged", "rate-too-high", "no-progress", "loss-at-start", "gradients-not-finite",
        "loss-spikes", "plateau",
    ),
    else_=("a term that may be negative is subtracted on purpose (an entropy, a reward)",),
)  # fmt: skip
def loss_sign(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    if case.start.loss is not None:
        yield from _turned(case.start.loss, case.start.graph)


@check(
    "loss-below-zero",
    what="backward runs from a loss with the wrong sign: what cannot be negative is",
    why="making it small makes the error large",
    phase="run",
    needs=("steps", "probes"),
    symptom="unstable",
    mend="Call backward on the loss itself, without a minus or a subtraction in front of it.",
    code="loss = loss_fn(model(x), y); loss.backward()",
    leads_to=("diverged", "rate-too-high", "no-progress", "loss-spikes", "plateau"),
    else_=("a term that may be negative is subtracted on purpose (an entropy, a reward)",),
)
def loss_below_zero(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = case.trace.losses()
    found = [each for each in case.trace.probes[:3] if each.step < len(losses)]
    for each in found:
        for seen in _turned(losses[each.step], each.graph):
            yield seen
            return


@check(
    "loss-reduction",
    what="the loss is a sum over the batch, not a mean",
    why="the rate that suits it depends on the batch: it acts like that many times the rate",
    phase="start",
    needs=("start", "loss"),
    symptom="unstable",
    mend="Take the mean over the batch, or divide the rate by the batch.",
    code='loss_fn = nn.CrossEntropyLoss(reduction="mean")',
    thresholds=(
        Threshold("least loss of the batch over that of its half", 1.7, "2 for a sum, 1 for a mean"),
        Threshold("largest loss of the batch over that of its half", 2.4, "2 for a sum, 1 for a mean"),
        Threshold("rate times batch", 0.1, "the rate that suits a mean: usual ones of SGD are .01 to .1"),
    ),
    source="Goyal et al. 2017, section 2.1",
    leads_to=("loss-at-start", "rate-too-high", "diverged", "clipping-always", "loss-spikes"),
)
def loss_reduction(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    graph = case.start.graph
    if case.start.halves is None or graph is None or case.start.halves[0] <= 0:
        return
    times = case.start.halves[1] / case.start.halves[0]
    summed = graph.reduction == "sum" or "Sum" in graph.tail
    least, most = (limits[f"{each} loss of the batch over that of its half"] for each in ("least", "largest"))
    if not summed or not least < times < most:
        return
    same = bool(case.setup.optimizers) and all(invariant(each) for each in case.setup.optimizers)
    rate = max((float(g.get("lr") or 0.0) for one in case.setup.optimizers for g in one.param_groups), default=0.0)
    batch = (case.train.batch if case.train is not None else None) or len(case.start.x)
    same = same or (0 < rate * batch <= limits["rate times batch"])
    yield Seen(
        f"The loss of the whole batch is {times:.2f} times that of its half: it is a sum over samples.",
        severity="note" if same else "warning",
        sure=0.95,
        evidence=(
            Evidence("loss of a batch over that of its half", Number.of(times), limit="2 for a sum, 1 for a mean"),
        ),
    )


def _flat(losses: Sequence[float]) -> bool:
    return len(losses) >= 8 and max(losses) - min(losses) <= 1e-6 * max(1e-6, abs(median(losses)))


@check(
    "loss-constant",
    what="the loss is the same number for every batch",
    why="it does not depend on what the model says, so no gradient leads anywhere",
    phase="run",
    needs=("steps",),
    symptom="flat",
    mend="Look at what goes into the loss: one output under a softmax, an argmax, a rounding, the targets twice.",
    code="print(model(x)[:3], y[:3], loss_fn(model(x), y))",
    leads_to=("no-progress", "step-changes-nothing", "rate-too-low", "plateau"),
    consequence=True,
)
def loss_constant(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = case.trace.losses()
    if finite(losses) == losses and _flat(losses):
        yield Seen(
            f"The loss is {losses[0]:.5g} in each of {len(losses)} steps.",
            sure=0.9,
            evidence=(Evidence("largest difference between two steps", Number.of(max(losses) - min(losses))),),
        )


@check(
    "diverged",
    what="the loss became NaN or infinite, or rose far above where it began",
    why="nothing that was learnt is left",
    phase="run",
    needs=("steps",),
    symptom="nan",
    mend="Divide the learning rate by 10, add a warm-up, and clip gradients at their usual norm.",
    code="nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    thresholds=(Threshold("times the loss at the beginning", 2.0, "healthy set-ups end below it"),),
    leads_to=("no-progress", "loss-spikes", "plateau"),
    consequence=True,
)
def diverged(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = case.trace.losses()
    bad = next((at for at, each in enumerate(losses) if not math.isfinite(each)), None)
    if bad is not None:
        yield Seen(
            f"The loss is {losses[bad]} at step {bad:,}."
            + (f" The one before was {losses[bad - 1]:.3g}." if bad else " It is from the first step on."),
            sure=1.0,
            evidence=(Evidence("first step with such a loss", Number.of(bad)),),
        )
        return
    if not case.finished or len(losses) < 12 or rivals(case):
        return
    first, last, bound = begun(losses), ended(losses), ignorance(case)
    top = max(losses[: max(5, len(losses) // 10)])
    if last > limits["times the loss at the beginning"] * first > 0 and last > 1.2 * top and last > (bound or 0):
        yield Seen(
            f"The loss rose from {first:.3g} to {last:.3g}.",
            sure=0.9,
            evidence=(
                Evidence("loss at the end over that at the beginning", Number.of(last / first), limit="above 2"),
            ),
        )


@check(
    "no-progress",
    what="the loss ends where it began",
    why="nothing was learnt in the steps that were watched",
    phase="run",
    needs=("steps",),
    symptom="flat",
    mend="Try to learn one batch by heart, with ten times and with a tenth of the rate: what cannot do that has a "
    "mistake in model, loss or labels.",
    code="x, y = next(iter(train)); [step(x, y) for _ in range(200)]",
    thresholds=(
        Threshold("loss at the end over that at the beginning", 0.97, "healthy set-ups end below .85"),
        Threshold("steps", 40, "before that, a warm-up or a hard task looks the same"),
    ),
    leads_to=("plateau",),
    else_=("a task that takes longer to begin to learn", "a rate in the middle of its warm-up"),
    consequence=True,
)
def no_progress(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = finite(case.trace.losses())
    if not case.finished or len(losses) < limits["steps"] or rivals(case):
        return
    first, last = begun(losses), ended(losses)
    if first <= 0 or knows(case, first) or last <= limits["loss at the end over that at the beginning"] * first:
        return
    yield Seen(
        f"After {len(losses):,} steps the loss is {last:.3g}; it began at {first:.3g}.",
        severity="warning",
        sure=0.8,
        evidence=(Evidence("loss at the end over that at the beginning", Number.of(last / first), limit="above .97"),),
    )


@check(
    "plateau",
    what="the loss fell, and then stopped while it was still high",
    why="more steps of this kind bring nothing",
    phase="run",
    needs=("steps",),
    symptom="slow",
    mend="Try other rates (striate's range test), then a larger model.",
    thresholds=(
        Threshold("loss over that at the beginning", 0.6, "healthy set-ups end below .5 where they stop"),
        Threshold("fall in the second half of the run", 0.02, "below it the course is flat"),
    ),
    consequence=True,
)
def plateau(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = finite(case.trace.losses())
    if not case.finished or len(losses) < 80 or rivals(case) or knows(case, begun(losses)):
        return
    first, quarter = begun(losses), len(losses) // 4
    middle, last = median(losses[2 * quarter : 3 * quarter]), median(losses[-quarter:])
    high = limits["loss over that at the beginning"] * first < last < 0.97 * first
    if first > 0 and high and last > (1 - limits["fall in the second half of the run"]) * middle:
        yield Seen(
            f"The loss fell from {first:.3g} to {middle:.3g} and stays there.",
            severity="note",
            sure=0.6,
            evidence=(
                Evidence("loss at the end over that at the beginning", Number.of(last / first), limit="above .6"),
            ),
        )


@check(
    "loss-spikes",
    what="the loss jumps far above its neighbours, again and again",
    why="single batches throw the weights off their way",
    phase="run",
    needs=("steps",),
    symptom="unstable",
    mend="Clip gradients at about their usual norm; look at the batches of these steps.",
    code="nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    thresholds=(
        Threshold("times the median of 11 neighbours", 4.0, "healthy set-ups stay below 3"),
        Threshold("share of steps", 0.02, "one in fifty"),
    ),
    source="Pascanu, Mikolov & Bengio 2013, section 3",
    consequence=True,
)
def loss_spikes(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = finite(case.trace.losses())
    if not case.finished or len(losses) < 60 or min(losses) < 0 or rivals(case):
        return
    scale = 0.05 * begun(losses)  # below this a loss is small, and its jumps are as well
    spikes = [
        at
        for at in range(5, len(losses) - 5)
        if losses[at] > limits["times the median of 11 neighbours"] * max(median(losses[at - 5 : at + 6]), scale)
    ]
    if len(spikes) >= 3 and len(spikes) > limits["share of steps"] * len(losses):
        yield Seen(
            f"{len(spikes)} of {len(losses)} steps have a loss of more than 4 times their neighbours', step "
            f"{spikes[0]} first.",
            severity="note",
            sure=0.7,
            evidence=(Evidence("share of steps", Number.of(len(spikes) / len(losses)), limit="above .02"),),
        )


@check(
    "steps-too-few",
    what="training stops while the loss still falls as fast as ever",
    why="what more steps would bring is left lying",
    phase="run",
    needs=("steps",),
    symptom="slow",
    mend="Train for more epochs, or with a larger rate.",
    thresholds=(
        Threshold("fall in the last third over that in the middle third", 0.9, "it gets slower as a model learns"),
        Threshold("loss over that at the beginning", 0.5, "healthy set-ups that are done end below it"),
    ),
)
def steps_too_few(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    losses = finite(case.trace.losses())
    if not case.finished or len(losses) < 60 or rivals(case) or knows(case, begun(losses)) or begun(losses) <= 0:
        return
    third = len(losses) // 3
    one, last, two = begun(losses), ended(losses), median(losses[third - 5 : third + 5])
    three = median(losses[2 * third - 5 : 2 * third + 5])
    middle, late = two - three, (three - last) * 16 / 13  # its end is the middle of the last eighth
    if (
        one * limits["loss over that at the beginning"] < last < 0.95 * one
        and middle > 0.02 * one
        and (late > limits["fall in the last third over that in the middle third"] * middle)
    ):
        yield Seen(
            f"The loss fell by {late:.2g} in the last third of {len(losses)} steps, by {middle:.2g} in the one before.",
            severity="note",
            sure=0.6,
            evidence=(Evidence("fall in the last third over that before", Number.of(late / middle), limit="above .9"),),
        )
