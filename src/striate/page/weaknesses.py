"""Sections on where a net is weaker than its average: slices, curves, declining to answer, labels that look wrong."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.number import Number
from striate.measure.payload import ClassCurve, Evaluation, Operation, Slice, Suspect

from .charts import Axis, Bar, Chart, Level, Series, bar_chart, line_chart
from .format import count, fixed, named, shown, value_of
from .pictures import Picture, Shelf
from .section import Figure, Section

MOST_SLICES = 12  # of the chart
MOST_CURVES = 4  # classes that a chart draws one by one
MOST_SUSPECTS = 60
FIRST_SUSPECTS = 12
BY_CHANCE = 1e-3  # chance of so many contradictions from which on they are no evidence


def slices_section(evaluation: Evaluation, shelf: Shelf) -> Section | None:
    """Images that share something, weakest first."""
    slices = evaluation.slices
    if slices is None or not slices.rows:
        return None
    weak = [each for each in slices.rows if each.weak]
    drawn = (weak or list(slices.rows))[:MOST_SLICES]
    overall = evaluation.accuracy
    title = "The weak slices, weakest first" if weak else "The weakest slices, none beyond chance"
    levels = [] if overall.value is None else [Level(overall.value, f"all images {value_of(overall, percent=True)}")]
    content = {
        "chart": bar_chart(
            title,
            [Bar(each.name, each.accuracy, marked=each.weak) for each in drawn],
            key="slices",
            axis=Axis("accuracy, %", 0, 1, percent=True),
            levels=levels,
            name="slice",
            room=236,
        ),
        "weak": [(each, _pictured(each, shelf)) for each in weak],
        "rows": slices.rows,
        "tried": slices.tried,
        "correction": slices.correction,
    }
    return Section("slices", "Slices", slices_claim(evaluation), content)


def slices_claim(evaluation: Evaluation) -> str:
    """Which slice is weakest, and whether that is more than chance."""
    slices = evaluation.slices
    if slices is None or not slices.rows:
        return "Nothing was sliced."
    weak = [each for each in slices.rows if each.weak]
    if not weak:
        return (
            f"Of {slices.tried:,} slices by class, by what can be seen and by what is said of the images, none is "
            "weaker than the rest beyond chance."
        )
    first = weak[0]
    others = (
        "" if len(weak) == 1 else f" {count(len(weak) - 1, 'other slice')} {'is' if len(weak) == 2 else 'are'} weak."
    )
    return (
        f"It is weakest on {named(first.name, 60)}: {shown(first.accuracy, percent=True)} of {first.n:,} are right, "
        f"against {value_of(first.rest, percent=True)} of the others.{others}"
    )


def curves_section(evaluation: Evaluation) -> Section | None:
    """ROC and precision-recall of the classes against the rest."""
    curves = evaluation.curves
    if curves is None:
        return None
    known = [each for each in curves.classes if each.roc and each.auc.value is not None]
    if not known:
        return None
    worst = sorted(known, key=lambda each: float(each.auc))[:MOST_CURVES]
    if curves.positive:
        worst = [each for each in worst if each.name == curves.positive] or worst
    content = {
        "charts": [_roc(worst), _precision_recall(worst)],
        "figures": [
            ("auc", "macro AUC", curves.macro_auc, False),
            ("auc", "AUC by support", curves.weighted_auc, False),
            ("average_precision", "macro average precision", curves.macro_average_precision, False),
            ("average_precision", "average precision by support", curves.weighted_average_precision, False),
        ],
        "rows": curves.classes,
        "positive": curves.positive,
        "points": [] if evaluation.operating is None else evaluation.operating.points,
        "chosen_on": "" if evaluation.operating is None else evaluation.operating.chosen_on,
        "costed": any(each.cost.value is not None for each in _operations(evaluation)),
    }
    return Section("curves", "Thresholds", curves_claim(worst, positive=curves.positive), content)


def curves_claim(worst: Sequence[ClassCurve], *, positive: str) -> str:
    """How well the probabilities order the images."""
    first = worst[0]
    what = shown(first.auc)
    if positive:
        return (
            f"Of two images, one {named(positive)} and one not, it gives the {named(positive)} the higher probability "
            f"with chance {what}."
        )
    return f"By its probability {named(first.name)} is told apart worst from the rest: area under the ROC curve {what}."


def risk_section(evaluation: Evaluation) -> Section | None:
    """What is gained where the net may decline to answer."""
    risk = evaluation.risk
    if risk is None or len(risk.points) < 2:
        return None
    every = risk.points[-1][1]
    chart = line_chart(
        f"Share wrong rises to {fixed(100 * every, 1)} % when all are answered",
        [Series("this net", tuple((coverage, Number.of(share)) for coverage, share in risk.points))],
        key="risk",
        x=Axis("share answered, surest first, %", 0, 1, percent=True),
        y=Axis("share wrong, %", 0, percent=True),
    )
    return Section("risk", "Declining", risk_claim(evaluation), {"chart": chart, "risk": risk})


def risk_claim(evaluation: Evaluation) -> str:
    """What answering fewer images would spare."""
    risk = evaluation.risk
    every = 1 - float(evaluation.accuracy)
    half = (
        next((each for each in risk.at if each.coverage <= 0.85 and each.risk.value is not None), None)
        if risk
        else None
    )
    if half is None:
        return "Answering only where it is sure changes little."
    return (
        f"Were it to answer only the surest {fixed(100 * half.coverage, 0)} % of the images, "
        f"{shown(half.risk, percent=True)} of its answers would be wrong and not {fixed(100 * every, 1)} %."
    )


def doubts_section(evaluation: Evaluation, shelf: Shelf) -> Section | None:
    """Labels that look wrong to the net itself, where more of them do than its own mistakes would make."""
    noise = evaluation.noise
    if noise is None or noise.p >= BY_CHANCE or noise.rate.value is None:
        return None
    rate = shown(noise.rate, percent=True)
    claim = (
        f"About {rate} of the labels look wrong, more than the net's own mistakes would make; a person has to decide."
    )
    return suspects_section(evaluation.suspects, shelf, claim=claim)


def suspects_section(suspects: Sequence[Suspect], shelf: Shelf, *, claim: str = "") -> Section | None:
    """Labels that look wrong, the most suspect first."""
    figures = []
    for each in suspects[:MOST_SUSPECTS]:
        picture = shelf.show(each.picture, f"{each.name}, labelled {each.label_name}, looks like {each.suggested_name}")
        if picture is not None:
            lines = (
                ("labelled", each.label_name),
                ("looks like", f"{each.suggested_name} {value_of(each.confidence, percent=True)}"),
                ("", each.name if each.split == "" else f"{each.split}: {each.name}"),
            )
            figures.append(Figure(picture, lines))
    if not suspects:
        return None
    verb = "label looks" if len(suspects) == 1 else "labels look"
    claim = claim or f"{len(suspects):,} {verb} wrong to nets that never saw them; a person has to decide."
    content = {
        "figures": figures,
        "first": FIRST_SUSPECTS,
        "rows": suspects,
        "shown": min(len(figures), FIRST_SUSPECTS),
    }
    return Section("suspects", "Suspect labels", claim, content)


def _pictured(one: Slice, shelf: Shelf) -> tuple[Picture, ...]:
    shown_ = (shelf.show(key, f"{one.name}, mistake {number}") for number, key in enumerate(one.pictures, start=1))
    return tuple(each for each in shown_ if each is not None)


def _operations(evaluation: Evaluation) -> tuple[Operation, ...]:
    return () if evaluation.operating is None else evaluation.operating.points


def _roc(classes: Sequence[ClassCurve]) -> Chart:
    worst = classes[0]
    return line_chart(
        f"Area {value_of(worst.auc)} for {named(worst.name, 24)}",
        [Series(each.name, _points(each.roc)) for each in classes],
        key="roc",
        x=Axis("false positive rate, %", 0, 1, percent=True),
        y=Axis("true positive rate, %", 0, 1, percent=True),
    )


def _precision_recall(classes: Sequence[ClassCurve]) -> Chart:
    worst = min(classes, key=lambda each: float(each.average_precision))
    return line_chart(
        f"Average precision {value_of(worst.average_precision)} for {named(worst.name, 24)}",
        [Series(each.name, _points(each.precision_recall)) for each in classes],
        key="precision-recall",
        x=Axis("recall, %", 0, 1, percent=True),
        y=Axis("precision, %", 0, 1, percent=True),
    )


def _points(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, Number], ...]:
    return tuple((x, Number.of(y)) for x, y in points)
