"""Checks of the epochs of a run: learnt nothing, learnt by heart, broke down, stood still, ended too early."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..history import History

FEW = 200  # training images a class below which a net that knows other images is the better start


def _history(case: Case) -> History:
    assert case.history is not None
    return case.history


def _right(history: History) -> Number:
    """Share of the dev images that are right in the epoch that was kept."""
    share = history.kept.dev_accuracy
    return Number.missing("nothing is classified") if share is None else wilson(round(share * history.dev), history.dev)


def _shares(history: History, right: Number, limit: str) -> tuple[Evidence, Evidence]:
    learnt = Number(history.kept.train_accuracy, why="as they were learnt from, in the epoch that was kept")
    return Evidence("dev images right", right, limit=limit), Evidence("training images right", learnt)


@check(
    "run-diverged",
    what="the loss ran away during the run",
    why="weights that are far out come back by luck alone",
    phase="end",
    needs=("history",),
    symptom="nan",
    mend="Take a smaller learning rate, warm it up, or limit the norm of the gradient.",
    code="striate train DATA --rate RATE/10 --clip 1",
    thresholds=(
        Threshold("times the lowest loss at the end", 2.0, "healthy runs end within 1.2 times their lowest loss"),
    ),
    else_=("pixels or labels that are not finite",),
    consequence=True,
    leads_to=("run-stopped", "unlearnt", "loss-jumps"),
)
def run_diverged(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    losses = [each.train_loss for each in history.epochs]
    if "the loss is nan" in history.why or "the loss is inf" in history.why or "loss on the dev" in history.why:
        yield Seen(
            f"The run ended because its loss was no number any more, after {len(losses)} of {history.planned} epochs.",
            evidence=(Evidence("last loss that is a number", Number.of(losses[-1])),),
            command=history.command("find-rate", net=True),
            subject="run",
            sure=1.0,
        )
        return
    lowest, last = min(losses), losses[-1]
    limit = limits["times the lowest loss at the end"]
    if lowest > 0 and last > limit * lowest and last > losses[0]:
        yield Seen(
            f"The training loss ends at {last:.3g}: above where it began, and {last / lowest:.1f} times its lowest.",
            evidence=(Evidence("last over lowest training loss", Number.of(last / lowest), limit=f"above {limit:g}"),),
            command=history.command("find-rate", net=True),
            subject="run",
        )


@check(
    "unlearnt",
    what="the run ends at chance, on its own training images too",
    why="whatever the net does, it does not follow from the images",
    phase="end",
    needs=("history",),
    symptom="flat",
    mend="See whether the learning rate fits net and data; then train longer, or look at how it starts.",
    thresholds=(
        Threshold("times chance that training images are right at most", 2.0, "a net that learns passes it early"),
    ),
    else_=("labels that have nothing to do with the images", "images without what tells the classes apart"),
    consequence=True,
)
def unlearnt(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    right = _right(history)
    if not history.complete or history.classes < 2 or right.low is None:
        return
    most = limits["times chance that training images are right at most"] / history.classes
    if right.low <= 1 / history.classes and (history.kept.train_accuracy or 0.0) < most:
        yield Seen(
            "The net is right no more often than by naming one class always, on the training images too.",
            severity="warning",
            sure=0.9,
            evidence=_shares(history, right, f"interval down to {1 / history.classes:.3g} (chance)"),
            command=history.command("find-rate", net=True),
            subject="run",
        )


@check(
    "by-heart",
    what="the run knows its training images and not the classes",
    why="what is learnt by heart does not hold for new images",
    phase="end",
    needs=("history",),
    symptom="gap",
    mend="See what more images would buy; augmentation, weight decay and dropout hold against it too.",
    thresholds=(
        Threshold("gap between training images and the upper end of dev", 0.1, "beyond what 40 images leave open"),
    ),
    else_=("a dev split of another kind of images",),
    consequence=True,
)
def by_heart(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    right, learnt = _right(history), history.kept.train_accuracy
    gap = limits["gap between training images and the upper end of dev"]
    if not history.complete or history.classes < 2 or right.high is None or learnt is None or learnt < right.high + gap:
        return
    each = history.train / history.classes
    few = each < FEW
    yield Seen(
        f"It knows its training images ({each:,.0f} a class) and not the classes: it has overfitted.",
        severity="warning",
        evidence=_shares(history, right, f"at least {gap:g} below the training images"),
        mend="Take a net that knows other photographs and teach it these classes; or gather more images."
        if few
        else None,
        command=history.command("transfer", "torchvision/squeezenet1_0") if few else history.command("learning-curve"),
        subject="run",
    )


@check(
    "run-stopped",
    what="the run was stopped before its last epoch",
    why="a schedule that lowers the rate at the end never got there",
    phase="end",
    needs=("history",),
    symptom="slow",
    mend="Go on with it: it ends where the uninterrupted run would have ended.",
    code="striate train ... --out RUN --resume",
)
def run_stopped(case: Case, limits: Limits) -> Iterator[Seen]:
    del limits
    history = _history(case)
    if history.complete:
        return
    done, why = len(history.epochs), f" ({history.why})" if history.why else ""
    yield Seen(
        f"The run was stopped after {done} of {history.planned} epochs{why}.",
        severity="warning",
        sure=1.0,
        evidence=(Evidence("share of the epochs", Number.of(done / history.planned), limit="1 where it is complete"),),
        subject="run",
    )


@check(
    "loss-jumps",
    what="the training loss rises again and again between epochs",
    why="each step overshoots: what was learnt is lost again",
    phase="end",
    needs=("history",),
    symptom="unstable",
    mend="Take a smaller learning rate, or warm it up.",
    code="striate train DATA --rate RATE/3",
    thresholds=(
        Threshold("share by which the loss rises from one epoch to the next", 0.2, "healthy runs stay below .05"),
        Threshold("share of the epochs that do", 0.2, "healthy runs have none"),
    ),
    source="Smith 2017, section 3.3",
    else_=("a schedule with warm restarts", "batches of a few images"),
    consequence=True,
)
def loss_jumps(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    losses = [each.train_loss for each in history.epochs]
    if len(losses) < 5:
        return
    rises = [later / earlier - 1 for earlier, later in pairwise(losses) if earlier > 0]
    limit, most = (
        limits["share by which the loss rises from one epoch to the next"],
        limits["share of the epochs that do"],
    )
    high = [each for each in rises if each > limit]
    if len(high) >= 2 and len(high) >= most * len(rises):
        yield Seen(
            f"The training loss rises by more than {limit:.0%} in {len(high)} of {len(rises)} epochs.",
            severity="warning",
            sure=0.85,
            evidence=(Evidence("largest rise in an epoch", Number.of(max(high)), limit=f"above {limit:g}"),),
            command=history.command("find-rate", net=True),
            subject="run",
        )


@check(
    "loss-crawls",
    what="the training loss has hardly moved in all the epochs",
    why="at this pace the run ends before it has learnt what it could",
    phase="end",
    needs=("history",),
    symptom="slow",
    mend="Take a larger learning rate: look for it first.",
    code="striate train DATA --rate 10*RATE",
    thresholds=(
        Threshold("share of its first loss that the loss falls by", 0.1, "healthy runs of 4 epochs fall by over .3"),
    ),
    else_=("a net that is at its best in the first epoch", "a task that allows no more"),
    consequence=True,
)
def loss_crawls(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    losses = [each.train_loss for each in history.epochs]
    known = history.epochs[0].train_accuracy
    if len(losses) < 4 or losses[0] <= 0 or known is None or known > 0.5:
        return
    fall, limit = 1 - losses[-1] / losses[0], limits["share of its first loss that the loss falls by"]
    steady = all(later < earlier for earlier, later in pairwise(losses))
    if steady and fall < limit:
        yield Seen(
            f"The training loss falls in every epoch, by {fall:.1%} in all {len(losses)} of them.",
            severity="warning",
            sure=0.85,
            evidence=(Evidence("fall of the loss over the run", Number.of(fall), limit=f"below {limit:g}"),),
            command=history.command("find-rate", net=True),
            subject="run",
        )


@check(
    "dev-loss-rises",
    what="the loss on dev images rises while that on training images falls",
    why="the net grows ever surer of what it has learnt by heart: its probabilities are worth less from there on",
    phase="end",
    needs=("history",),
    symptom="gap",
    mend="Nothing is lost where the best epoch is kept; fewer epochs, weight decay, augmentation or label smoothing.",
    code="striate train DATA --patience 5",
    thresholds=(Threshold("times the lowest dev loss at the end", 1.25, "healthy runs end within 1.1 times it"),),
    source="Prechelt 1998, Early stopping - but when?",
    consequence=True,
)
def dev_loss_rises(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    if len(history.epochs) < 4:
        return
    lowest = min(history.epochs, key=lambda each: each.dev_loss)
    last, limit = history.epochs[-1], limits["times the lowest dev loss at the end"]
    if lowest.dev_loss <= 0 or last.dev_loss < limit * lowest.dev_loss or last.train_loss >= lowest.train_loss:
        return
    yield Seen(
        f"The dev loss is lowest, {lowest.dev_loss:.3g}, after epoch {lowest.epoch}, and {last.dev_loss:.3g} at the "
        f"end, while the training loss falls on to {last.train_loss:.3g}.",
        severity="note",
        evidence=(
            Evidence(
                "last over lowest dev loss", Number.of(last.dev_loss / lowest.dev_loss), limit=f"at least {limit:g}"
            ),
        ),
        subject="run",
    )


@check(
    "still-better",
    what="the run was still getting better when it ended",
    why="more epochs would buy more",
    phase="end",
    needs=("history",),
    symptom="slow",
    mend="Train for more epochs.",
    code="striate train DATA --epochs 2*N",
    thresholds=(
        Threshold("standard errors that dev gains in the last quarter", 2.0, "one standing still in 40 gains that"),
    ),
    else_=("a schedule whose rate falls at the end: there every run gains once more",),
    consequence=True,
)
def still_better(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    epochs = history.epochs
    if not history.complete or len(epochs) < 4 or history.best != epochs[-1].epoch or not history.dev:
        return
    before, last = epochs[-1 - max(1, len(epochs) // 4)].dev_accuracy, epochs[-1].dev_accuracy
    if before is None or last is None:
        return
    error = math.sqrt((before * (1 - before) + last * (1 - last)) / history.dev)
    limit = limits["standard errors that dev gains in the last quarter"]
    if error > 0 and last - before > limit * error:
        yield Seen(
            f"In the last quarter of its epochs dev images right went from {before:.1%} to {last:.1%}.",
            severity="note",
            sure=0.9,
            evidence=(
                Evidence(
                    "gain in standard errors",
                    Number.of((last - before) / error),
                    limit=f"above {limit:g} (two standard errors)",
                ),
            ),
            subject="run",
        )


@check(
    "nothing-new",
    what="most of the epochs brought nothing new",
    why="their time was for nothing",
    phase="end",
    needs=("history",),
    symptom="cost",
    mend="End the run once dev stands still, or lower the learning rate there.",
    code="striate train DATA --patience 5",
    thresholds=(Threshold("share of the epochs after the best one", 0.6, "healthy runs are best near their end"),),
    source="Prechelt 1998, Early stopping - but when?",
    consequence=True,
)
def nothing_new(case: Case, limits: Limits) -> Iterator[Seen]:
    history = _history(case)
    done = len(history.epochs)
    after, limit = done - history.best, limits["share of the epochs after the best one"]
    if history.complete and done >= 8 and after >= limit * done:
        yield Seen(
            f"The epoch that was kept is number {history.best}; the {after} after it brought no better one.",
            severity="note",
            sure=1.0,
            evidence=(Evidence("share of the epochs", Number.of(after / done), limit=f"at least {limit:g}"),),
            subject="run",
        )
