"""Checks of labels: constant, shuffled, moved by rows, numbered otherwise, noisy, missing, unequal in number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..neighbours import NEAR, across, agreed, agreement, as_given, by_edges, nearest, told
from ..samples import Samples, block
from ..start import Start

MOVES = tuple(sign * by for by in (1, 2, 3, 4, 5, 8) for sign in (-1, 1))  # rows by which labels may stand off
BLOCK = 512
AGREE = (8, 6)  # of ten neighbours: the stricter where enough samples have them

PAIRING = ("no-progress", "plateau", "augmentation-destroys-label", "capacity")


@check(
    "labels-constant",
    what="every sample has the same label",
    why="the answer does not depend on the input, so nothing is learnt from it",
    phase="data",
    needs=("train", "labels", "loss"),
    symptom="good",
    mend="Look at where labels are read: a wrong column, a path split at the wrong place, a failed look-up.",
    code="print(torch.bincount(y))",
    leads_to=("missing-classes", "class-imbalance", *PAIRING),
)
def labels_constant(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    y = case.train.labels
    if len(y) < 20 or bool((y != y[0]).any()):
        return
    scored = case.start is not None and case.start.graph is not None and case.start.graph.loss in ("nll", "bce_logits")
    yield Seen(
        f"All {len(y):,} training samples that were drawn have the label {int(y[0])}.",
        severity="error" if scored else "note",
        sure=1.0,
        evidence=(Evidence("different labels", Number.of(1, n=len(y))),),
    )


@check(
    "labels-shifted-rows",
    what="labels stand a row or a few too high or too low",
    why="each input is taught with the label of another: what is learnt is the order of the rows",
    phase="data",
    needs=("train", "labels"),
    symptom="flat",
    mend="Join inputs and labels by a key (file name, id), not by position; look for a header line or a dropped row.",
    thresholds=(
        Threshold(
            "deviations above chance of neighbours' agreement, as given", 5.6, "five views of healthy data reach 20"
        ),
        Threshold("deviations above chance once moved", 7.0, "the best of 24 tries by chance stays below 4"),
    ),
    cost="512 samples read in order, and only where neighbours do not agree",
    source="Cover & Hart 1967, the nearest neighbour's error",
    leads_to=("labels-shuffled", "label-noise", *PAIRING),
)
def labels_shifted_rows(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    if (
        train.likeness is None
        or train.likeness[2] >= limits["deviations above chance of neighbours' agreement, as given"]
    ):
        return
    orders = [("in a batch", (train.x, train.labels))]
    found = block(case.setup.train, BLOCK)
    if found is not None and len(found[1]) > 64:
        orders.insert(0, ("in the data", (found[0], Samples(*found).labels)))
    for where, (x, y) in orders:
        if not bool(x.float().isfinite().all()) or int(y.min()) < 0:
            continue
        near = [nearest(view, view, NEAR, same=True) for view in (as_given(x), by_edges(x)) if view is not None]
        scores = {by: max(agreement(y.roll(by), each) for each in near) for by in MOVES}
        by = max(scores, key=lambda each: scores[each][2])
        right, chance, deviations = scores[by]
        if deviations >= limits["deviations above chance once moved"] and deviations > 2 * train.likeness[2]:
            rows = "row" if abs(by) == 1 else "rows"
            yield Seen(
                f"Labels stand {abs(by)} {rows} too {'low' if by < 0 else 'high'} {where}: moved, neighbours agree "
                f"in {right:.0%} of the pairs (as given {train.likeness[0]:.0%}, by chance {chance:.0%}).",
                evidence=(Evidence("deviations above chance once moved", Number.of(deviations), limit="above 7"),),
                code=f"y = y.roll({by})  # after the cause was looked for",
                sure=0.97,
            )
            return


@check(
    "labels-shuffled",
    what="labels have nothing to do with the inputs",
    why="nothing but the frequencies of the classes can be learnt; a large net learns the images by heart",
    phase="data",
    needs=("train", "labels"),
    symptom="flat",
    mend="Look at how inputs and labels are joined: sort, shuffle, filter and index both with the same rows.",
    code="order = torch.randperm(len(x)); x, y = x[order], y[order]  # one order for both",
    thresholds=(
        Threshold(
            "deviations above chance of neighbours' agreement", 4.0,
            "healthy sets reach 20 at 1,000 samples (CIFAR10 36, small shapes 23), shuffled ones stay below 3",
        ),
        Threshold("the same, where the test data's neighbours say no more than chance either", 5.6, "between 4 and 8"),
        Threshold("change of a sample by augmentation", 0.65, "crops .7 to 1, colours .3 to .5"),
    ),
    cost="five tables of distances between at most 1,000 inputs of 16 x 16, one where the first says enough",
    source="Cover & Hart 1967, the nearest neighbour's error",
    else_=("inputs in which nearness says nothing about the class", "a task that is hard for any method"),
    leads_to=("label-noise", *PAIRING),
)  # fmt: skip
def labels_shuffled(case: Case, limits: Limits) -> Iterator[Seen]:
    train, limit = case.train, limits["deviations above chance of neighbours' agreement"]
    assert train is not None
    if train.likeness is None:
        return
    (right, chance, deviations), test = train.likeness, _comparable(case)
    cross = across(*train.labelled, test=test, enough=3 * limit) if test is not None else None
    both = limits["the same, where the test data's neighbours say no more than chance either"]
    if deviations < limit if cross is None else deviations < both and cross < limit:
        noisy = train.change is not None and train.change > limits["change of a sample by augmentation"]
        yield Seen(
            f"The label of an input is no likelier than chance that of its neighbours: {right:.1%} of the pairs agree, "
            f"{chance:.1%} with labels in any other order.",
            severity="note" if noisy and (cross is None or max(deviations, cross) > limit / 2) else "error",
            evidence=(
                Evidence("deviations above chance", Number.of(deviations, n=len(train)), limit=f"below {limit:g}"),
                Evidence("pairs of neighbours of one label", Number.of(right), limit=f"chance is {chance:.3f}"),
            ),
            sure=0.95 if len(train) >= 500 and not noisy else 0.75,
        )
    elif test is not None and cross is not None and deviations >= 3 * limit and cross < limit:
        near = nearest(as_given(test[0]), as_given(train.labelled[0]), NEAR, same=False)
        other = _best_numbering(train.labelled[1], test[1], near)
        if other is not None and other[2] >= 2 * limit:
            return  # numbered otherwise: another check
        yield Seen(
            "The labels of the test data have nothing to do with their inputs: the nearest training inputs carry them "
            "no more often than chance.",
            evidence=(Evidence("deviations above chance", Number.of(cross, n=len(test[1])), limit=f"below {limit:g}"),),
            subject="test",
            sure=0.9,
        )


def _comparable(case: Case) -> tuple[Tensor, Tensor] | None:
    """Inputs and labels of the test data, where there are enough of the training data's shape."""
    train, test = case.train, case.test if case.setup.test is not None else None
    if train is None or test is None or test.targets != "classes" or test.x.shape[1:] != train.x.shape[1:]:
        return None
    x, y = test.labelled
    return (x, y) if len(y) >= 100 and len(torch.unique(y)) >= 2 else None


