"""The page of an ensemble: what each member adds, the members alone, how much they differ."""

from __future__ import annotations

from striate.core.number import Number
from striate.core.report import Report
from striate.learn.ensembles.payload import ALPHA, Ensemble

from . import record
from .charts import Axis, Chart, Level, Series, line_chart
from .format import count, fixed, named, points, shown, value_of
from .outline import Outline
from .section import Section
from .verdict import Headline, tally

NAME = 30


def outline(report: Report[Ensemble]) -> Outline:
    """What an ensemble puts on its page."""
    result = report.result
    best, whole = result.best_member, result.whole
    return Outline(
        subject=f"Average of {count(whole.members, 'member')}",
        other=result.data,
        lead=f"{ensemble_claim(result)} {tally(report.findings)}",
        headlines=(
            Headline("accuracy", "average", whole.accuracy, level=best.accuracy.value, note=count(result.n, "image")),
            Headline("accuracy", f"best member: {named(best.name, NAME)}", best.accuracy),
            Headline("", "right by at least one", result.at_least_one),
        ),
        pictures=(),
        sections=lambda _, dropped: _sections(report, dropped),
    )


def ensemble_claim(result: Ensemble) -> str:
    """Whether the average beats its best member, and for how many passes."""
    best, whole = result.best_member, result.whole
    if whole.members == 1:
        return f"One member takes part, {named(best.name)}: {shown(whole.accuracy, percent=True)} right."
    gap = f"{shown(points(result.over_best))} points"
    passes = count(whole.members, "pass", "passes")
    if result.p < ALPHA:
        words = "beats" if float(result.over_best) > 0 else "is worse than"
        return f"The average {words} its best member, {named(best.name)}, by {gap}, for {passes} an image."
    return (
        f"The average does not beat its best member, {named(best.name)}, beyond chance: {gap}, for {passes} an image."
    )


def _sections(report: Report[Ensemble], dropped: str) -> tuple[Section, ...]:
    result = report.result
    limits = ["The best member is the best on these images, which favours it a little against the average."]
    if result.order == "given":
        limits.append("What a member adds depends on those before it; another order shares the gain out otherwise.")
    found = (
        _growth(result),
        _members(result),
        _pairs(result),
        record.method_section(report, dropped, limits=limits),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def growth_charts(result: Ensemble) -> tuple[Chart, ...]:
    """Accuracy and loss of the average as it grows, with the best member as a line."""
    if len(result.growth) < 2:
        return ()
    best, whole = result.best_member, result.whole
    xs = [float(each.members) for each in result.growth]
    names = [each.added for each in result.growth]
    accuracy = tuple(zip(xs, (each.accuracy for each in result.growth), strict=True))
    loss = tuple(zip(xs, (each.loss for each in result.growth), strict=True))
    found = [
        line_chart(
            f"{value_of(whole.accuracy, percent=True)} right with {count(whole.members, 'member')}, "
            f"{value_of(best.accuracy, percent=True)} with the best alone",
            [Series("average", accuracy)],
            key="grown-accuracy",
            x=Axis("members"),
            y=Axis("right, %", percent=True),
            levels=[Level(float(best.accuracy), "best member")],
            x_names=names,
        )
    ]
    if whole.loss.value is not None and best.loss.value is not None:
        found.append(
            line_chart(
                f"Loss {fixed(whole.loss.value, 3)} with all, {fixed(best.loss.value, 3)} with the best alone",
                [Series("average", loss)],
                key="grown-loss",
                x=Axis("members"),
                y=Axis("loss, nats"),
                levels=[Level(float(best.loss), "best member")],
                x_names=names,
            )
        )
    return tuple(found)


def _growth(result: Ensemble) -> Section:
    content = {
        "charts": growth_charts(result),
        "rows": result.growth,
        "average": result.average,
        "order": result.order,
    }
    return Section("ensemble", "Average", ensemble_claim(result), content)


def _members(result: Ensemble) -> Section:
    best = result.best_member
    claim = f"Alone, {named(best.name)} has most images right, {shown(best.accuracy, percent=True)}."
    content = {"rows": result.members, "best": result.best, "dev": result.order == "dev"}
    return Section("ensemble-members", "Members", claim, content)


def _pairs(result: Ensemble) -> Section | None:
    if not result.pairs:
        return None
    most, spread = result.pairs[0], result.whole.spread
    said = _differ(most.disagreement)
    claim = f"Members say different things on up to {said} of the images."
    content = {"pairs": result.pairs, "spread": spread, "some": result.at_least_one}
    return Section("ensemble-pairs", "Differences", claim, content)


def _differ(number: Number) -> str:
    return f"{value_of(number, percent=True)}"
