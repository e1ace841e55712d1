"""Labels that look wrong: small nets learn from the labels as they are and judge images that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.data.annotations import NOTHING
from striate.data.dataset import FITS, Dataset, Splits
from striate.measure.payload import Suspect
from striate.metrics.intervals import wilson
from striate.metrics.significance import binomial_tail
from striate.metrics.temperature import fit_temperature

from .confident import Confident, confident_joint, noise_rate
from .folds import BUDGET, FOLDS, OutOfSample, out_of_sample
from .learner import brought_small, small_side
from .noise import Noise, chances, measure_noise

MOST = 200
DOUBTFUL = 24  # labels listed that fit least, suspect or not
DOUBT = 0.5  # chance of being right below which a label is suspect
RARE = 10  # images of a class, below which nothing is said of their labels: no learner gets to know it
LEAST_IMAGES = 40
CELLS = 1 << 27  # images times classes: the probabilities then take 1 GiB in float64
AT_CHANCE = 1e-3  # chance of as many hits by luck, above which labels and images have nothing to do with each other
BELIEVED = 0.02  # probability of a label to a net that learnt from it, from which the image was merely hard before
_SECOND = 1_000  # suspects that get such a second look, the worst first
_CELLS = 1 << 24
CITES = ("northcutt2021confident", "patrini2017making", "kuan2022model", "guo2017calibration")


@dataclass(frozen=True)
class NoisyPair:
    """Images of one class that carry the label of another.

    Attributes:
        true: Class that they look like.
        label: Label that they have.
        expected: Images of this pair by the joint of confident learning; hard images count among them.
        share: Share of the images surest to be of class ``true`` that carry ``label``.
    """

    true: int
    label: int
    expected: float
    share: Number


@dataclass(frozen=True, eq=False)
class Suspects:
    """What can be said of the labels of data, by nets that learnt from them.

    Attributes:
        suspects: Labels that are more likely wrong than right, the worst first, at most as many as asked for. Where
            wrong labels are not ``established``, those of them that even nets which learnt from them do not believe.
        count: How many there are in all.
        rows: Their images, counted through the splits (train, dev, test), worst first; as many as ``suspects``.
        quality: (N,) float64 in [0, 1]: chance that the label is right; low is suspect. NaN where nothing is known.
        hardness: (N,) float64 in [0, 1]: 1 minus the probability of the label, wrong or not.
        noise: Share of wrong labels, from the images that the nets are surest of.
        disputed: The same by the joint of confident learning: an upper bound, for hard images count too.
        established: Whether ``noise`` is more than hard images explain.
        classes: Numbers of classes whose own labels are wrong more often than hard images explain.
        informed: Whether the labels have anything to do with the images.
        accuracy: Share of images whose most likely class is their label.
        most_frequent: Share of images with the most frequent label.
        pairs: Pairs of classes by the number of images expected, the largest first, at most 20.
        learnt: Images learnt from, each counted at every meeting; each image is predicted once beside.
        said: How it was done.
        why: Why there are no suspects, or what was left out; empty where all was judged.
        doubtful: The labels that fit least, beside the suspects: hard images or wrong labels, which a look will tell.
    """

    suspects: tuple[Suspect, ...]
    count: int
    rows: tuple[int, ...]
    quality: Tensor
    hardness: Tensor
    noise: Number
    disputed: Number
    established: bool
    classes: tuple[int, ...]
    informed: bool
    accuracy: Number
    most_frequent: float
    pairs: tuple[NoisyPair, ...]
    learnt: int
    said: str
    why: str = ""
    doubtful: tuple[Suspect, ...] = ()


def label_suspects(
    source: Dataset | Splits,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    most: int = MOST,
    budget: int = BUDGET,
    progress: Progress = SILENT,
    workers: int = 0,
) -> Suspects:
    """Which labels look wrong, how likely each is right, and what share of all is wrong.

    Predictions out of sample (`out_of_sample`) are calibrated by one temperature; the share of wrong labels comes from
    anchors (`measure_noise`), and from it the chance that each label is right. Where no wrong labels can be told from
    hard images, only labels are suspect that are next to impossible and that even nets which learnt from them do not
    believe. Splits are judged together: labels of all of them may be wrong, and more images teach more.

    Args:
        source: One split, or all of them; one label each.
        folds: How many nets, each judging the images that the others learn from.
        seed: Of folds, weights, order, bootstrap.
        most: Suspects to list.
        budget: Images that all nets together learn from; 240,000 take a minute or two on one core.
        progress: How the work is shown.
        workers: Processes that decode what does not fit into memory.

    Raises:
        StriateError: Labels of another kind, ``most`` below 0, folds that cannot be made.

    Source: Northcutt, Jiang & Chuang 2021, "Confident learning", for the joint; the chances are Bayes' rule with the
    transition matrix of Patrini et al. 2017.

    >>> from striate.data.load import load_data
    >>> label_suspects(load_data("digits", split="test").limit(150)).count
    0
    """
    if most < 0:
        raise StriateError(f"most is {most}", accepted="a whole number of at least 0")
    data, parts, why = joined(source, progress=progress, workers=workers)
    counts = torch.bincount(data.classified().labels, minlength=len(data.classes))
    if len(data) < LEAST_IMAGES or int((counts >= RARE).sum()) < 2:
        return _nothing(
            data, f"{len(data)} images: it takes {LEAST_IMAGES}, and {RARE} of each of two classes, to judge labels"
        )
    if len(data) * len(data.classes) > CELLS:
        return _nothing(
            data, f"{len(data):,} images of {len(data.classes):,} classes: their probabilities do not fit into memory"
        )
    found = out_of_sample(data, folds=folds, seed=seed, budget=budget, progress=progress, workers=workers)
    return judged(data, parts, found, most=most, seed=seed, why=why)


def judged(
    data: Dataset, parts: tuple[Dataset, ...], found: OutOfSample, *, most: int = MOST, seed: int = 0, why: str = ""
) -> Suspects:
    """What predictions out of sample say of the labels; ``data`` are the ``parts`` one behind the other."""
    labels, classes = data.labels, len(data.classes)
    fitted = fit_temperature(found.logits, labels).value.value
    p = (found.logits.to(torch.float64) / (fitted or 1.0)).softmax(1)
    joint, noise = confident_joint(p, labels), measure_noise(p, labels)
    quality, suggested, confidence = _qualities(p, labels, noise)
    counts = torch.bincount(labels, minlength=classes)
    known = (counts >= RARE)[labels] & (found.logits != 0).any(1)
    quality[~known] = torch.nan
    hits = int((p.argmax(1) == labels).sum())
    informed = binomial_tail(hits, len(labels), float(counts.max()) / len(labels)) < AT_CHANCE
    doubtful = ((quality < DOUBT) & known).nonzero().reshape(-1)
    doubtful = doubtful[quality[doubtful].argsort(stable=True)]
    if not noise.established:
        doubtful = _not_believed(doubtful, labels, found, fitted or 1.0)
    if not (noise.able and informed):
        doubtful = doubtful[:0]
        why = (
            f"the nets are right on {100 * hits / len(labels):.1f} % of unseen images: too few to tell wrong labels "
            "from hard images"
        )
    elif not bool(known.all()):
        why = why or f"{int((~known).sum()):,} images of classes with fewer than {RARE} were not judged"
    listed = doubtful[:most].tolist()

    def told(rows: list[int]) -> tuple[Suspect, ...]:
        return tuple(
            _suspect(parts, row, int(suggested[row]), quality=float(quality[row]), confidence=float(confidence[row]))
            for row in rows
        )

    worst = quality.nan_to_num(2.0).argsort(stable=True)[: DOUBTFUL + len(listed)].tolist()
    besides = [row for row in worst if row not in set(listed) and bool(known[row])][:DOUBTFUL]
    return Suspects(
        suspects=told(listed),
        doubtful=told(besides),
        count=len(doubtful),
        rows=tuple(listed),
        quality=quality,
        hardness=1.0 - p.gather(1, labels[:, None])[:, 0],
        noise=noise.rate,
        disputed=noise_rate(joint, labels, seed=seed),
        established=noise.established,
        classes=tuple(noise.classes.nonzero().reshape(-1).tolist()),
        informed=informed,
        accuracy=wilson(hits, len(labels)),
        most_frequent=float(counts.max()) / len(labels),
        pairs=_pairs(joint, noise, len(labels)),
        learnt=found.learnt,
        said=found.said,
        why=why,
    )


def joined(
    source: Dataset | Splits, *, progress: Progress = SILENT, workers: int = 0
) -> tuple[Dataset, tuple[Dataset, ...], str]:
    """All images of all splits as one split, what it is made of, and what had to stay outside."""
    if isinstance(source, Dataset):
        return source, (source,), ""
    parts = tuple(part for part in source if len(part))
    if not parts:
        return source.train, (source.train,), ""
    first = parts[0].classified()
    if all(part.store is first.store and part.geometry == first.geometry for part in parts):
        return _together(first, parts), parts, ""
    total = sum(map(len, parts))
    side = small_side(first, total)
    height, width = (side, side) if side else first.size or (0, 0)
    alike = all(part.channels == first.channels and (side or part.size == first.size) for part in parts)
    if not alike or total * first.channels * height * width > FITS:
        return first, parts[:1], f"only {first.split} images were judged: the splits cannot be put together in memory"
    small = [brought_small(part, among=total, progress=progress, workers=workers) for part in parts]
    groups = [group for part in parts for group in part.groups()]
    notes = tuple(replace(NOTHING, group=group) for group in groups) if any(groups) else None
    pixels = torch.cat([part.pixels(workers=workers) for part in small])
    labels = torch.cat([part.labels for part in parts])
    ids = torch.cat([part.ids for part in parts])
    return (
        Dataset.of(pixels, labels, classes=first.classes, name=first.name, split="all", ids=ids, notes=notes),
        parts,
        "",
    )


def _together(first: Dataset, parts: tuple[Dataset, ...]) -> Dataset:
    empty = first.take([])
    return replace(
        empty,
        split="all",
        labels=torch.cat([part.labels for part in parts]),
        ids=torch.cat([part.ids for part in parts]),
        places=torch.cat([part.places for part in parts]),
    )


def _qualities(p: Tensor, labels: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
    """Chance that each label is right; the best other class, and its chance."""
    out: list[tuple[Tensor, Tensor, Tensor]] = []
    step = max(1, _CELLS // p.shape[1])
    for start in range(0, len(p), step):
        own = labels[start : start + step, None]
        chance = chances(p[start : start + step], own[:, 0], noise.transition)
        others = chance.scatter(1, own, -1.0).max(1)
        out.append((chance.gather(1, own)[:, 0], others.indices, others.values))
    quality, suggested, confidence = (torch.cat(each) for each in zip(*out, strict=True))
    return quality, suggested, confidence


def _not_believed(rows: Tensor, labels: Tensor, found: OutOfSample, temperature: float) -> Tensor:
    """Those of the worst rows whose labels even the nets that learnt from them do not believe.

    A net may be sure and wrong of a hard image that it has not seen; once it has, its label makes sense to it. A wrong
    label on an easy image does not, as long as few epochs leave it no time to learn labels by heart.
    """
    rows = rows[:_SECOND]
    if found.again is None or not len(rows):
        return rows
    most = torch.zeros(len(rows), dtype=torch.float64)
    for number in range(int(found.fold.max()) + 1):
        learnt = (found.fold[rows] != number).nonzero().reshape(-1)
        p = (found.again(number, rows[learnt]).to(torch.float64) / temperature).softmax(1)
        most[learnt] = torch.maximum(most[learnt], p.gather(1, labels[rows[learnt], None])[:, 0])
    return rows[most < BELIEVED]


def _pairs(joint: Confident, noise: Noise, n: int, most: int = 20) -> tuple[NoisyPair, ...]:
    expected = n * joint.joint
    expected.fill_diagonal_(0.0)
    best = expected.flatten().argsort(descending=True, stable=True)[:most].tolist()
    found = []
    for cell in best:
        label, true = divmod(cell, len(expected))
        if float(expected[label, true]) >= 0.5:
            share = wilson(int(noise.anchors[true, label]), int(noise.anchors[true].sum()))
            found.append(NoisyPair(true, label, round(float(expected[label, true]), 1), share))
    return tuple(found)


def _suspect(parts: tuple[Dataset, ...], image: int, suggested: int, *, quality: float, confidence: float) -> Suspect:
    number, row = 0, image
    while row >= len(parts[number]):
        row -= len(parts[number])
        number += 1
    part = parts[number]
    label = int(part.labels[row])
    return Suspect(
        row=row,
        split=part.split,
        name=part.name_of(row),
        label=label,
        label_name=part.classes[label],
        suggested=suggested,
        suggested_name=part.classes[suggested],
        quality=quality,
        confidence=confidence,
    )


def _nothing(data: Dataset, why: str) -> Suspects:
    unknown = torch.full((len(data),), torch.nan, dtype=torch.float64)
    missing = Number.missing(why)
    return Suspects(
        suspects=(),
        count=0,
        rows=(),
        quality=unknown,
        hardness=unknown,
        noise=missing,
        disputed=missing,
        established=False,
        classes=(),
        informed=True,
        accuracy=missing,
        most_frequent=0.0,
        pairs=(),
        learnt=0,
        said="not judged",
        why=why,
    )
