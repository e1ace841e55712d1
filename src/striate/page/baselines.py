"""The page of baselines: what a net has to beat, and nets beside it."""

from __future__ import annotations

from striate.core.number import Number
from striate.core.report import Report
from striate.learn.baselines.payload import BaselineRow, Baselines

from . import record
from .charts import Axis, Bar, Chart, Level, bar_chart
from .evidence import confusion_section
from .format import count, named, points, shown, value_of
from .outline import Outline
from .pictures import Shelf
from .section import Figure, Section, class_name
from .verdict import Headline, tally

TEMPLATE = 84  # short side of a template on the page
MOST_CONFUSED = 30  # classes


def outline(report: Report[Baselines]) -> Outline:
    """What baselines put on their page."""
    result = report.result
    best, majority = result.best, result.majority
    headlines = [
        Headline("accuracy", f"best baseline: {best.name}", best.accuracy, level=majority.accuracy.value),
        *(Headline("accuracy", named(row.net, 24), row.accuracy, level=best.accuracy.value) for row in result.nets[:3]),
        Headline("", "majority class", majority.accuracy),
        Headline("chance", "chance", result.chance),
    ]
    return Outline(
        subject="Baselines",
        other=f"{result.data}, test",
        lead=f"{ladder_claim(result)} {tally(report.findings)}",
        headlines=tuple(headlines),
        pictures=result.templates.pictures if result.templates is not None else (),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def ladder_claim(result: Baselines) -> str:
    """How far one comes without a net."""
    best = result.best
    right, base = shown(best.accuracy, percent=True), value_of(result.majority.accuracy, percent=True)
    return f"Without a net, {best.name} has {right} of the test images right; the most frequent class has {base}."


def _sections(report: Report[Baselines], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    limits = [
        "The best baseline is the best on dev; on test another may come out ahead.",
        f"Classifiers learnt from at most {count(result.train, 'image')} of train; more would help most of them.",
    ]
    found = (
        _ladder(result),
        _against(result),
        _templates(result, shelf),
        confusion_section(result, {}, shelf) if len(result.names) <= MOST_CONFUSED else None,
        record.method_section(report, dropped, limits=limits),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def ladder_chart(result: Baselines) -> Chart:
    """The best classifier on each feature, chosen on dev, and the nets; chance and majority as lines."""
    tops = [
        max((row for row in result.rows if row.feature == feature.name), key=lambda row: row.dev)
        for feature in result.features
    ]
    bars = [(named(row.net, 24), row.accuracy, False) for row in result.nets]
    bars += [(row.name, row.accuracy, row.best) for row in tops]
    bars.sort(key=lambda bar: -float(bar[1]))
    majority, chance = float(result.majority.accuracy), float(result.chance)
    levels = [Level(majority, f"majority {value_of(result.majority.accuracy, percent=True)}")]
    if abs(majority - chance) > 0.15:
        levels.append(Level(chance, f"chance {value_of(result.chance, percent=True)}"))
    else:  # two labels would lie on each other
        levels = [Level(majority, f"majority {value_of(majority, percent=True)}, chance {_percent(result.chance)}")]
        levels += [Level(chance, "")] if abs(majority - chance) > 0.005 else []
    return bar_chart(
        f"{bars[0][0]} has {value_of(bars[0][1], percent=True)} right",
        [Bar(label, number, marked) for label, number, marked in bars],
        key="ladder",
        axis=Axis("right on test, %", 0, 1, percent=True),
        levels=levels,
        name="feature, classifier",
        room=150,
    )


def _percent(number: Number) -> str:
    return value_of(number, percent=True)


def _ladder(result: Baselines) -> Section:
    kinds = list(dict.fromkeys(row.classifier for row in result.rows if row.feature))
    table: list[tuple[str, str, list[BaselineRow | None], float]] = []
    for feature in result.features:
        rows = {row.classifier: row for row in result.rows if row.feature == feature.name}
        table.append((feature.name, feature.said, [rows.get(kind) for kind in kinds], feature.seconds))
    content = {
        "chart": ladder_chart(result),
        "kinds": kinds,
        "table": table,
        "features": result.features,
        "rows": result.rows,
        "most": max(float(row.accuracy) for row in result.rows),
        "best": result.best.name,
        "train": result.train,
        "dev": result.dev,
        "n": result.n,
    }
    return Section("ladder", "Baselines", ladder_claim(result), content)


def _against(result: Baselines) -> Section | None:
    if not result.nets:
        return None
    beaten = [row for row in result.nets if (row.difference.low or 0.0) > 0]
    first = result.nets[0]
    if len(result.nets) == 1:
        worse = (first.difference.high or 0.0) < 0
        words = "beats" if beaten else "is worse than" if worse else "does not clearly beat"
        claim = f"{named(first.net)} {words} {result.best.name}: {shown(points(first.difference))} points, in pairs."
    else:
        claim = f"{len(beaten)} of {len(result.nets)} nets clearly beat the best baseline, {result.best.name}."
    content = {"nets": result.nets, "best": result.best}
    return Section("against", "Nets", claim, content)


def _templates(result: Baselines, shelf: Shelf) -> Section | None:
    templates = result.templates
    if templates is None:
        return None
    figures = [
        Figure(picture, (("", class_name(result.names, place)),))
        for place, key in enumerate(templates.pictures)
        if (picture := shelf.show(key, f"template of {class_name(result.names, place)}", target=TEMPLATE))
    ]
    if not figures:
        return None
    claim = f"The linear classifier on the pixels ({templates.classifier}) has one template a class."
    low, high = (f"{end:.3g}".replace("-", "−") for end in templates.limits)
    content = {"figures": figures, "low": low, "high": high, "colour": result.channels == 3}
    return Section("templates", "Templates", claim, content)
