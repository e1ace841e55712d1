"""A diagnosis for a terminal: what is wrong, what was looked at, the layers, which checks looked."""

from __future__ import annotations

from collections.abc import Iterable

from striate.doctor.payload import CheckRow, CheckRun, Diagnosis, LayerRow

from .diagnosed import MOST_LAYERS, band_words, by_reason, layer_name, measured, some_layers, tally_of
from .format import cut, named, readable, shown, value_of, wrap
from .lines import painted, result_lines
from .table import table


@result_lines.register
def _diagnosis(result: Diagnosis, width: int, color: bool) -> list[str]:
    if result.kind == "list":
        return _listed(result.listed, width, color)
    lines = [painted(line, "strong", color) for line in wrap(readable(result.verdict), width)]
    lines.append(cut(named(result.setup, 90), width))
    if result.error:
        lines += wrap(f"its loop raised {readable(result.error)}", width)
    rows = [
        (each.label, value_of(each.number, percent=each.percent), _rest(each.number, percent=each.percent), each.note)
        for each in measured(result)
    ]
    lines += ["", *table(("", "", "", ""), rows, width=width, numbers=frozenset({1}))]
    if result.ratios:
        body = [
            (each.name, *(f"{value:.1e}" for value in (each.values[0], each.values[-1])), band_words(each))
            for each in result.ratios
        ]
        names = ("update over weight", "first", "last", "usual is 1e-4 to 1e-2")
        lines += ["", *table(names, body, width=width, numbers=frozenset({1, 2}))]
    if result.layers:
        lines += ["", *_layers(result.layers, width)]
    return [*lines, "", *_checks(result.checks_run, width, color)]


def _rest(number: object, *, percent: bool) -> str:
    return shown(number, percent=percent).removeprefix(value_of(number, percent=percent)).strip()  # type: ignore[arg-type]


def _layers(layers: tuple[LayerRow, ...], width: int) -> list[str]:
    body = [
        (
            layer_name(each),
            "" if layer_name(each).endswith(each.kind) else each.kind,
            "x".join(map(str, each.shape)),
            f"{each.mean:.2g}",
            f"{each.std:.2g}",
            f"{100 * each.zeros:.0f}",
            f"{100 * each.dead:.0f}",
            "-" if each.grad is None else f"{each.grad:.1e}",
        )
        for each in some_layers(layers)
    ]
    names = ("layer, before training", "kind", "shape", "mean", "deviation", "zeros, %", "dead, %", "gradient")
    lines = table(names, body, width=width, numbers=frozenset(range(2, 8)))
    more = len(layers) - len(body)
    return [*lines, f"{MOST_LAYERS} of {len(layers)} layers"] if more > 0 else lines


def _checks(runs: tuple[CheckRun, ...], width: int, color: bool) -> list[str]:
    lines = wrap(tally_of(runs), width)
    for reason, names in by_reason(runs):
        lines += [painted(line, "quiet", color) for line in wrap(f"  {reason}: {', '.join(names)}", width, indent="  ")]
    return lines


def _listed(rows: Iterable[CheckRow], width: int, color: bool) -> list[str]:
    lines: list[str] = []
    family = ""
    for each in rows:
        if each.family != family:
            family = each.family
            lines += ["", painted(family, "strong", color)] if lines else [painted(family, "strong", color)]
        lines += wrap(f"{each.name}: {readable(each.what)}", width, indent="  ")
        cost = f"looks at {PHASE[each.phase]}; needs {', '.join(each.needs)}; costs {each.cost}"
        told = [cost, *(f"limit: {one}" for one in each.thresholds)]
        told += [f"source: {each.source}"] if each.source else []
        lines += [line for words in told for line in wrap(readable(words), width, indent="      ")]
    return [*lines, "", f"{sum(1 for _ in rows)} checks"]


PHASE = {"data": "the data", "start": "the model before training", "run": "the run", "end": "the trained model"}
