"""Checks of the numbers that inputs hold: finite, varied, of one range, of a scale that a net can take."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from striate.core.finding import Evidence, Severity
from striate.core.number import Number
from striate.metrics.intervals import wilson

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..entering import Entering, entering
from ..samples import Samples, unnoticed
from ..start import copied, output_of, place_of

FOLLOWS = (
    "output-nan",
    "loss-at-start",
    "start-dead",
    "saturated",
    "activations-exploding",
    "activations-vanishing",
    "gradients-exploding",
    "gradients-vanishing",
    "gradients-not-finite",
    "clipping-always",
    "capacity",
    "rate-too-high",
    "rate-too-low",
    "plateau",
    "diverged",
    "no-progress",
    "inputs-not-normalised",
)
SPLITS = ("preprocessing-differs", "train-test-shift", "channel-order", "augmentation-destroys-label")


@check(
    "inputs-not-finite",
    what="inputs hold NaN or infinite values",
    why="one such value makes the loss NaN, and after one step every weight",
    phase="data",
    needs=("train",),
    symptom="nan",
    mend="Find where they come from: a division by a deviation of 0, a logarithm of 0, missing values, float16.",
    code="assert x.isfinite().all()",
    leads_to=("inputs-constant", *SPLITS, *FOLLOWS),
)
def inputs_not_finite(case: Case, limits: Limits) -> Iterator[Seen]:
    for name, samples in (("training", case.train), ("test", case.test if case.setup.test is not None else None)):
        if samples is None or not samples.x.is_floating_point():
            continue
        broken = ~samples.x.flatten(1).isfinite().all(1)
        if samples.again is not None and samples.again.shape[1:] == samples.x.shape[1:]:
            broken[: len(samples.again)] |= ~samples.again.flatten(1).isfinite().all(1)
        count = int(broken.sum())
        if not count:
            continue
        shown = samples.x[broken]
        rows = samples.rows[broken].tolist() if len(samples.rows) == len(broken) else []
        where = f" (rows {', '.join(map(str, sorted(rows)[:6]))}{' ...' if len(rows) > 6 else ''})" if rows else ""
        yield Seen(
            f"{count:,} of {len(samples):,} {name} inputs hold NaN or infinite values{where}.",
            evidence=(Evidence("share of inputs", wilson(count, len(samples))),),
            subject=name,
            sure=1.0,
            images=(f"{name} inputs with such values (shown as 0)", torch.where(shown.isfinite(), shown, 0))
            if samples.images
            else None,
        )


def _blank(x: Tensor) -> Tensor:
    """Which images (n, C, H, W) have one value everywhere in each channel."""
    level = x.flatten(2)
    return (level.amax(2) - level.amin(2)).amax(1) == 0


@check(
    "inputs-constant",
    what="inputs that are all the same, or are empty",
    why="what does not vary from sample to sample says nothing about the label",
    phase="data",
    needs=("train",),
    symptom="flat",
    mend="Look at what the data set gives for different rows: a path that is always the same, a failed decoding.",
    code="print((x - x[0]).abs().max(), x.flatten(2).std(2).mean(0))",
    thresholds=(Threshold("share of empty images", 0.05, "healthy photographs have none; near-empty scans are rare"),),
    leads_to=("labels-shuffled", "labels-shifted-rows", "inputs-range-mixed", "input-scale", *SPLITS, *FOLLOWS),
)
def inputs_constant(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x = train.x.float()
    if len(x) < 20 or not bool(x.isfinite().all()):
        return
    reach = float((x - x[:1]).abs().amax())
    if reach <= 1e-7 * float(x.abs().amax()):
        yield Seen(
            f"All {len(x):,} training inputs that were drawn are the same.",
            evidence=(Evidence("largest difference", Number.of(reach)),),
            sure=1.0,
            images=("training inputs", x) if train.images else None,
        )
        return
    if not train.images:
        return
    level = x.flatten(2)
    same = (level - level[:1]).abs().amax((0, 2)) <= 1e-7 * float(x.abs().amax())
    if bool(same.any()):
        names = ", ".join(str(each) for each in same.nonzero().flatten().tolist()[:8])
        pictures = x.shape[1] == 3 or (x.shape[1] == 4 and bool(same[:3].any()))
        yield Seen(
            f"Channel {names} of {x.shape[1]} has the same values in every training image.",
            severity="warning" if pictures else "note",
            evidence=(Evidence("channels that never vary", Number.of(int(same.sum()))),),
            sure=0.95,
            subject="channel",
            mend="Look at how channels are read and at their mean and deviation; leave out one that carries nothing.",
        )
    blank = _blank(x)
    share = float(blank.float().mean())
    if share > limits["share of empty images"]:
        drawn = train.again is not None and not bool(
            (blank[: len(train.again)] == _blank(train.again.float())[: len(blank)]).all()
        )  # the same samples are empty one time and not the next: what is drawn anew empties them
        yield Seen(
            f"{int(blank.sum()):,} of {len(x):,} training images are empty: one value everywhere.",
            severity="note" if drawn or _tell(train, blank) else "warning",
            evidence=(Evidence("share of empty images", wilson(int(blank.sum()), len(x)), limit="above .05"),),
            sure=0.9,
            subject="blank",
            mend="Weaken the augmentation that empties them."
            if drawn
            else "Look at what reading an image gives where it fails; leave such samples out.",
        )


def _tell(train: Samples, rows: Tensor) -> bool:
    """Whether these samples have a label of their own: then they are empty for a reason, as slices of a scan are."""
    if train.targets != "classes":
        return False
    counts, all_ = torch.bincount(train.labels[rows]), torch.bincount(train.labels)
    own, usual = float(counts.max() / counts.sum()), float(all_.max() / all_.sum())
    return own > 0.5 + 0.5 * usual


@check(
    "input-type",
    what="inputs have another number type than the weights",
    why="the first layer takes inputs of its weights' type only and stops with an error",
    phase="run",
    needs=("train",),
    symptom="crash",
    mend="Turn inputs into float32 where they are read, images into [0, 1].",
    code="x = x.float() / 255",
    leads_to=("input-scale", "never-stepped"),
)
def input_type(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    if case.trace is not None and case.trace.steps:
        return  # the loop converts them
    kind = str(train.x.dtype).rpartition(".")[2]
    if train.x.is_floating_point():
        weights = place_of(case.model)[1]
        raised = "" if case.trace is None else case.trace.error
        if train.x.dtype == torch.float64 and weights != torch.float64:
            yield Seen(
                f"Inputs are float64 and weights {str(weights).rpartition('.')[2]}: the first layer refuses.",
                severity="error" if "ouble" in raised or "dtype" in raised else "note",
                evidence=(Evidence("bits of an input", Number.of(64)),),
                code="x = x.float()  # NumPy's numbers are float64 unless told",
                mend="Turn inputs into float32 where they are read.",
            )
        return
    if case.start is not None or not any(each.startswith("the model raises") for each in case.crashes):
        return
    if _passes(case, train.x[:4].float()):
        yield Seen(
            f"Inputs are {kind}, whole numbers; the model takes them as float32 only.",
            severity="error" if case.trace is not None else "warning",
            evidence=(Evidence("largest value", Number.of(float(train.x.max()))),),
            sure=0.9,
            code="x = x.float() / 255" if train.images else "x = x.float()",
        )


def _passes(case: Case, x: Tensor) -> bool:
    try:
        with unnoticed(), torch.no_grad():
            model = copied(case.setup.model).eval()
            device, dtype = place_of(model)
            output_of(model, x.to(device, dtype), case.train.named if case.train is not None else ())
    except Exception:
        return False
    return True


@check(
    "inputs-changed-in-place",
    what="reading a sample changes the stored one",
    why="each epoch normalises what was normalised before: after a few epochs nothing is left of the images",
    phase="data",
    needs=("train", "again"),
    symptom="unstable",
    mend="Leave out the underscore of in-place operations where samples are read, or copy first.",
    code="x = (x - mean) / std  # not x.sub_(mean).div_(std)",
    thresholds=(
        Threshold("largest share of an image that one line does not explain", 1e-4, "rounding; noise is no line"),
        Threshold("factor or its inverse", 1.02, "rounding; random brightness differs from image to image"),
    ),
    leads_to=("input-scale", "inputs-decoded-twice", "augmentation-repeats", *SPLITS, *FOLLOWS),
)
def inputs_changed_in_place(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    assert train.again is not None
    count = len(train.again)
    if not train.x.is_floating_point() or train.again.shape[1:] != train.x.shape[1:] or count < 8:
        return
    parts = range(train.x.shape[1]) if train.images else (None,)
    slopes: list[float] = []
    shifts: list[float] = []
    worst = 0.0
    for part in parts:
        first = (train.x[:count] if part is None else train.x[:count, part]).flatten(1).double()
        second = (train.again if part is None else train.again[:, part]).flatten(1).double()
        if not bool(first.isfinite().all()) or not bool(second.isfinite().all()) or float(first.std()) == 0:
            return
        a, b = _line(first.flatten(), second.flatten())
        left = (second - a * first - b).square().mean() / second.square().mean().clamp(min=1e-30)
        worst, slopes, shifts = max(worst, float(left)), [*slopes, a], [*shifts, b]
    far = max(max(abs(a), 1 / max(abs(a), 1e-9)) for a in slopes)
    offset = max(abs(b) for b in shifts) / float(train.x[:count].double().std())
    explained = worst <= limits["largest share of an image that one line does not explain"]
    if explained and (far > limits["factor or its inverse"] or offset > 0.02) and min(slopes) > 0:
        yield Seen(
            f"Samples drawn a second time are other numbers: {slopes[0]:.3g} times the first"
            f"{f' {shifts[0]:+.3g}' if offset > 0.02 else ''}, the same for all {count}.",
            evidence=(
                Evidence("factor", Number.of(slopes[0]), limit="1 where nothing changes"),
                Evidence("share that the line leaves over", Number.of(worst), limit="below 1e-4"),
            ),
            sure=0.97,
        )


def _line(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Slope and offset of the line through pairs, least squares."""
    a = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    return a, float(y.mean()) - a * float(x.mean())


