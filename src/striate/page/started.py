"""The page of a net before training: the signal by depth, histograms, a table by site."""

from __future__ import annotations

from collections.abc import Sequence

from striate.core.number import Number
from striate.core.report import Report
from striate.training.signals.payload import InitStats, SiteSignal, Start

from . import record
from .charts import Chart, Level, Series
from .format import count, named, value_of
from .log_charts import MOST, histogram_grid, log_chart
from .outline import Outline
from .pictures import Shelf
from .section import Section
from .verdict import Headline, tally

COLUMNS = 8  # histograms by depth
PASSING = {"view", "flatten", "reshape", "permute", "transpose", "cat", "getitem"}  # they move numbers, no more


def outline(report: Report[InitStats]) -> Outline:
    """What a start puts on its page."""
    result = report.result
    return Outline(
        subject=named(result.net),
        other=f"{result.data}, before training",
        lead=f"{signal_claim(result)} {tally(report.findings)}",
        headlines=_headlines(result),
        pictures=(),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def signal_claim(result: InitStats) -> str:
    """How far the signal drifts over the net, for the best and the worst scheme."""
    known = [each for each in result.starts if each.forward.value]
    if not known:
        return f"No scheme lets a signal through the {count(_depth(result), 'weight layer')} of {named(result.net)}."
    best = min(known, key=_drift)
    words = f"{value_of(best.forward)} times"
    claim = f"From {best.init} the deviation of the last hidden layer is {words} that of the first"
    worst = max(known, key=_drift)
    return f"{claim}; from {worst.init} it is {value_of(worst.forward)} times." if worst is not best else f"{claim}."


def _drift(start: Start) -> float:
    forward = float(start.forward)
    return max(forward, 1 / forward)


def _depth(result: InitStats) -> int:
    return max(each.depth for each in result.starts[0].sites)


def _headlines(result: InitStats) -> tuple[Headline, ...]:
    found = []
    for start in result.starts[:3]:
        found.append(Headline("", f"loss at the start, {start.init}", start.loss, percent=False, level=result.chance))
        found.append(Headline("", f"last layer over first, {start.init}", start.forward, percent=False))
    return tuple(each for each in found if each.number.value is not None)


def _sections(report: Report[InitStats], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    del shelf
    result = report.result
    limits = [
        f"One batch of {count(result.n, 'training image')} and one draw of the weights: another seed moves these "
        "numbers by some percent in wide layers, more in narrow ones.",
        "Dropout is off; batch norm takes the batch's own statistics.",
        *result.notes,
    ]
    found = (
        Section("signal", "The signal", signal_claim(result), {"charts": _charts(result), "result": result}),
        Section("spread", "Histograms", _spread_claim(result), {"chart": _histograms(result)}),
        _site_section(result),
        record.method_section(report, dropped, limits=limits),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def _charts(result: InitStats) -> list[Chart]:
    charts = []
    for begin in range(0, len(result.starts), MOST):
        part = result.starts[begin : begin + MOST]
        for which, words in (("activation", "Activations"), ("gradient", "Gradients")):
            title = f"{words} by depth, {', '.join(each.init for each in part)}"
            series = [Series(each.init, _curve(each, which)) for each in part]
            if any(each.points for each in series):
                charts.append(
                    log_chart(
                        title,
                        series,
                        key=f"{which}-{begin}",
                        x="weight layer",
                        y=f"deviation of {'responses' if which == 'activation' else 'their gradients'}",
                        levels=[Level(1.0, "1")] if which == "activation" else [],
                    )
                )
    return charts


def _curve(start: Start, which: str) -> tuple[tuple[float, Number], ...]:
    shown = responses(start) if which == "activation" else responses(start)[:-1]  # at the last, all schemes meet
    return tuple((float(each.depth), getattr(each, which).std) for each in shown if getattr(each, which).std.value)


def responses(start: Start) -> list[SiteSignal]:
    """The outputs of the weight layers."""
    return [each for each in start.sites if each.response]


def evenly(values: Sequence[SiteSignal], most: int) -> list[SiteSignal]:
    """At most so many of them, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(index * (len(values) - 1) / (most - 1))] for index in range(most)]


def _spread_claim(result: InitStats) -> str:
    del result
    return (
        "All histograms of a row have one axis, 3 deviations of its median layer to either side of 0: a spike is a "
        "signal that has died, mass at both ends one that has grown."
    )


def _histograms(result: InitStats) -> Chart:
    rows = [
        (
            start.init,
            [(f"{each.depth}: {_power(each)}", each.histogram) for each in evenly(responses(start), COLUMNS)],
        )
        for start in result.starts
    ]
    title = "Responses of weight layers, from the first to the last; below each its number and its deviation"
    return histogram_grid(title, rows, key="histograms", desc=f"{len(rows)} schemes, up to {COLUMNS} layers each")


def _power(signal: SiteSignal) -> str:
    value = signal.activation.std.value
    return "none" if value is None else f"{value:.2g}"


def _site_section(result: InitStats) -> Section:
    lowest = min(result.starts, key=lambda each: float(each.loss) if each.loss.value is not None else 1e300)
    claim = f"The loss begins lowest, at {value_of(lowest.loss)} nats, from {lowest.init}; ln {result.classes} is "
    head = (
        "site", "operation", "mean", "deviation", "zeros, %", "low", "high", "gradient, mean", "deviation", "norm",
        "weights' gradient", "dead, %",
    )  # fmt: skip
    tables = [
        (start.init, value_of(start.loss), [site_row(each) for each in start.sites if each.op not in PASSING])
        for start in result.starts
    ]
    return Section("sites", "Sites", f"{claim}{result.chance:.3g}.", {"head": head, "tables": tables})


def site_row(each: SiteSignal) -> tuple[str, ...]:
    """One line of the table of sites."""
    value, grad = each.activation, each.gradient

    def brief(number: object) -> str:
        got = getattr(number, "value", None)
        return "-" if got is None else f"{got:.3g}"

    def percent(number: object) -> str:
        got = getattr(number, "value", None)
        return "-" if got is None else f"{100 * got:.1f}"

    return (
        each.site, each.op, brief(value.mean), brief(value.std), percent(value.zeros), brief(value.low),
        brief(value.high), brief(grad.mean), brief(grad.std), brief(grad.norm), brief(each.weight.std),
        percent(each.dead),
    )  # fmt: skip