@check(
    "labels-shifted-classes",
    what="training and test data number the classes differently",
    why="what is learnt is right and counts as wrong: accuracy on the test data is below chance",
    phase="data",
    needs=("train", "test", "labels"),
    symptom="shift",
    mend="Number the classes once, from the training data, and use that table for every split.",
    code="test.class_to_idx = train.class_to_idx  # or: names = sorted(train_names); names.index(name)",
    thresholds=(
        Threshold("deviations above chance of the numbering found", 8.0, "by chance below 4; moved sets reach 15"),
    ),
    cost="one table of distances between test and training samples",
    else_=("test data of another kind than the training data",),
    leads_to=("labels-shuffled", "train-test-shift"),
)
def labels_shifted_classes(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.test is not None
    if case.test.targets != "classes" or case.test.x.shape[1:] != case.train.x.shape[1:]:
        return
    (x, y), (tx, ty) = case.train.labelled, case.test.labelled
    if len(y) < 100 or len(ty) < 50 or len(torch.unique(y)) < 2 or float(x.float().std()) == 0:
        return
    found = _best_numbering(y, ty, nearest(as_given(tx), as_given(x), NEAR, same=False))
    if found is None or found[2] < limits["deviations above chance of the numbering found"]:
        return
    words, moved, deviations = found
    pairs = ", ".join(f"{a} is {b}" for a, b in list(moved.items())[:5])
    yield Seen(
        f"Test data number the classes otherwise than training data{words}: what training calls {pairs}"
        f"{' ...' if len(moved) > 5 else ''} in the test data.",
        evidence=(
            Evidence("deviations above chance", Number.of(deviations, n=len(ty)), limit="above 8"),
            Evidence("classes with another number", Number.of(len(moved))),
        ),
        sure=0.95,
    )


def _best_numbering(y: Tensor, ty: Tensor, near: Tensor) -> tuple[str, dict[int, int], float] | None:
    """How test labels ``ty`` follow from those of training neighbours ``near``: words, classes moved, deviations.

    None where the numbering as it stands explains them no worse than half as well as another. Tried are offsets, round
    offsets, the reverse order, numbers sorted as words, and what the neighbours themselves say, if it is one to one.
    """
    classes = int(max(y.max(), ty.max())) + 1
    votes = y[near]
    words = sorted(range(classes), key=str)
    tried: list[tuple[str, Callable[[int], int]]] = [("", lambda c: c)]
    tried += [(f" by {by:+d}", lambda c, by=by: c + by) for by in (-2, -1, 1, 2)]  # type: ignore[misc]
    if classes <= 200:
        tried += [(f" by {by:+d}, round", lambda c, by=by: (c + by) % classes) for by in range(1, min(classes, 20))]  # type: ignore[misc]
        tried += [(" in reverse", lambda c: classes - 1 - c)]
    if classes > 10:
        tried += [(" (numbers sorted as words)", lambda c: words[c]), (" (sorted as words)", words.index)]
    own = _one_to_one(y, ty, votes, classes)
    if own:
        tried.append(("", lambda c: own.get(c, c)))
    scores = []
    for _, number in tried:
        table = torch.tensor([number(c) for c in range(classes)])
        scores.append(told(ty, table[y], near))
    best = max(range(len(scores)), key=lambda at: scores[at])
    if best == 0 or scores[0] > 0.6 * scores[best]:
        return None
    moved = {c: tried[best][1](c) for c in range(classes) if tried[best][1](c) != c and bool((y == c).any())}
    return tried[best][0], moved, scores[best]


def _one_to_one(y: Tensor, ty: Tensor, votes: Tensor, classes: int) -> dict[int, int]:
    """Training class to test class, where the neighbours of test classes name another one each."""
    if classes > 200:
        return {}
    shares = torch.zeros(classes, classes)
    for c in torch.unique(ty).tolist():
        shares[c] = torch.bincount(votes[ty == c].flatten(), minlength=classes).float()
        shares[c] /= shares[c].sum()
    shares /= torch.bincount(y, minlength=classes).clamp(min=1)  # classes that are everywhere draw neighbours
    named = {c: int(shares[c].argmax()) for c in torch.unique(ty).tolist() if int((ty == c).sum()) >= 5}
    targets = list(named.values())
    sole = {c: t for c, t in named.items() if targets.count(t) == 1}
    moved = {c: t for c, t in sole.items() if t != c and shares[c, t] > 2 * shares[c, c]}
    return {t: c for c, t in moved.items()} if len(moved) >= 2 else {}


@check(
    "label-noise",
    what="a share of the training labels is wrong",
    why="a net first learns what most labels say and then the wrong ones by heart; accuracy suffers and test labels "
    "are no longer reached",
    phase="data",
    needs=("train", "test", "labels"),
    symptom="gap",
    mend="Look at the samples of the picture and set their labels right; until then stop early, or smooth the labels.",
    code="loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)",
    thresholds=(
        Threshold("share above that of the test data", 0.06, "healthy sets differ by less than .02"),
        Threshold("standard errors of the difference", 4.0, "one healthy set-up in 30,000"),
    ),
    cost="two tables of distances",
    source="Northcutt, Jiang & Chuang 2021, confident learning; here with ten neighbours instead of a model",
    else_=("training data that are harder than the test data",),
    leads_to=("augmentation-destroys-label",),
)
def label_noise(case: Case, limits: Limits) -> Iterator[Seen]:
    train, test = case.train, case.test
    assert train is not None
    assert test is not None
    if test.targets != "classes" or test.x.shape[1:] != train.x.shape[1:] or train.likeness is None:
        return
    (x, y), (tx, ty) = train.labelled, test.labelled
    classes = int(max(y.max(), ty.max())) + 1 if len(ty) else 0
    if len(ty) < 60 or classes > 200:
        return
    flat, test_flat = as_given(x), as_given(tx)
    own, others = agreed(y, nearest(flat, flat, NEAR, same=True), classes), None
    others = agreed(y, nearest(test_flat, flat, NEAR, same=False), classes)
    for need in AGREE:
        sure, sure_test = own[1] >= need, others[1] >= need
        n, m = int(sure.sum()), int(sure_test.sum())
        if n < 100 or m < 50:
            continue
        wrong, wrong_test = sure & (own[0] != y), sure_test & (others[0] != ty)
        here, there = int(wrong.sum()) / n, int(wrong_test.sum()) / m
        both = (int(wrong.sum()) + int(wrong_test.sum()) + 1) / (n + m + 2)
        errors = (here - there) / math.sqrt(both * (1 - both) * (1 / n + 1 / m))
        if (
            here - there < limits["share above that of the test data"]
            or errors < limits["standard errors of the difference"]
        ):
            continue
        share = (here - there) / (1 - there)
        half = 1.96 * math.sqrt(here * (1 - here) / n + there * (1 - there) / m) / (1 - there)
        seen = x[wrong]
        yield Seen(
            f"About {share:.0%} of the training labels are wrong: {int(wrong.sum())} of {n} have another label than "
            f" at least {need} of their 10 neighbours ({here:.1%}; in the test data {there:.1%}).",
            severity="warning" if share < 0.3 else "error",
            evidence=(
                Evidence("share of wrong labels", Number(share, max(0.0, share - half), min(1.0, share + half), n)),
                Evidence("unlike their neighbours, training", wilson(int(wrong.sum()), n)),
                Evidence("unlike their neighbours, test", wilson(int(wrong_test.sum()), m)),
            ),
            images=("training samples whose neighbours have another label", seen) if train.images else None,
            sure=0.85,
        )
        return


@check(
    "missing-classes",
    what="a class that is asked for has no training sample",
    why="a class without samples is never named, however long one trains",
    phase="start",
    needs=("train", "labels"),
    symptom="shift",
    mend="Shuffle before you cut data into parts; look at what was filtered, and at the size of the last layer.",
    code="rows = torch.randperm(len(x)); x, y = x[rows], y[rows]  # then x[:n]",
    thresholds=(
        Threshold("samples drawn for each class", 10.0, "a class as frequent as others is missed once in 22,000"),
    ),
    leads_to=("train-test-shift", "output-width"),
)
def missing_classes(case: Case, limits: Limits) -> Iterator[Seen]:
    train, test = case.train, case.test if case.setup.test is not None else None
    assert train is not None
    y = train.labels[train.labels >= 0]
    whole = train.total is not None and len(train) >= train.total
    if not len(y):
        return
    counts = torch.bincount(y)
    if test is not None and test.targets == "classes":
        asked = torch.bincount(test.labels[test.labels >= 0], minlength=len(counts))
        counts = torch.nn.functional.pad(counts, (0, len(asked) - len(counts)))
        lacking = [c for c in range(len(asked)) if asked[c] > 0 and counts[c] == 0]
        # of a class as frequent as in the test data none was drawn, however likely that is
        expected = {c: float(asked[c]) / len(test) * len(y) for c in lacking}
        lacking = [c for c in lacking if whole or expected[c] >= limits["samples drawn for each class"]]
        if lacking:
            share = sum(int(asked[c]) for c in lacking) / len(test)
            yield Seen(
                f"{_named(lacking)} no sample in the training data, and {share:.1%} of the test data.",
                evidence=(Evidence("share of the test data", Number.of(share, n=len(test))),),
                sure=0.97,
                severity="error" if share > 0.02 else "warning",
            )
            return
    if len(y) < limits["samples drawn for each class"] * case.classes:
        return
    empty = [c for c in range(case.classes) if c >= len(counts) or counts[c] == 0]
    if empty and case.start is not None and scored(case.start):
        few = 2 * len(empty) <= case.classes
        from_one = empty == [0]
        if not few and empty[0] >= len(counts):
            return  # a head made for more classes: `output-width`
        yield Seen(
            f"{_named(empty)} no sample among {len(y):,} drawn, and the model has {case.classes} outputs.",
            severity="warning" if few and not from_one else "note",
            evidence=(Evidence("outputs without a sample", Number.of(len(empty))),),
            mend="Labels begin at 1: take 1 off, and one output less will do." if from_one else None,
            code="y = y - 1" if from_one else None,
            sure=0.9,
            subject="outputs",
        )


def scored(start: Start) -> bool:
    """Whether a cross-entropy takes the outputs as scores of classes; embeddings are compared with each other first."""
    graph = start.graph
    return graph is None or graph.logits is None or graph.logits.shape == start.output.shape


def _named(classes: list[int]) -> str:
    shown = ", ".join(map(str, classes[:8])) + (" ..." if len(classes) > 8 else "")
    return f"Class {shown} has" if len(classes) == 1 else f"Classes {shown} have"


@check(
    "class-imbalance",
    what="some classes have many times the samples of others",
    why="rare classes hardly weigh in the loss, and accuracy does not show that they are missed",
    phase="start",
    needs=("train", "labels"),
    symptom="gap",
    mend="Draw rare classes more often or weigh them in the loss, and measure the mean of the classes' accuracies.",
    code="weight = 1 / torch.bincount(y); sampler = WeightedRandomSampler(weight[y], len(y))",
    thresholds=(
        Threshold("largest over smallest class, said", 10.0, "a factor that changes what accuracy means"),
        Threshold("largest over smallest class, warned of", 20.0, "long-tailed benchmarks reach 10 to 250"),
    ),
    source="Buda, Maki & Mazurowski 2018, section 3",
    else_=("classes that are as rare where the model will be used",),
)
def class_imbalance(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    counts = torch.bincount(train.labels[train.labels >= 0])
    present = counts[counts > 0].float()
    if len(present) < 2 or len(train) < 10 * len(present):
        return
    largest, smallest = float(present.max()), float(present.min())
    least = largest / (smallest + 2 * math.sqrt(smallest))  # so that few draws of a class are no proof
    if least < limits["largest over smallest class, said"]:
        return
    sampler = type(getattr(train.loader, "sampler", None)).__name__
    weighted = getattr(case.setup.loss_fn, "weight", None) is not None or "Weighted" in sampler or "Balanced" in sampler
    ratio = largest / smallest
    yield Seen(
        f"The largest class has {ratio:.0f} times the samples of the smallest "
        f"({int(largest)} and {int(smallest)} of {len(train):,} drawn).",
        severity="note" if weighted or least < limits["largest over smallest class, warned of"] else "warning",
        evidence=(Evidence("largest over smallest class", Number.of(ratio, n=len(train)), limit="above 10"),),
        sure=0.9,
    )
