"""Checks of how data are split and fed: leaks, splits prepared differently, the order and the number of batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations

import torch
from torch import Tensor

from striate.core.finding import Evidence
from striate.core.number import Number
from striate.metrics.intervals import wilson, wilson_bounds

from ..alike import (
    Compared,
    afar,
    compared,
    directions,
    faithful,
    marks,
    mean_distance,
    nearest_distance,
    spread_rows,
    stored,
    told_apart,
    twins,
    varied,
)
from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..samples import Samples

FEWEST = 3  # pairs from which on one speaks of a leak
FAR = 8.0  # times the training's deviation that only another scale explains
TESTED = 2_000  # test inputs that are compared
AMONG = 4_000  # training inputs that near twins are looked for among
OUTCOMES = ("too-good", "leak-near")


def _compared(case: Case, most: int) -> Compared | None:
    assert case.train is not None
    assert case.test is not None
    found = compared(case.train, case.test, case.setup.train, case.setup.test)
    return None if found is None else Compared(found.train, spread_rows(found.test, most), found.covered)


@check(
    "leak-exact",
    what="test inputs are equal to training inputs",
    why="the test asks what was learnt by heart, so its result says nothing of new images",
    phase="data",
    needs=("train", "test"),
    symptom="good",
    mend="Take equal inputs out of the test set; split before copying rows, and by person, scene or film.",
    code="seen = {row.numpy().tobytes() for row in train_x}\n"
    "keep = [row.numpy().tobytes() not in seen for row in test_x]; test_x, test_y = test_x[keep], test_y[keep]",
    thresholds=(
        Threshold("share of test inputs", 0.01, "healthy splits of digits, MNIST, FashionMNIST: 0 of 500"),
        Threshold("share that makes it an error", 0.05, "below, the published result moves by less than its interval"),
    ),
    cost="one sum over the bits of every input that lies in memory",
    source="Barz & Denzler 2020, 'Do we train on test data?'; Kaufman et al. 2012, 'Leakage in data mining'",
    else_=("inputs that can take few values only, so that equal ones are no copies",),
    leads_to=OUTCOMES,
)
def leak_exact(case: Case, limits: Limits) -> Iterator[Seen]:
    both = _compared(case, TESTED)
    if both is None:
        return
    found = twins(both.train, both.test)
    found[~varied(both.test)] = -1
    hits = (found >= 0).nonzero().flatten()
    share = len(hits) / len(both.test)
    if both.test[0].numel() < 32:  # few values may coincide: as often as training inputs do among themselves
        own = len(both.train) - len(torch.unique(both.train.flatten(1), dim=0))
        share -= own / len(both.train)
    estimate = min(1.0, share / (both.covered or 1.0))
    if len(hits) < FEWEST or estimate < limits["share of test inputs"]:
        return
    serious = estimate >= limits["share that makes it an error"]
    about = "" if (both.covered or 1.0) >= 1 else f", which makes about {estimate:.0%} where all are compared"
    pictures = torch.cat((both.test[hits[:8]], both.train[found[hits[:8]]])) if both.test.dim() == 4 else None
    yield Seen(
        f"{len(hits):,} of {len(both.test):,} test inputs are equal to a training input{about}.",
        severity="error" if serious else "warning",
        sure=1.0,
        evidence=(
            Evidence("share of test inputs", wilson(len(hits), len(both.test), of="test inputs"), limit="below .01"),
            Evidence(f"compared: {both.words}"),
        ),
        subject="test",
        images=None if pictures is None else ("test inputs, then the training inputs that equal them", pictures),
    )


@check(
    "leak-near",
    what="test inputs are training inputs, slightly changed",
    why="copies in another brightness, with noise or mirrored ask what was learnt by heart",
    phase="data",
    needs=("train", "test"),
    symptom="good",
    mend="Split before augmenting, and keep frames of one film, photos of one object, copies of one image together.",
    code="GroupShuffleSplit(test_size=0.2).split(x, y, groups=source_of_each_image)",
    thresholds=(
        Threshold(
            "of the middle distance between neighbours", 0.3,
            "healthy digits, MNIST, FashionMNIST, CIFAR10: at most .4 % of test images lie that near",
        ),
        Threshold("share of test inputs above that of training inputs", 0.02, "five times what healthy splits show"),
    ),
    cost="a table of correlations of at most 1,000 by 4,000 inputs of 16 x 16, twice",
    source="Barz & Denzler 2020, 'Do we train on test data?', section 3",
    else_=("classes whose images hardly differ",),
    leads_to=("too-good",),
)  # fmt: skip
def leak_near(case: Case, limits: Limits) -> Iterator[Seen]:
    both = _compared(case, 1_000)
    if both is None or both.test[0].numel() < 32 or len(both.train) < 60 or len(both.test) < 30:
        return
    train, test = spread_rows(both.train, AMONG), both.test
    covered = (both.covered or 1.0) * len(train) / len(both.train)
    kept = varied(test) & (twins(train, test) < 0)
    train, test = train[varied(train)], test[kept]
    if len(test) < 30 or len(train) < 60 or not bool(train.float().isfinite().all() & test.float().isfinite().all()):
        return
    among = directions(train)
    # equal training images are left out: copies of an over-sampled class are no measure of nearness
    own = _second_nearest(spread_rows(among, 1_000), among)
    own = own[own > 1e-3]
    if len(own) < 30:
        return
    bound = limits["of the middle distance between neighbours"] * float(own.median())
    best, rows = nearest_distance(directions(test), among, same=False)
    if test.dim() == 4:
        mirrored, others = nearest_distance(directions(test.flip(3)), among, same=False)
        rows, best = torch.where(mirrored < best, others, rows), torch.minimum(best, mirrored)
    near = (best < bound).nonzero().flatten()
    usual = wilson_bounds(int((own < bound).sum()), len(own))[1]
    lower = wilson_bounds(len(near), len(test))[0]
    margin = limits["share of test inputs above that of training inputs"] * min(1.0, covered * 2)
    if len(near) < FEWEST or lower < usual * 2 or len(near) / len(test) < usual + margin:
        return
    pictures = torch.cat((test[near[:8]], train[rows[near[:8]]])) if test.dim() == 4 else None
    yield Seen(
        f"{len(near):,} of {len(test):,} test inputs are nearly equal to a training input "
        f"(of training inputs among themselves {float((own < bound).float().mean()):.1%} are).",
        severity="error" if len(near) / len(test) / covered >= 0.05 else "warning",
        sure=0.85,
        evidence=(
            Evidence(
                "share of test inputs within a third of the usual distance",
                wilson(len(near), len(test), of="test inputs"),
                limit=f"below {usual + margin:.3f} (training inputs among themselves)",
            ),
            Evidence(f"compared: {both.words}"),
        ),
        subject="test",
        images=None if pictures is None else ("test inputs, then the training inputs nearest to them", pictures),
    )


def _second_nearest(x: Tensor, among: Tensor) -> Tensor:
    """Distance (n,) to the nearest of ``among`` beside itself, where rows of ``x`` are among them."""
    inner = (x @ among.t()).topk(2, dim=1).values[:, 1]
    return (2 - 2 * inner).clamp(min=0).sqrt()


Change = Callable[[Tensor], Tensor]


def _turns(x: Tensor) -> dict[str, Change]:
    """What may have been done to one split's pictures and not to the other's, in words."""
    found: dict[str, Change] = {
        "mirrored left to right": lambda t: t.flip(3),
        "turned upside down (rows in reverse)": lambda t: t.flip(2),
        "rotated by 180 degrees": lambda t: t.flip(2, 3),
        "inverted (dark for light)": lambda t: t.mean((0, 2, 3), keepdim=True) - t,
    }
    if x.shape[2] == x.shape[3]:
        found["transposed (rows for columns)"] = lambda t: t.transpose(2, 3)
        found["rotated by 90 degrees"] = lambda t: t.rot90(1, (2, 3))
        found["rotated by 270 degrees"] = lambda t: t.rot90(3, (2, 3))
    return found


@check(
    "channel-order",
    what="channels of the test images stand in another order",
    why="the model sees blue where it learnt red",
    phase="data",
    needs=("train", "test", "images"),
    symptom="shift",
    mend="Read both splits by one function; OpenCV gives blue, green, red, everything else red, green, blue.",
    code="image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)",
    thresholds=(
        Threshold("mean T^2 of the splits' mean pictures", 1.4, "healthy splits of 1,500 and 500 images: .3 to .5"),
    ),
    cost="means and covariances of images at 8 x 8",
    source="Hotelling 1931",
    leads_to=("train-test-shift", "train-eval-gap", "overfitting", "memorisation", "preprocessing-differs"),
)
def channel_order(case: Case, limits: Limits) -> Iterator[Seen]:
    pair = _pictures(case)
    if pair is None or pair[0].shape[1] != 3:
        return
    train, test = pair
    reference = mean_distance(afar(train), afar(test))
    orders = {order: test[:, list(order)] for order in permutations(range(3)) if order != (0, 1, 2)}
    scores = {order: mean_distance(afar(train), afar(each)) for order, each in orders.items()}
    best = min(scores, key=lambda order: scores[order])
    if _explains(scores[best], reference, limits["mean T^2 of the splits' mean pictures"]):
        yield Seen(
            f"The test images look like the training images once their channels are put in the order {best}.",
            sure=0.9,
            evidence=(
                Evidence("distance of the mean pictures (T^2)", Number.of(reference), limit="below 1.4"),
                Evidence("the same after reordering", Number.of(scores[best])),
            ),
            subject="test",
            images=("training images, then test images", torch.cat((train[:8], test[:8]))),
        )


def _explains(score: float, reference: float, limit: float) -> bool:
    return reference > limit and score < reference / 2 and score < max(1.0, reference / 8)


def _pictures(case: Case) -> tuple[Tensor, Tensor] | None:
    """Drawn images of both splits that may be compared, on the scale on which they are drawn."""
    train, test = case.train, case.test
    assert train is not None
    assert test is not None
    if train.x.shape[1:] != test.x.shape[1:] or min(len(train), len(test)) < 60 or not train.images:
        return None
    a, b = train.x.float(), test.x.float()
    return (a, b) if bool(a.isfinite().all() & b.isfinite().all()) and float(a.std()) > 0 < float(b.std()) else None


@check(
    "preprocessing-differs",
    what="training and test inputs are prepared differently",
    why="the model meets numbers in the test that it never learnt from",
    phase="data",
    needs=("train", "test"),
    symptom="shift",
    mend="Prepare both splits by the same transform, with mean and deviation of the training data.",
    code="transform = Normalize(mean, std)  # of the training data; one object for both data sets",
    thresholds=(
        Threshold("deviations between the means", 0.5, "healthy splits: below .05"),
        Threshold("ratio of the deviations", 1.5, "healthy splits: below 1.02; strong colour jitter 1.2"),
        Threshold("gap of the quantiles once both are standardised", 0.15, "a tenth of a deviation is sampling"),
        Threshold("mean T^2 of the splits' mean pictures", 1.4, "healthy splits of 1,500 and 500 images: .3 to .5"),
    ),
    cost="means, deviations, quantiles; covariances of images at 8 x 8",
    else_=("data that were gathered elsewhere (another camera, another hour)",),
    leads_to=("train-test-shift", "train-eval-gap", "overfitting", "memorisation", "statistics-from-test"),
)
def preprocessing_differs(case: Case, limits: Limits) -> Iterator[Seen]:
    train, test = case.train, case.test
    assert train is not None
    assert test is not None
    if train.x.shape[1:] != test.x.shape[1:] or min(len(train), len(test)) < 60 or not train.x.is_floating_point():
        return
    if not bool(train.x.isfinite().all() & test.x.isfinite().all()):
        return
    scaled = list(_scaled(train.x.float(), test.x.float(), limits))
    yield from scaled
    pair = None if scaled else _pictures(case)
    if pair is None:
        return
    middle = pair[0].mean((0, 2, 3), keepdim=True)
    a, b = pair[0] - middle, pair[1] - middle
    reference = mean_distance(afar(a), afar(b))
    limit = limits["mean T^2 of the splits' mean pictures"]
    if reference <= limit:
        return
    scores = {name: mean_distance(afar(a), afar(change(b))) for name, change in _turns(b).items()}
    best = min(scores, key=lambda name: scores[name])
    if _explains(scores[best], reference, limit):
        yield Seen(
            f"The test images look like training images that are {best}.",
            sure=0.9,
            evidence=(
                Evidence("distance of the mean pictures (T^2)", Number.of(reference), limit=f"below {limit}"),
                Evidence("the same once that is undone", Number.of(scores[best])),
            ),
            subject="geometry",
            images=("training images, then test images", torch.cat((pair[0][:8], pair[1][:8]))),
        )


def _scaled(train: Tensor, test: Tensor, limits: Limits) -> Iterator[Seen]:
    """Whether the test's values are the training's, multiplied and moved."""
    mean, std = float(train.mean()), float(train.std())
    other, spread = float(test.mean()), float(test.std())
    if std <= 0 or spread <= 0:
        return
    moved, ratio = (other - mean) / std, spread / std
    errors = [float(x.flatten(1).mean(1).std()) / math.sqrt(len(x)) / s for x, s in ((train, std), (test, spread))]
    apart = abs(moved) > max(limits["deviations between the means"], 6 * math.hypot(*errors))
    if not apart and max(ratio, 1 / ratio) <= limits["ratio of the deviations"]:
        return
    at = torch.linspace(0.05, 0.95, 19)
    ours, theirs = (_shape(x, at) for x in (train, test))
    gap, mirrored = float((ours - theirs).abs().max()), float((ours + theirs.flip(0)).abs().max())
    bound = limits["gap of the quantiles once both are standardised"]
    if min(gap, mirrored) > bound and 1 / FAR < ratio < FAR:  # no other source is so far off
        return
    if mirrored < gap / 2:
        said = "The test inputs are inverted (dark for light) against the training inputs"
    else:
        said = _scale_words(train, test)
    yield Seen(
        f"{said}: mean {other:.3g} and deviation {spread:.3g} in the test, {mean:.3g} and {std:.3g} in training.",
        sure=0.95 if max(ratio, 1 / ratio) > 2 or abs(moved) > 1 else 0.8,
        evidence=(
            Evidence("test's deviation over the training's", Number.of(ratio), limit="between .67 and 1.5"),
            Evidence("deviations between the means", Number.of(moved), limit="below .5"),
            Evidence(
                "gap of the quantiles once both are standardised", Number.of(min(gap, mirrored)), limit="below .15"
            ),
        ),
        subject="scale",
    )


def _shape(x: Tensor, at: Tensor) -> Tensor:
    """Quantiles of the values, brought to mean 0 and deviation 1: the tails count for nothing."""
    places = torch.linspace(0, x.numel() - 1, min(x.numel(), 200_000), dtype=torch.float64).long()
    quantiles = torch.quantile(x.flatten()[places], at)  # whole strides would fall on the same columns again and again
    return (quantiles - quantiles.mean()) / quantiles.std().clamp(min=1e-9)


def _scale_words(train: Tensor, test: Tensor) -> str:
    def pixels(x: Tensor) -> bool:
        return float(x.min()) >= 0 and 0.5 < float(x.max()) <= 1

    def normalised(x: Tensor) -> bool:
        return abs(float(x.mean())) < 0.2 and 0.7 < float(x.std()) < 1.4

    def bytes_(x: Tensor) -> bool:
        return float(x.min()) >= 0 and 128 < float(x.max()) <= 255

    if normalised(train) and (pixels(test) or bytes_(test)):
        return "The training inputs are normalised and the test inputs are not"
    if normalised(test) and (pixels(train) or bytes_(train)):
        return "The test inputs are normalised and the training inputs are not"
    if pixels(train) and bytes_(test):
        return "The training inputs are divided by 255 and the test inputs are not"
    if bytes_(train) and pixels(test):
        return "The test inputs are divided by 255 and the training inputs are not"
    return "The test inputs are the training inputs' values on another scale"


@check(
    "train-test-shift",
    what="training and test inputs come from different sources",
    why="what is learnt on the one holds less on the other, and the test's result is of other data than it seems",
    phase="data",
    needs=("train", "test"),
    symptom="shift",
    mend="Split at random over the whole of the data, or gather training data like those of the test.",
    code="order = torch.randperm(len(x)); train, test = order[:n], order[n:]",
    thresholds=(
        Threshold("right by a ridge regression", 0.65, "healthy digits, MNIST, FashionMNIST, CIFAR10: .49 to .54"),
    ),
    cost="five small systems of equations on images at 8 x 8",
    source="Lopez-Paz & Oquab 2017, 'Revisiting classifier two-sample tests'",
    else_=("augmentation of the training images that the test images do not have", "a shift that is wanted"),
    leads_to=("overfitting",),
)
def train_test_shift(case: Case, limits: Limits) -> Iterator[Seen]:
    train, test = case.train, case.test
    assert train is not None
    assert test is not None
    both = compared(train, test, case.setup.train, case.setup.test)
    augmented = _random(train)
    if both is None or len(both.train) < 60 or len(both.test) < 60 or (augmented and both.train is train.x):
        return
    a, b = spread_rows(both.train, 1_000), spread_rows(both.test, 1_000)
    if not augmented and not _random(test):
        a, b = _of_one_mix(train, test) or (a, b)
    if not bool(a.float().isfinite().all() & b.float().isfinite().all()):
        return
    right, count = told_apart(marks(a), marks(b))
    bound = max(limits["right by a ridge regression"], 0.5 + 4 * math.sqrt(0.25 / count))
    if right / count > bound:
        yield Seen(
            f"A simple classifier tells training from test inputs, {right / count:.0%} right where 50% is chance.",
            severity="warning",
            sure=0.85,
            evidence=(
                Evidence("right, five-fold", wilson(right, count, of="inputs"), limit=f"below {bound:.2f}"),
                Evidence(f"compared: {both.words}"),
            ),
            subject="test",
            images=("training images, then test images", torch.cat((a[:8], b[:8]))) if a.dim() == 4 else None,
        )


def _of_one_mix(train: Samples, test: Samples) -> tuple[Tensor, Tensor] | None:
    """Rows of both splits in which each class is as frequent in the one as in the other; None where too few are left.

    A training set in which classes are rarer than in the test is no other source.
    """
    if train.targets != "classes" or test.targets != "classes" or train.x.shape[1:] != test.x.shape[1:]:
        return None
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    for each in range(int(torch.maximum(train.labels.max(), test.labels.max())) + 1):
        mine = [(split.labels == each).nonzero().flatten() for split in (train, test)]
        count = min(len(one) for one in mine)
        for kept, one in zip(rows, mine, strict=True):
            kept.append(one[:count])
    a, b = (torch.cat(kept) for kept in rows)
    return (train.x[a], test.x[b]) if len(a) >= 100 else None


def _random(samples: Samples) -> bool:
    """Whether samples are other ones each time they are drawn."""
    again = samples.again
    return (
        again is not None
        and again.shape == samples.x[: len(again)].shape
        and not torch.equal(again.nan_to_num(), samples.x[: len(again)].nan_to_num())
    )


@check(
    "statistics-from-test",
    what="mean and deviation were taken from the test set too",
    why="the test's own numbers are part of its preparation: they are not there where the model is used",
    phase="data",
    needs=("train", "test"),
    symptom="good",
    mend="Take mean and deviation from the training data alone, and use them for both splits.",
    code="mean, std = train_x.mean((0, 2, 3)), train_x.std((0, 2, 3)); test_x = (test_x - mean) / std",
    thresholds=(Threshold("distance of mean from 0 and of deviation from 1", 2e-4, "float32 leaves about 1e-6"),),
    cost="one pass over data that lie in memory",
    source="Hastie, Tibshirani & Friedman 2009, section 7.10.2; Kaufman et al. 2012",
    leads_to=("train-test-shift",),
)
def statistics_from_test(case: Case, limits: Limits) -> Iterator[Seen]:
    train, test = (
        _whole(each, given) for each, given in ((case.train, case.setup.train), (case.test, case.setup.test))
    )
    if train is None or test is None or train.shape[1:] != test.shape[1:] or min(len(train), len(test)) < 30:
        return
    bound = limits["distance of mean from 0 and of deviation from 1"]
    alone, tested = _standard(train, bound), _standard(test, bound)
    if alone and not tested:
        return
    if float(test[:64].float().flatten(1).mean(1).abs().max()) < 1e-3:
        return  # each input by itself has mean 0: nothing was taken from the others
    if tested:
        said = "The test set has mean 0 and deviation 1 to the last digit: it was normalised by its own statistics"
    elif _standard(torch.cat((train, test)), bound):
        said = (
            "Training and test set together have mean 0 and deviation 1 to the last digit, the training set alone has "
            "not: they were normalised before they were split"
        )
    else:
        return
    yield Seen(
        f"{said}.",
        severity="warning",
        sure=0.95,
        evidence=(
            Evidence("mean of the test set", Number.of(float(test.double().mean())), limit="0 within 2e-4"),
            Evidence("deviation of the test set", Number.of(float(test.double().std())), limit="1 within 2e-4"),
            Evidence("mean of the training set", Number.of(float(train.double().mean()))),
        ),
        subject="test",
    )


def _whole(samples: Samples | None, given: object) -> Tensor | None:
    """All inputs of a split where they are at hand and of a size that is soon added up."""
    if samples is None or not samples.x.is_floating_point():
        return None
    if samples.total is not None and len(samples) == samples.total:
        return samples.x
    held = stored(given)
    return held if held is not None and held.numel() <= 5e7 and faithful(held, samples) else None


def _standard(x: Tensor, bound: float) -> bool:
    """Whether mean is 0 and deviation 1: over all values, of each channel, or of each feature."""
    flat = x.double().flatten(2) if x.dim() > 2 else x.double()[:, :, None]
    whole = (flat.mean()[None], flat.std(correction=0)[None])
    channels = (flat.mean((0, 2)), flat.std((0, 2), correction=0))
    for mean, std in (whole, channels):
        if bool((mean.abs() < bound).all()) and bool(((std - 1).abs() < max(bound, 2 / flat.numel())).all()):
            return True
    mean, std = flat.mean(0), flat.std(0, correction=0)
    live = std > 1e-6
    close = ((std - 1).abs() < max(bound, 1 / len(x))) | ~live
    return bool(live.any()) and bool((mean.abs() < bound).all()) and bool(close.all())


@check(
    "not-shuffled",
    what="the loader goes through data sorted by class, in their order",
    why="each batch pulls towards its one or two classes, and what the last said is forgotten",
    phase="data",
    needs=("train", "labels"),
    symptom="unstable",
    mend="Let the training loader shuffle.",
    code="DataLoader(train, batch_size=64, shuffle=True)",
    thresholds=(
        Threshold("classes a batch over what chance gives", 0.6, "healthy loaders: .95 to 1.05, shuffled or not"),
    ),
    source="Bengio 2012, 'Practical recommendations for gradient-based training', section 2",
    leads_to=("predictions-collapsed", "underfitting", "train-eval-gap"),
)
def not_shuffled(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    size = train.batch
    in_order = train.labels if not len(train.rows) and train.y is not None else None
    if in_order is None and train.ordered is not None:
        in_order = Samples(train.x[:1], train.ordered).labels
    if in_order is None or size is None or size < 4 or len(in_order) < 2 * size:
        return
    counts = torch.bincount(torch.cat((train.labels, in_order)))
    shares = counts[counts > 0].double() / counts.sum()
    whole = in_order[: len(in_order) // size * size].reshape(-1, size)
    found = sum(len(batch.unique()) for batch in whole) / len(whole)
    expected = float((1 - (1 - shares) ** size).sum())
    if expected >= 1.5 and found / expected < limits["classes a batch over what chance gives"]:
        yield Seen(
            f"A training batch of {size} holds {found:.1f} classes, {expected:.1f} are expected of a random order.",
            sure=0.98,
            evidence=(
                Evidence("classes a batch over what chance gives", Number.of(found / expected), limit="above .6"),
            ),
            subject="train",
        )


@check(
    "no-batch",
    what="the loader gives no batch at all",
    why="an epoch makes no step, and nothing says so",
    phase="data",
    needs=("train", "loader"),
    symptom="flat",
    mend="Take a batch no larger than the data set, or keep the last, smaller batch.",
    code="DataLoader(train, batch_size=min(64, len(train)), drop_last=False)",
    source="torch.utils.data.DataLoader, drop_last",
)
def no_batch(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.train.loader is not None
    loader, total = case.train.loader, case.train.total
    if total is not None and loader.batch_size is not None and len(loader) == 0:
        yield Seen(
            f"The loader leaves out the last, smaller batch, and {total:,} samples do not fill one of "
            f"{loader.batch_size:,}.",
            sure=1.0,
            evidence=(Evidence("batches an epoch", Number.of(0.0), limit="at least 1"),),
            subject="train",
        )


@check(
    "batch-too-large",
    what="a batch holds half of the training set or more",
    why="an epoch makes one or two steps: many epochs are needed, and there is no noise that leads out of sharp minima",
    phase="data",
    needs=("train",),
    symptom="slow",
    mend="Take smaller batches, 32 to 256.",
    code="DataLoader(train, batch_size=64, shuffle=True)",
    thresholds=(Threshold("share of the training set", 0.5, "an epoch of fewer than two steps"),),
    source="Keskar et al. 2017, 'On large-batch training'; Masters & Luschi 2018, 'Revisiting small batch training'",
    else_=("the whole gradient on purpose (L-BFGS)",),
    leads_to=("full-batch", "steps-too-few", "no-progress"),
)
def batch_too_large(case: Case, limits: Limits) -> Iterator[Seen]:
    train = case.train
    assert train is not None
    loader = train.loader
    if train.batch is None or train.total is None or train.total < 256 or (loader is not None and len(loader) == 0):
        return
    if train.batch / train.total >= limits["share of the training set"]:
        yield Seen(
            f"A batch of {train.batch:,} holds {min(1.0, train.batch / train.total):.0%} of the training samples.",
            severity="note",
            sure=1.0,
            evidence=(Evidence("share of the training set", Number.of(train.batch / train.total), limit="below .5"),),
            subject="train",
        )
