"""The page of a range test: loss against rate, the rate suggested, the command to train with it."""

from __future__ import annotations

from striate.core.number import Number
from striate.core.report import Report
from striate.training.rates.findings import command
from striate.training.rates.payload import RateSearch

from . import record
from .charts import Chart, Level, Series
from .format import count, named
from .log_charts import log_chart
from .outline import Outline
from .pictures import Shelf
from .section import Section
from .verdict import Headline, tally


def outline(report: Report[RateSearch]) -> Outline:
    """What a range test puts on its page."""
    result = report.result
    return Outline(
        subject=named(result.net),
        other=f"{result.data}, learning rates",
        lead=f"{rate_claim(result)} {tally(report.findings)}",
        headlines=tuple(
            each
            for each in (
                Headline("", "rate suggested", result.suggested, percent=False),
                Headline("", "careful, without a schedule", result.careful, percent=False),
                Headline("", "steepest fall", result.steepest, percent=False),
                Headline("", "the recipe's own", Number(result.own, why="as it stands in the recipe"), percent=False),
            )
            if each.number.value is not None
        ),
        pictures=(),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def rate_claim(result: RateSearch) -> str:
    """The rate suggested, and how far the seeds lie apart."""
    found = result.suggested
    if found.value is None:
        return f"No rate is suggested: {found.why}."
    words = f"Train with a peak rate of {found.value:.2g}"
    if found.low is not None and found.high is not None and len(result.sweeps) > 1:
        words += f" ({count(len(result.sweeps), 'seed')}: {found.low:.2g} to {found.high:.2g})"
    return f"{words}, under {result.optimizer} with batches of {result.batch}."


def rates_chart(result: RateSearch) -> Chart:
    """Smoothed loss against rate, one line a seed; what lies beyond twice the first loss is drawn at the edge."""
    series = [
        Series(f"seed {each.seed}", tuple((rung.rate, Number.of(rung.smooth)) for rung in each.rungs))
        for each in result.sweeps[:10]
    ]
    first = max((each.rungs[0].smooth for each in result.sweeps if each.rungs), default=1.0)
    marks = [
        Level(found.value, words)
        for found, words in ((result.suggested, "suggested"), (result.steepest, "steepest"))
        if found.value is not None
    ]
    marks.append(Level(result.own, f"{result.recipe}'s"))
    inside = [each for each in marks if result.low <= each.value <= result.high]
    return log_chart(
        f"Smoothed loss as the rate is raised from {result.low:g}",
        series,
        key="rates",
        x="learning rate",
        y="loss, nats",
        log_x=True,
        log_y=False,
        marks=inside,
        within=(0.0, 1.5 * first),
    )


def _sections(report: Report[RateSearch], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    del shelf
    result = report.result
    rows = [
        (
            f"seed {each.seed}",
            *(_brief(one) for one in (each.lowest, each.steepest, each.diverged)),
            str(len(each.rungs)),
        )
        for each in result.sweeps
    ]
    content = {
        "result": result,
        "chart": rates_chart(result),
        "rows": rows,
        "command": command(result, net=result.net, data=result.data),
        "window": round(1 / (1 - result.smoothing)),
    }
    limits = [
        "What is seen is the first hundred steps or so of training: later in a run other rates may be best, which is "
        "what a schedule is for.",
        "The suggestion is for this optimiser, this batch size and this start; another batch wants another rate.",
    ]
    found = (
        Section("rates", "Rates", rate_claim(result), content),
        record.method_section(report, dropped, limits=limits),
        record.citations_section(report.origin),
    )
    return tuple(each for each in found if each is not None)


def _brief(number: Number) -> str:
    return "-" if number.value is None else f"{number.value:.2g}"