@check(
    "inputs-range-mixed",
    what="some inputs are scaled otherwise than the others",
    why="the few large ones rule every batch, the few small ones are never seen",
    phase="data",
    needs=("train", "images"),
    symptom="unstable",
    mend="Divide by 255 by the type that was read (uint8 or 16 bit), never by looking at an image's largest value.",
    code="x = image.float() / (65535 if image.dtype == torch.uint16 else 255)",
    thresholds=(
        Threshold("factor between the median ranges", 60.0, "healthy sets lie below 5; 255 is the common mistake"),
        Threshold("gap between neighbouring ranges", 8.0, "healthy sets lie below 2"),
        Threshold("share of the smaller part", 0.01, "less is a broken file or two"),
    ),
    leads_to=("input-scale", *SPLITS, *FOLLOWS),
)
def inputs_range_mixed(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    x = train.x.float().flatten(1)
    x = x[x.isfinite().all(1)]
    if len(x) < 50:
        return
    reach = x.amax(1) - x.amin(1)
    live = reach > 0
    x, reach = x[live], reach[live]
    if len(x) < 50:
        return
    ordered, rows = reach.sort()
    gaps = ordered[1:] / ordered[:-1]
    at = int(gaps.argmax()) + 1
    low, high = ordered[:at], ordered[at:]
    factor = float(high.median() / low.median())
    few = min(len(low), len(high))
    levels = torch.tensor([len(torch.unique(x[row])) for row in rows[:at][:32].tolist()]).float().median()
    if (
        factor > limits["factor between the median ranges"]
        and float(gaps.max()) > limits["gap between neighbouring ranges"]
        and few >= max(3, limits["share of the smaller part"] * len(x))
        and float(levels) > 12  # an empty image with some noise has two or three
    ):
        pictures = train.x[live.nonzero().flatten()[rows]] if bool(live.all()) else train.x
        yield Seen(
            f"Training images come in two scales: {len(low):,} span {float(low.median()):.3g}, "
            f"{len(high):,} span {float(high.median()):.3g}, {factor:.0f} times as much.",
            evidence=(Evidence("factor between the median ranges", Number.of(factor), limit="above 60"),),
            images=("eight of the smaller and eight of the larger scale", torch.cat((pictures[:8], pictures[-8:]))),
            sure=0.97,
        )


@check(
    "inputs-decoded-twice",
    what="images were divided by 255 twice",
    why="all inputs are nearly equal, so the first layer has to grow by hundreds before anything is seen",
    phase="start",
    needs=("train", "images", "start"),
    symptom="slow",
    mend="Divide by 255 once: ToTensor does it for uint8; do not do it again, nor on floats.",
    code="print(x.min(), x.max())  # about 0 and 1, or -2 and 2 once normalised",
    thresholds=(
        Threshold("range of all values", 0.1, "1/255, up to 20/255 once normalised; healthy sets reach 1"),
    ),
    else_=("images in [0, 1] normalised with a mean and deviation meant for 0 to 255",),
    leads_to=("input-scale", "inputs-range-mixed", "pictures-without-detail", *FOLLOWS),
)  # fmt: skip
def inputs_decoded_twice(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.start is not None
    x = case.train.x
    if not x.is_floating_point() or not bool(x.isfinite().all()):
        return
    low, high, spread = float(x.min()), float(x.max()), float(x.float().std())
    if not 0.002 < high - low < limits["range of all values"]:
        return
    come = entering(case.start)
    if come is None or float(come.x.max() - come.x.min()) >= limits["range of all values"]:
        return
    raw = low >= 0 and high <= 1.02 / 255
    normalised = abs(float(x.mean())) > 10 * spread
    if raw or normalised:
        before = "" if raw else " (and normalised after that)"
        yield Seen(
            f"Inputs span {high - low:.2g}, from {low:.4g} to {high:.4g}: as if divided by 255 twice{before}.",
            severity=_weight(come),
            evidence=(
                Evidence("range of all values", Number.of(high - low), limit="below .1"),
                Evidence(
                    "their standard deviation", Number.of(spread), limit="healthy sets lie near 1, or .3 in [0, 1]"
                ),
            ),
            sure=0.95 if raw else 0.85,
        )


@check(
    "input-scale",
    what="inputs are far too large, far too small, or far from 0",
    why="the first layer's outputs and gradients are as far off, so no learning rate fits all layers",
    phase="start",
    needs=("train", "start"),
    symptom="unstable",
    mend="Take off the training data's mean and divide by their standard deviation, channel by channel.",
    code="x = (x - mean) / std  # of the training data; images: x.float() / 255 first",
    thresholds=(
        Threshold(
            "root mean square, too large", 15.0, "raw images lie above 30; healthy set-ups below 3, 0 to 16 at 8"
        ),
        Threshold("range, too small", 0.05, "healthy set-ups lie above .9"),
        Threshold("mean over deviation", 15.0, "healthy set-ups lie below 5, even drawings on white in [0, 1]"),
    ),
    source="LeCun, Bottou, Orr & Muller 1998, Efficient BackProp, section 4.3",
    leads_to=FOLLOWS,
)
def input_scale(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.start is not None
    come = entering(case.start)
    if come is None or not bool(come.x.isfinite().all()) or float(come.x.std()) == 0:
        return
    size, mean, spread = float(come.x.square().mean().sqrt()), float(come.x.mean()), float(come.x.std())
    span = float(come.x.max() - come.x.min())
    raw = case.train.images and float(come.x.min()) >= 0 and 2 < float(come.x.max()) <= 256
    if size > limits["root mean square, too large"]:
        seen, what, number, limit = f"Inputs are large: {_range(come)}", "root mean square", size, "above 15"
    elif span < limits["range, too small"]:
        seen, what, number, limit = f"Inputs hardly differ: {_range(come)}", "range", span, "below .05"
    elif abs(mean) > limits["mean over deviation"] * spread:
        seen, what, number, limit = (
            f"Inputs lie far from 0: {_range(come)}", "mean over deviation", abs(mean) / spread, "above 15",
        )  # fmt: skip
    else:
        return
    yield Seen(
        f"{seen}{', as images are before they are divided by 255' if raw and size > 15 else ''}.",
        severity=_weight(come),
        evidence=(
            Evidence(what, Number.of(number, n=len(come.x)), limit=limit),
            Evidence(f"standard deviation before {come.name}", Number.of(spread), limit="best about 1"),
        ),
        code="x = x.float() / 255; x = (x - mean) / std" if raw and size > 15 else None,
        sure=0.95,
    )


def _range(come: Entering) -> str:
    return f"{float(come.x.min()):.4g} to {float(come.x.max()):.4g}, mean {float(come.x.mean()):.3g}, deviation " + (
        f"{float(come.x.std()):.3g}"
    )


def _weight(come: Entering) -> Severity:
    """A normalisation after the first layer takes the scale out again, unless its epsilon is larger than the signal."""
    return "note" if come.normed and come.spread**2 > 1e-4 else "warning"


@check(
    "inputs-not-normalised",
    what="inputs are not of mean 0 and deviation 1",
    why="inputs of one sign push all weights of a unit the same way; learning takes somewhat longer",
    phase="start",
    needs=("train", "start"),
    symptom="cost",
    mend="Take off the training data's mean and divide by their standard deviation, channel by channel.",
    code="x = (x - mean) / std",
    thresholds=(Threshold("mean over deviation, or factor of the deviation from 1", 3.0, "worth saying, no more"),),
    source="LeCun, Bottou, Orr & Muller 1998, Efficient BackProp, section 4.3",
)
def inputs_not_normalised(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    come = entering(case.start)
    if come is None or come.normed or not bool(come.x.isfinite().all()) or float(come.x.std()) == 0:
        return
    if case.train is not None and not case.train.images:
        return  # counts of words, one-hot columns
    mean, spread = float(come.x.mean()), float(come.x.std())
    off = max(abs(mean) / spread, spread, 1 / spread)
    if off > limits["mean over deviation, or factor of the deviation from 1"]:
        yield Seen(
            f"Inputs have the mean {mean:.3g} and the standard deviation {spread:.3g}.",
            severity="note",
            evidence=(Evidence("mean over deviation, or factor from 1", Number.of(off), limit="above 3"),),
            sure=0.9,
        )
