"""Sections on what was measured: classes, confusions, calibration, mistakes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from striate.core.number import Number
from striate.measure.payload import ClassFigures, Evaluation

from .charts import Axis, Bar, Level, bar_chart, interval_glyph, reliability_diagram
from .format import count, fixed, named, shown, value_of
from .pictures import Picture, Shelf
from .section import Figure, Section, class_name
from .verdict import weakest

MOST_BARS = 20
MOST_CLASSES = 30  # of the confusion matrix
MOST_PAIRS = 90
STEPS = 20  # shades of a cell
FIRST_MISTAKES = 24
BEYOND = 0.02  # calibration error, lower end, from which confidence does not fit
SURES = (50, 70, 90, 99)  # per cent of confidence by which the gallery filters


class Confused(Protocol):
    """A result with a confusion matrix: rows are labels, columns predictions."""

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """The counts."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        ...


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix: its count, its shade from 0 to `STEPS`, what it leads to, what it says."""

    n: int
    shade: int
    right: bool
    href: str
    words: str


@dataclass(frozen=True)
class Pair:
    """A true class taken for another one: how often, and pictures of it."""

    id: str
    label: str
    predicted: str
    n: int
    share: Number
    pictures: tuple[Picture, ...]


def classes_section(evaluation: Evaluation) -> Section | None:
    """Accuracy by class."""
    known = [each for each in evaluation.classes if each.recall.value is not None]
    if not known:
        return None
    worst = sorted(known, key=lambda each: float(each.recall))
    shown_bars = worst[:MOST_BARS]
    overall = evaluation.accuracy
    bars = [Bar(each.name, each.recall, marked=_clearly_below(each.recall, overall)) for each in shown_bars]
    levels = [] if overall.value is None else [Level(overall.value, f"all images {value_of(overall, percent=True)}")]
    title = "Recall by class, weakest first"
    if len(worst) > MOST_BARS:
        title = f"Recall of the {MOST_BARS} weakest classes"
    chart = bar_chart(
        title, bars, key="recall", axis=Axis("recall, %", 0, 1, percent=True), levels=levels, name="class"
    )
    averages = (
        ("micro", evaluation.averages.micro),
        ("macro", evaluation.averages.macro),
        ("weighted", evaluation.averages.weighted),
    )
    floor = (
        math.floor(
            10 * min(float(end) for each in known for end in (each.recall.low, each.recall.value) if end is not None)
        )
        / 10
    )
    floor = min(floor, 0.9)
    content = {
        "floor": f"{100 * floor:.0f}",
        "rows": [
            (each, interval_glyph(each.recall, low=floor, level=overall.value), _mostly(evaluation, place))
            for place, each in enumerate(evaluation.classes)
        ],
        "averages": averages,
        "chart": chart,
        "best": {name: _best(evaluation.classes, name) for name in ("recall", "precision", "f1")},
    }
    return Section("classes", "Classes", classes_claim(evaluation), content)


def classes_claim(evaluation: Evaluation) -> str:
    """Which class is weakest, and whether the intervals say so too."""
    weak = weakest(evaluation)
    known = [each for each in evaluation.classes if each.recall.value is not None]
    if weak is None:
        return "No class has images."
    best = max(known, key=lambda each: float(each.recall))
    if _clearly_below(weak.recall, evaluation.accuracy):
        found = shown(weak.recall, percent=True)
        clear = [each for each in known if _clearly_below(each.recall, evaluation.accuracy)]
        if len(clear) == 1:
            return f"One class is clearly weaker than the rest: of {named(weak.name)} it finds {found}."
        return (
            f"{len(clear)} of {len(known)} classes are clearly weaker than the rest; the weakest is "
            f"{named(weak.name)}, of which it finds {found}."
        )
    return (
        f"No class is clearly weaker than the rest: recall goes from {value_of(weak.recall, percent=True)} "
        f"({named(weak.name)}) to {value_of(best.recall, percent=True)} ({named(best.name)})."
    )


def confusion_section(evaluation: Confused, cells: Mapping[str, tuple[str, ...]], shelf: Shelf) -> Section | None:
    """The confusion matrix, its cells leading to pictures."""
    table, names = evaluation.confusion, evaluation.names
    pairs = [
        (count_, label, predicted)
        for label, row in enumerate(table)
        for predicted, count_ in enumerate(row)
        if label != predicted and count_
    ]
    if not table or not any(map(sum, table)):
        return None
    pairs.sort(key=lambda each: (-each[0], each[1], each[2]))
    listed = tuple(_pair(each, evaluation, cells, shelf) for each in pairs[:MOST_PAIRS])
    linked = {pair.id for pair in listed}
    wrong = [sum(row) - row[label] for label, row in enumerate(table)]
    given = [sum(row[j] for row in table) - table[j][j] for j in range(len(table))]
    order = sorted(range(len(table)), key=lambda i: -(wrong[i] + given[i]))[:MOST_CLASSES]
    chosen = sorted(order)
    most = max((each[0] for each in pairs), default=1)
    matrix = [
        (class_name(names, i), [_cell(evaluation, i, j, most, linked) for j in chosen], sum(table[i])) for i in chosen
    ]
    content = {
        "columns": [class_name(names, j) for j in chosen],
        "matrix": matrix,
        "cut": f"The {len(chosen)} of {len(table)} classes with the most mistakes are shown."
        if len(chosen) < len(table)
        else "",
        "pairs": listed,
        "more": len(pairs) - len(listed),
    }
    return Section("confusion", "Confusion", confusion_claim(evaluation), content)


def confusion_claim(evaluation: Confused) -> str:
    """The most frequent mistake, and how much the most frequent ones explain."""
    table = evaluation.confusion
    pairs = sorted(((n, i, j) for i, row in enumerate(table) for j, n in enumerate(row) if i != j and n), reverse=True)
    if not pairs:
        return "Every image stands on the diagonal: no class is taken for another one."
    n, label, predicted = pairs[0]
    true, taken = (named(class_name(evaluation.names, index)) for index in (label, predicted))
    claim = f"Its most frequent mistake is {true} taken for {taken}: {n:,} of {count(sum(table[label]), 'image')}."
    total = sum(each[0] for each in pairs)
    few = [each[0] for each in pairs[:5]]
    if len(pairs) > 10 and sum(few) / total >= 0.25:
        claim += f" The five most frequent make up {fixed(100 * sum(few) / total, 0)} % of all {total:,}."
    return claim


def calibration_section(evaluation: Evaluation) -> Section | None:
    """Reliability diagram and figures."""
    calibration = evaluation.calibration
    filled = [each for each in calibration.bins if each.n]
    if not filled or calibration.ece.value is None:
        return None
    bins = [(each.low, each.high, each.n, each.confidence, each.accuracy) for each in calibration.bins]
    sure, right = calibration.confidence, evaluation.accuracy
    title = "Share right over confidence"
    if sure.value is not None and right.value is not None:
        title = f"Mean confidence {value_of(sure, percent=True)}, right {value_of(right, percent=True)}"
    scaling = calibration.scaling
    content = {
        "chart": reliability_diagram(title, bins, key="reliability"),
        "figures": [
            ("ece", "calibration error", calibration.ece, True),
            ("adaptive", "over bins of equally many images", calibration.adaptive, True),
            ("classwise", "mean over the classes", calibration.classwise, True),
            ("brier", "Brier score", calibration.brier, False),
            ("confidence", "mean confidence", sure, True),
            ("accuracy", "accuracy", right, True),
            ("temperature", f"temperature fitted on {scaling.fitted_on or 'dev'}", scaling.temperature, False),
            ("ece", "calibration error after it", scaling.ece, True),
            ("loss", "loss after it, nats", scaling.loss, False),
        ],
        "parts": calibration.parts,
    }
    return Section("calibration", "Calibration", calibration_claim(evaluation), content)


def calibration_claim(evaluation: Evaluation) -> str:
    """Whether the net is surer than it may be."""
    sure, right = evaluation.calibration.confidence, evaluation.accuracy
    error = shown(evaluation.calibration.ece, percent=True)
    if sure.value is None or right.value is None or right.low is None or right.high is None:
        return f"Confidence and the share that is right differ by {error} on average."
    gap = fixed(100 * abs(sure.value - right.value), 1)
    if sure.value > right.high:
        return f"It is surer than it may be, by {gap} points: its calibration error is {error}."
    if sure.value < right.low:
        return f"It is less sure than it could be, by {gap} points: its calibration error is {error}."
    if (evaluation.calibration.ece.low or 0.0) >= BEYOND:
        return f"It is too sure of some images and not sure enough of others: its calibration error is {error}."
    return f"On the whole it is as sure as it is right: its calibration error is {error}."


def mistakes_section(evaluation: Evaluation, shelf: Shelf) -> Section | None:
    """The most confident mistakes."""
    if not evaluation.mistakes:
        return None
    names, figures, rest = evaluation.names, [], []
    for each in evaluation.mistakes:
        true, said = class_name(names, each.label), class_name(names, each.predicted)
        picture = shelf.show(each.picture, f"{true} taken for {said}, {each.name}")
        lines = (
            ("says", f"{said} {value_of(each.confidence, percent=True)}"),
            ("is", f"{true} {value_of(each.probability, percent=True)}"),
            ("", each.name),
        )
        if picture is None:
            rest.append((each.name, true, said, each.confidence, each.probability))
        else:
            figures.append(Figure(picture, lines, each.label, each.predicted, each.confidence, each.slices))
    content = {
        "figures": figures,
        "first": FIRST_MISTAKES,
        "rest": rest,
        "unlisted": _wrong(evaluation) - len(evaluation.mistakes),
        "labels": [(i, class_name(names, i)) for i in sorted({each.label or 0 for each in figures})],
        "slices": _filtered_slices(evaluation),
        "sures": SURES,
        "predictions": [(i, class_name(names, i)) for i in sorted({each.predicted or 0 for each in figures})],
    }
    return Section("mistakes", "Mistakes", mistakes_claim(evaluation), content)


def _filtered_slices(evaluation: Evaluation) -> list[tuple[int, str]]:
    rows = () if evaluation.slices is None else evaluation.slices.rows
    inside = {place for each in evaluation.mistakes for place in each.slices}
    return [(place, rows[place].name) for place in sorted(inside) if place < len(rows)]


def _wrong(evaluation: Evaluation) -> int:
    return sum(map(sum, evaluation.confusion)) - sum(row[i] for i, row in enumerate(evaluation.confusion))


def mistakes_claim(evaluation: Evaluation) -> str:
    """How many there are, and on how many the net was sure."""
    wrong = _wrong(evaluation)
    sure = sum(each.confidence >= 0.9 for each in evaluation.mistakes)
    some = "at least " if sure == len(evaluation.mistakes) < wrong else ""
    verb = "is" if wrong == 1 else "are"
    return (
        f"{wrong:,} of {count(evaluation.n, 'image')} {verb} wrong; on {some}{sure:,} of them it is at least 90 % sure."
    )


def _pair(pair: tuple[int, int, int], evaluation: Confused, cells: Mapping[str, tuple[str, ...]], shelf: Shelf) -> Pair:
    n, label, predicted = pair
    true, said = (class_name(evaluation.names, index) for index in (label, predicted))
    keys = cells.get(f"{label}>{predicted}", ())
    pictures = tuple(
        picture
        for number, key in enumerate(keys, start=1)
        if (picture := shelf.show(key, f"{true} taken for {said}, {number} of {len(keys)} shown"))
    )
    support = sum(evaluation.confusion[label])
    return Pair(f"cell-{label}-{predicted}", true, said, n, Number(n / support, n=support), pictures)


def _cell(evaluation: Confused, label: int, predicted: int, most: int, linked: set[str]) -> Cell:
    n, support = evaluation.confusion[label][predicted], sum(evaluation.confusion[label])
    true, said = (class_name(evaluation.names, index) for index in (label, predicted))
    if label == predicted:
        return Cell(
            n, round(STEPS * n / support) if support else 0, True, "", f"{true} named rightly: {n} of {support}"
        )
    shade = max(1, round(STEPS * n / most)) if n else 0
    place = f"cell-{label}-{predicted}"
    return Cell(n, shade, False, place if place in linked else "", f"{true} taken for {said}: {n} of {support}")


def _mostly(evaluation: Evaluation, label: int) -> tuple[str, int, str]:
    row = evaluation.confusion[label] if label < len(evaluation.confusion) else ()
    others = [(n, -j) for j, n in enumerate(row) if j != label and n]
    if not others:
        return ("", 0, "")
    n, j = max(others)
    return (class_name(evaluation.names, -j), n, f"cell-{label}-{-j}")


def _best(classes: tuple[ClassFigures, ...], name: str) -> float | None:
    values = [getattr(each, name).value for each in classes if getattr(each, name).value is not None]
    return max(values) if len(values) > 1 else None


def _clearly_below(number: Number, other: Number) -> bool:
    return number.high is not None and other.low is not None and number.high < other.low
