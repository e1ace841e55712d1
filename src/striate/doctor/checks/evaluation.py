"""Checks of how a loop trains and tests: the mode of the layers that have two, gradients, on which data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson

from ..alike import Known
from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..trace import Evaluation

MATCH = 0.75  # share of a batch's inputs that are found in a split for the batch to be of it
FEWEST = 3  # steps, probes or passes from which on one speaks of a habit

_KNOWN: WeakKeyDictionary[Case, dict[str, Known | None]] = WeakKeyDictionary()


def known(case: Case, split: str) -> Known | None:
    """The inputs of a split by their sums, made once a case; None where the split was not given."""
    kept = _KNOWN.setdefault(case, {})
    if split not in kept:
        samples = case.train if split == "train" else case.test
        kept[split] = None if samples is None else Known(samples, getattr(case.setup, split))
    return kept[split]


def holds(case: Case, split: str, batch: Tensor | None) -> bool:
    """Whether a batch of inputs, as a model was given it, is of a split."""
    found = known(case, split)
    return batch is not None and found is not None and found.share(batch) >= MATCH


def two_faced(model: nn.Module) -> tuple[int, int]:
    """How many layers a model has that do another thing in eval mode: norms with running statistics, and dropouts."""
    parts = list(model.modules())
    norms = sum(isinstance(each, _NormBase) and each.running_mean is not None for each in parts)
    return norms, sum(isinstance(each, _DropoutNd) and each.p > 0 for each in parts)


def _named(norms: int, drops: int) -> str:
    words = [f"{norms} BatchNorm" * bool(norms), f"{drops} dropout" * bool(drops)]
    return " and ".join(each for each in words if each) + (" layers" if norms + drops > 1 else " layer")


@check(
    "evaluated-in-train-mode",
    what="the test runs in training mode",
    why="dropout switches units off at random and BatchNorm takes the test batch's own mean: the result depends on "
    "which samples stand in a batch",
    phase="run",
    needs=("evaluations",),
    symptom="shift",
    mend="Call model.eval() before the test, and model.train() before training goes on.",
    code="model.eval()\nwith torch.inference_mode():\n    ...  # the test",
    thresholds=(Threshold("share of the passes", 0.5, "a test runs in one mode"),),
    source="Ioffe & Szegedy 2015, section 3.1; Srivastava et al. 2014, section 4",
    else_=("dropout that is sampled on purpose (Gal & Ghahramani 2016)", "statistics that are measured anew"),
    leads_to=("train-eval-gap", "evaluation-noise"),
)
def evaluated_in_train_mode(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    norms, drops = two_faced(case.model)
    if not norms + drops:
        return
    found = [each for each in case.trace.evaluations if each.training > limits["share of the passes"]]
    if known(case, "test") is not None:
        found = [each for each in found if holds(case, "test", each.first) or holds(case, "test", each.last)]
        enough = len(found) * 2 >= len([each for each in case.trace.evaluations if _of_test(case, each)])
    else:  # a single one may be statistics measured anew; one at every step a part of the loss
        at = [each.step for each in found]
        apart = [b - a for a, b in pairwise(at)]
        enough = len(found) >= 2 and median(apart) >= 5 and len(found) * 2 >= len(case.trace.evaluations)
    if found and enough:
        samples = max(each.samples for each in found)
        yield Seen(
            f"{len(found)} of {len(case.trace.evaluations)} tests ran in training mode, with {_named(norms, drops)} "
            "that then act at random or on the batch.",
            sure=0.97 if known(case, "test") is not None else 0.85,
            evidence=(
                Evidence("share of passes in training mode", Number.of(max(e.training for e in found)), limit="0"),
                Evidence("samples of such a test", Number.of(float(samples))),
            ),
            subject="test",
        )


def _of_test(case: Case, each: Evaluation) -> bool:
    return holds(case, "test", each.first) or holds(case, "test", each.last)


@check(
    "trained-in-eval-mode",
    what="the model is trained in eval mode",
    why="BatchNorm divides by statistics that do not move with the weights, and dropout drops nothing",
    phase="run",
    needs=("steps",),
    symptom="slow",
    mend="Call model.train() at the beginning of each epoch: the test before it has called model.eval().",
    code="for epoch in range(epochs):\n    model.train()\n    ...  # training\n    model.eval()\n    ...  # test",
    thresholds=(Threshold("share of the steps", 0.2, "arithmetic: a loop calls train() before each epoch or never"),),
    source="Ioffe & Szegedy 2015, algorithm 1",
    else_=("statistics that stay frozen on purpose while a trained network is fitted to new data",),
    leads_to=("underfitting", "overfitting", "train-eval-gap", "loss-at-start"),
)
def trained_in_eval_mode(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    steps = case.trace.steps
    norms, drops = two_faced(case.model)
    still = [each for each in steps if not each.training]
    share = len(still) / len(steps)
    if not norms + drops or len(still) < FEWEST or share < limits["share of the steps"]:
        return
    modes = [each.modes for each in case.trace.probes if each.step in {one.number for one in still}]
    if modes and any((norm or 0) > 0 or (drop or 0) > 0 for norm, drop in modes):
        return  # the layers themselves were switched to training
    if case.setup.pretrained:
        return
    begins = f" from step {still[0].number:,} on" if still[0].number else ""
    yield Seen(
        f"{share:.0%} of the steps were made in eval mode{begins}: {_named(norms, drops)} did not act as in training.",
        severity="error" if norms else "warning",
        sure=0.97,
        evidence=(Evidence("share of the steps in eval mode", Number.of(share, n=len(steps)), limit="below .2"),),
        subject="model",
    )


@check(
    "evaluated-with-gradients",
    what="the test writes down graphs for a backward that never comes",
    why="every activation of the test is kept: two to three times the memory, and time for nothing",
    phase="run",
    needs=("evaluations",),
    symptom="cost",
    mend="Run the test under torch.inference_mode() or torch.no_grad().",
    code="with torch.inference_mode():\n    output = model(x)",
    thresholds=(Threshold("share of the passes", 0.5, "a test runs with gradients or without"),),
    source="PyTorch documentation, 'Autograd mechanics', grad modes",
)
def evaluated_with_gradients(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    found = [each for each in case.trace.evaluations if each.graphs > limits["share of the passes"] and each.passes > 1]
    if found and len(found) * 2 >= len(case.trace.evaluations):
        yield Seen(
            f"{len(found)} tests of up to {max(each.samples for each in found):,} samples ran with gradients.",
            severity="note",
            sure=0.9,
            evidence=(
                Evidence("share of passes with a graph", Number.of(max(each.graphs for each in found)), limit="0"),
            ),
            subject="test",
        )


@check(
    "trained-on-test",
    what="the batches of training are test samples",
    why="the test asks what was learnt by heart",
    phase="run",
    needs=("probes", "test"),
    symptom="good",
    mend="Give the training loader to the loop that steps.",
    code="train_one_epoch(model, train_loader); evaluate(model, test_loader)",
    thresholds=(Threshold("share of the batches looked into", 0.5, "arithmetic: none, or all"),),
    cost="a look-up of 16 inputs a step that is looked into",
    source="Kaufman et al. 2012, 'Leakage in data mining'",
    leads_to=("too-good", "metric-on-train"),
)
def trained_on_test(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    batches = [each.first for each in case.trace.probes if each.first is not None]
    if len(batches) < FEWEST:
        return
    hits = sum(holds(case, "test", each) and not holds(case, "train", each) for each in batches)
    if hits / len(batches) > limits["share of the batches looked into"]:
        yield Seen(
            f"In {hits} of {len(batches)} steps that were looked into the training batch is of the test set.",
            sure=0.98,
            evidence=(Evidence("share of batches of the test set", wilson(hits, len(batches), of="steps"), limit="0"),),
            subject="train",
        )


@check(
    "metric-on-train",
    what="the test that the loop makes runs over training data",
    why="its result tells how well the images were learnt by heart, not how well new ones are named",
    phase="end",
    needs=("evaluations", "train", "test"),
    symptom="good",
    mend="Give the test loader to the function that measures.",
    code="accuracy = evaluate(model, test_loader)",
    thresholds=(Threshold("share of a batch's inputs found among those of training", MATCH, "equal inputs, by hash"),),
    cost="a look-up of 32 inputs a test",
    else_=("a test of the test data that is made elsewhere, or after the watched block",),
)
def metric_on_train(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    tests = [each for each in case.trace.evaluations if each.first is not None and each.passes * each.samples > 1]
    if not tests or any(_of_test(case, each) for each in tests):
        return
    on_train = [each for each in tests if holds(case, "train", each.first) and holds(case, "train", each.last)]
    if len(on_train) < len(tests) or max(each.samples for each in tests) < 2 * (
        case.train.batch or 1 if case.train else 1
    ):
        return
    if _every_step(on_train):
        return  # a part of the loss, such as a teacher's scores
    yield Seen(
        f"All {len(tests)} tests of the loop ran over training data; none of them saw the test set that was given.",
        sure=0.9,
        evidence=(Evidence("tests over training data", wilson(len(on_train), len(tests), of="tests"), limit="0"),),
        subject="test",
    )


def _every_step(found: list[Evaluation]) -> bool:
    apart = [b.step - a.step for a, b in pairwise(found)]
    return len(found) >= FEWEST and median(apart) < 3
