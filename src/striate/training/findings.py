"""What a finished training run gives to say: it learnt nothing, it learnt the images by heart, where to go on.

Thresholds are advice, not law: a run is taken for one that did not learn where dev lies no higher than naming one class
of K would (its 95 % interval reaches 1/K) and the training images are right less than twice as often; for one that
learnt by heart where the training images are right 10 points more often than the upper end of dev's interval.
"""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding
from striate.core.number import Number
from striate.metrics.intervals import wilson

from .payload import Epoch, Training

GAP = 0.1  # share by which training lies above dev when the images are called known by heart
FEW = 200  # training images a class below which a net that knows other images is the better start


def training_findings(
    result: Training, *, data: str, net: str, classes: int, train: int, dev: int, size: int | None = None
) -> list[Finding]:
    """Findings of a run on labelled images, each with the command to run next.

    ``classes`` are the classes of the data, ``train`` and ``dev`` the images of these splits; ``net`` is what was
    trained and ``size`` the side that was asked for, as the commands write them.
    """
    kept = next((each for each in result.history if each.epoch == result.best.epoch), None)
    if not result.complete or kept is None or kept.dev_accuracy is None or not dev or classes < 2:
        return []
    sized = [] if size is None else ["--size", str(size)]
    right = wilson(round(kept.dev_accuracy * dev), dev)
    doubts = _unlearnt(kept, right, classes, [data, "--net", net, *sized]) or _by_heart(
        kept, right, train / classes, [data, *sized]
    )
    return [*doubts, _next(result, right, data)]


def _shares(kept: Epoch, right: Number) -> tuple[Evidence, Evidence]:
    learnt = Number(kept.train_accuracy, why="as they were learnt from, in the epoch that was kept")
    return Evidence("dev images right", right), Evidence("training images right", learnt)


def _unlearnt(kept: Epoch, right: Number, classes: int, words: list[str]) -> list[Finding]:
    if right.low is None or right.low > 1 / classes or (kept.train_accuracy or 0.0) >= 2 / classes:
        return []
    return [
        Finding(
            id="unlearnt/run",
            check="unlearnt",
            severity="warning",
            sure=0.9,
            seen="The net is right no more often than by naming one class always, on the training images too.",
            evidence=_shares(kept, right),
            mend="See whether the learning rate fits net and data; then train longer, or look at how it starts.",
            command=shlex.join(["striate", "find-rate", *words]),
        )
    ]


def _by_heart(kept: Epoch, right: Number, each: float, words: list[str]) -> list[Finding]:
    if kept.train_accuracy is None or right.high is None or kept.train_accuracy < right.high + GAP:
        return []
    few = each < FEW
    mend = (
        "Take a net that knows other photographs and teach it these classes; or gather more images."
        if few
        else "See what more images would buy; augmentation, weight decay and dropout hold against it too."
    )
    words = ["transfer", "torchvision/squeezenet1_0", words[0]] if few else ["learning-curve", *words]
    return [
        Finding(
            id="by-heart/run",
            check="by-heart",
            severity="warning",
            sure=0.95,
            seen=f"It knows its training images ({each:,.0f} a class) and not the classes: it has overfitted.",
            evidence=_shares(kept, right),
            mend=mend,
            command=shlex.join(["striate", *words]),
        )
    ]


def _next(result: Training, right: Number, data: str) -> Finding:
    return Finding(
        id="next/evaluate",
        check="next",
        severity="note",
        sure=1.0,
        seen="The run folder is a net by its path: every verb takes it.",
        evidence=(Evidence("dev images right", right),),
        mend="Measure it on the test images, which chose nothing.",
        command=shlex.join(["striate", "evaluate", result.run, data]),
    )
