"""Checks of what came out: the trained model on training and test data, in both modes, beside plain neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.modules.dropout import _DropoutNd

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson, wilson_bounds
from striate.metrics.paired import paired_difference

from ..alike import directions
from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..end import End, Outcome
from ..samples import Samples
from .augmentation import differs

NEIGHBOURS = 5
FEWEST = 50  # samples, and steps, below which nothing is said of an outcome


def _ended(case: Case, *, test: bool) -> End | None:
    """The end of a run that is long enough to speak of, where classes are named."""
    end = case.end
    if end is None or case.trace is None or len(case.trace.steps) < FEWEST:
        return None
    parts = (end.train, end.test) if test else (end.train,)
    return end if all(each is not None and each.right is not None and each.n >= FEWEST for each in parts) else None


def _chance(outcome: Outcome) -> float:
    """Share of the most frequent class."""
    assert outcome.labels is not None
    return float(torch.bincount(outcome.labels).max() / len(outcome.labels))


def _by_neighbours(train: Samples, asked: Tensor, labels: Tensor, *, same: bool) -> tuple[int, int] | None:
    """How many of ``asked`` 5 nearest training inputs name right, and of how many; ``same`` leaves out itself."""
    if train.x.shape[1:] != asked.shape[1:] or len(train) <= NEIGHBOURS or not bool(train.x.isfinite().all()):
        return None
    a, b = directions(train.x), directions(asked)
    inner = b @ a.t()
    if same:
        inner.fill_diagonal_(-2.0)
    rows = inner.topk(NEIGHBOURS, dim=1).indices
    classes = int(max(train.labels.max(), labels.max())) + 1
    voted = torch.nn.functional.one_hot(train.labels[rows], classes).sum(1).argmax(1)
    return int((voted == labels).sum()), len(labels)


@check(
    "predictions-collapsed",
    what="the trained model names one class for nearly all inputs",
    why="it learnt the frequencies of the classes, or its outputs no longer depend on the input",
    phase="end",
    needs=("end", "labels"),
    symptom="flat",
    mend="Look at the findings above; where there are none: a smaller learning rate, shuffled batches, weights for "
    "classes.",
    thresholds=(
        Threshold("share of the predictions", 0.9, "healthy set-ups of 10 classes: below .2"),
        Threshold("share of that class among the labels, at most", 0.6, "above, naming it says most"),
    ),
    cost="one pass over at most 1,000 samples of each split",
    leads_to=("underfitting",),
    consequence=True,
)
def predictions_collapsed(case: Case, limits: Limits) -> Iterator[Seen]:
    end = _ended(case, test=False)
    if end is None:
        return
    for name, each in (("test", end.test), ("training", end.train)):
        if each is None or each.right is None or each.labels is None:
            continue
        counts = torch.bincount(each.predicted)
        most, share = int(counts.argmax()), float(counts.max() / each.n)
        among = float((each.labels == most).float().mean())
        if (
            share > limits["share of the predictions"]
            and among < limits["share of that class among the labels, at most"]
        ):
            yield Seen(
                f"{share:.0%} of the {name} samples are named class {most}, to which {among:.0%} belong.",
                sure=1.0,
                evidence=(Evidence("share of the predictions", wilson(int(counts.max()), each.n), limit="below .9"),),
                subject="model",
            )
            return


@check(
    "train-eval-gap",
    what="the model does far worse in eval mode than in training mode, on the same images",
    why="BatchNorm's running statistics are not those of the data, so what was learnt is lost where it is used",
    phase="end",
    needs=("end",),
    symptom="shift",
    mend="Let the statistics follow: momentum .1, batches of 16 and more, the same inputs in every forward pass; or "
    "measure them anew after training.",
    code="torch.optim.swa_utils.update_bn(train_loader, model)",
    thresholds=(
        Threshold("difference in accuracy", 0.15, "healthy set-ups: -.02 to .01"),
        Threshold("ratio of the losses, where there is no accuracy", 3.0, "healthy set-ups: .8 to 1.1"),
    ),
    cost="two passes over at most 1,000 training samples",
    source="Ioffe & Szegedy 2015, section 3.1; Singh & Shrivastava 2019, 'EvalNorm'",
    leads_to=("overfitting", "predictions-collapsed", "underfitting"),
)
def train_eval_gap(case: Case, limits: Limits) -> Iterator[Seen]:
    end = case.end
    if end is None or case.trace is None or len(case.trace.steps) < FEWEST:
        return
    one, other = end.learning, end.train
    if one.right is not None and other.right is not None and one.labels is not None and other.labels is not None:
        n = min(one.n, other.n)
        if n < FEWEST:
            return
        a, b = (each.predicted[:n] == each.labels[:n] for each in (one, other))  # type: ignore[index]
        gap = paired_difference(int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), int((~a & ~b).sum()))
        if float(gap) > limits["difference in accuracy"] and (gap.low or 0) > limits["difference in accuracy"] / 2:
            yield Seen(
                f"On the same training images the model is right {float(a.float().mean()):.0%} of the time in training "
                f"mode and {float(b.float().mean()):.0%} in eval mode.",
                severity="error" if float(gap) > 0.3 else "warning",
                sure=0.95,
                evidence=(Evidence("training mode less eval mode", gap, limit="below .15"),),
                subject="model",
            )
    elif one.loss and other.loss and min(one.n, other.n) >= FEWEST and one.loss > 0:
        ratio = other.loss / one.loss
        if ratio > limits["ratio of the losses, where there is no accuracy"]:
            yield Seen(
                f"On the same training samples the loss is {one.loss:.3g} in training mode and {other.loss:.3g} in "
                "eval mode.",
                severity="warning",
                sure=0.85,
                evidence=(Evidence("eval mode over training mode", Number.of(ratio), limit="below 3"),),
                subject="model",
            )


@check(
    "memorisation",
    what="training images were learnt by heart, and nothing that holds for others",
    why="the test is at chance: labels say nothing of the images, or the splits have nothing in common",
    phase="end",
    needs=("end", "test", "labels"),
    symptom="gap",
    mend="Look at labels and at how they are joined to images, in both splits; then at how they were split.",
    thresholds=(
        Threshold("right in training, at least", 0.6, "far above chance"),
        Threshold("standard errors of the test above chance, at most", 4.0, "one healthy set-up in 30,000"),
    ),
    cost="one pass over at most 1,000 samples of each split",
    source="Zhang et al. 2017, 'Understanding deep learning requires rethinking generalization'",
    leads_to=("overfitting",),
    consequence=True,
)
def memorisation(case: Case, limits: Limits) -> Iterator[Seen]:
    end = _ended(case, test=True)
    if end is None or end.test is None:
        return
    train, test = end.train.accuracy or 0.0, end.test.accuracy or 0.0
    chance = _chance(end.test)
    bound = chance + limits["standard errors of the test above chance, at most"] * math.sqrt(
        chance * (1 - chance) / end.test.n
    )
    if train >= max(limits["right in training, at least"], 2 * chance) and test <= bound:
        yield Seen(
            f"{train:.0%} of the training images are named right and {test:.0%} of the test images, which is chance.",
            sure=0.95,
            evidence=(
                Evidence("right, test", wilson(end.test.right or 0, end.test.n), limit=f"above {bound:.3f}"),
                Evidence("right, training", wilson(end.train.right or 0, end.train.n)),
            ),
            subject="model",
        )


@check(
    "overfitting",
    what="the model knows the training images far better than the test images",
    why="what it learnt beyond a point holds for the training images alone",
    phase="end",
    needs=("end", "test", "labels"),
    symptom="gap",
    mend="More images, augmentation, weight decay, dropout, a smaller model, or stop at the epoch that validates best.",
    code="torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)",
    thresholds=(
        Threshold("gap in accuracy for a note", 0.12, "healthy digits and FashionMNIST: at most .08"),
        Threshold("gap in accuracy for a warning", 0.3, "right .95 of the time and below .65 on others"),
    ),
    cost="one pass over at most 1,000 samples of each split",
    source="Goodfellow, Bengio & Courville 2016, section 5.2",
    consequence=True,
)
def overfitting(case: Case, limits: Limits) -> Iterator[Seen]:
    end = _ended(case, test=True)
    if end is None or end.test is None:
        return
    first, second = wilson(end.train.right or 0, end.train.n), wilson(end.test.right or 0, end.test.n)
    train, test = float(first), float(second)
    gap = Number(
        train - test,
        train - test - math.hypot(train - (first.low or 0), (second.high or 1) - test),  # Newcombe 1998, method 10
        train - test + math.hypot((first.high or 1) - train, test - (second.low or 0)),
        end.test.n,
    )
    if (gap.low or 0) < limits["gap in accuracy for a note"]:
        return
    strong = (gap.low or 0) >= limits["gap in accuracy for a warning"] and train >= 0.95
    missing = _regularisation(case)
    yield Seen(
        f"{train:.0%} of the training images are named right and {test:.0%} of the test images"
        f"{f'; there is {missing}' if missing else ''}.",
        severity="warning" if strong else "note",
        sure=0.9,
        evidence=(
            Evidence("right, training less test", gap, limit="below .12"),
            *(
                (Evidence("loss, test over training", Number.of(end.test.loss / end.train.loss)),)
                if end.test.loss and end.train.loss
                else ()
            ),
        ),
        subject="model",
    )


def _regularisation(case: Case) -> str:
    """What is not used against overfitting, in words."""
    decay = any(float(group.get("weight_decay", 0) or 0) > 0 for o in case.setup.optimizers for group in o.param_groups)
    drops = any(isinstance(each, _DropoutNd) and each.p > 0 for each in case.model.modules())
    absent = [
        name
        for name, there in (
            ("weight decay", decay),
            ("dropout", drops),
            ("augmentation", case.train is not None and differs(case.train)),
        )
        if not there
    ]
    return f"no {', no '.join(absent)}" if absent and case.setup.optimizers else ""


@check(
    "underfitting",
    what="after training the model names fewer training images right than their neighbours do",
    why="it has not learnt what can be had for nothing: too few steps, too small a rate, too small a model, or a fault",
    phase="end",
    needs=("end", "labels"),
    symptom="flat",
    mend="Train longer and with the largest rate that is stable; then a wider model. First see that it can learn one "
    "batch by heart.",
    code="for _ in range(200): step(one_batch)  # its loss must come near 0",
    thresholds=(
        Threshold("share of the way from chance to 5 neighbours", 0.5, "healthy set-ups of 4 epochs: at least .9"),
    ),
    cost="a table of correlations of at most 1,000 inputs",
    source="Cover & Hart 1967; Karpathy 2019, 'A recipe for training neural networks'",
    consequence=True,
)
def underfitting(case: Case, limits: Limits) -> Iterator[Seen]:
    end = _ended(case, test=False)
    if end is None or case.train is None or end.train.labels is None or differs(case.train):
        return
    found = _by_neighbours(case.train, case.train.x, case.train.labels, same=True)
    chance = _chance(end.train)
    if found is None:
        return
    reached = found[0] / found[1]
    if reached < chance + 6 * math.sqrt(chance * (1 - chance) / found[1]):
        return
    bound = chance + limits["share of the way from chance to 5 neighbours"] * (reached - chance)
    right = wilson(end.train.right or 0, end.train.n)
    if (right.high or 1) < bound:
        yield Seen(
            f"After {len(case.trace.steps) if case.trace else 0:,} steps {float(right):.0%} of the training images are "
            f"named right; 5 neighbours name {reached:.0%}, one class {chance:.0%}.",
            severity="warning",
            sure=0.9,
            evidence=(
                Evidence("right, training", right, limit=f"above {bound:.2f}"),
                Evidence("right by 5 neighbours", wilson(*found)),
            ),
            subject="model",
        )


@check(
    "evaluation-noise",
    what="the test set is too small for the differences that one wants to see",
    why="two runs differ by more than most improvements do, from the choice of test images alone",
    phase="end",
    needs=("end", "test", "labels"),
    symptom="cost",
    mend="Test on more images, by cross-validation, or compare two models on the same images (paired).",
    code="striate.compare(first_report, second_report)  # paired, with an interval",
    thresholds=(Threshold("half the width of the interval of the accuracy", 0.05, "about 140 images at .9"),),
    source="Wilson 1927; Bouthillier et al. 2021, 'Accounting for variance in machine learning benchmarks'",
)
def evaluation_noise(case: Case, limits: Limits) -> Iterator[Seen]:
    end = _ended(case, test=True)
    if end is None or end.test is None or case.test is None or case.test.total is None or end.test.accuracy is None:
        return
    total = case.test.total
    low, high = wilson_bounds(end.test.accuracy * total, total)
    if (high - low) / 2 > limits["half the width of the interval of the accuracy"]:
        yield Seen(
            f"{total:,} test images leave {end.test.accuracy:.0%} uncertain by {(high - low) / 2:.1%} up and down.",
            severity="note",
            sure=1.0,
            evidence=(
                Evidence(
                    "accuracy",
                    Number(end.test.accuracy, min(low, end.test.accuracy), max(high, end.test.accuracy), total),
                    limit="half its width below .05",
                ),
            ),
            subject="test",
        )


@check(
    "too-good",
    what="the test is all but perfect where images say little",
    why="a label that can be read off the image, or copies of training images in the test, look like this",
    phase="end",
    needs=("end", "train", "test", "labels"),
    symptom="good",
    mend="Look for copies in the test set and for marks that go with a class: frames, names, borders, file sizes.",
    thresholds=(
        Threshold("right in the test, at least", 0.985, "a published best for hard data"),
        Threshold("right by 5 neighbours, at most", 0.8, "on MNIST they reach .96"),
    ),
    cost="a table of correlations of at most 1,000 by 1,000 inputs",
    source="Kaufman et al. 2012, 'Leakage in data mining'",
    else_=("a strong network on photographs, where neighbours of pixels say little",),
)
def too_good(case: Case, limits: Limits) -> Iterator[Seen]:
    end = _ended(case, test=True)
    if end is None or end.test is None or case.train is None or case.test is None or end.test.labels is None:
        return
    found = _by_neighbours(case.train, case.test.x, case.test.labels, same=False)
    right = wilson(end.test.right or 0, end.test.n)
    if found is None or float(right) < limits["right in the test, at least"]:
        return
    if found[0] / found[1] <= limits["right by 5 neighbours, at most"]:
        yield Seen(
            f"{float(right):.1%} of the test images are named right, after "
            f"{len(case.trace.steps) if case.trace else 0:,} steps, where 5 neighbours name {found[0] / found[1]:.0%}.",
            severity="note",
            sure=0.6,
            evidence=(
                Evidence("right, test", right, limit="below .985"),
                Evidence("right by 5 neighbours", wilson(*found), limit="above .8"),
            ),
            subject="test",
        )
