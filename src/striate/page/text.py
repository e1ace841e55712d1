"""Reports for a terminal: results first and few, then findings with the next command, paths last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from striate.attacks.payload import Bound, Robustness
from striate.core.finding import Finding, ranked
from striate.core.report import Report
from striate.figures.payload import Reproduction
from striate.nets.payload import Summaries, Summary
from striate.training.payload import Epoch, Training

from . import (  # noqa: F401  they register their renderers
    text_ablation,
    text_attack,
    text_augment,
    text_baselines,
    text_check,
    text_compare,
    text_convert,
    text_descent,
    text_diagnosis,
    text_embed,
    text_ensemble,
    text_evaluate,
    text_explain,
    text_filters,
    text_gradients,
    text_grown,
    text_layered,
    text_rates,
    text_search,
    text_start,
    text_synthesis,
    text_tagged,
    text_transfer,
    text_units,
)
from .catalogue import Catalogue
from .format import (
    bytes_of,
    count,
    cut,
    fixed,
    hardening,
    is_share,
    large,
    named,
    norm,
    radius,
    readable,
    seconds,
    shown,
    value_of,
    wrap,
)
from .lines import MOST_LINES, painted, result_lines
from .payload import Demonstration, Examination
from .record import field_text
from .section import class_name
from .table import table
from .text_attack import transfer_lines
from .verdict import tally, verdict

MOST_FILES = 8
MOST_FOLDED = 3  # sentences of what follows from a finding
WIDEST = 100


def render_text(report: Report[Any], *, width: int = WIDEST, color: bool = False) -> str:
    """The report for people, at most ``min(width, 100)`` columns wide; with ``color`` severities carry ANSI colours.

    >>> print(render_text(Report("methods", Catalogue("methods", ()))))
    no methods fit
    """
    width = max(40, min(width, WIDEST))
    blocks = [result_lines(report.result, width, color)]
    if report.findings:
        blocks.append(finding_lines(report.findings, width, color))
    blocks.append(tail_lines(report, width, color))
    return "\n\n".join("\n".join(block) for block in blocks if block)


@result_lines.register
def _examination(result: Examination, width: int, color: bool) -> list[str]:
    rows = [
        (
            line.label,
            value_of(line.number, percent=line.percent),
            _interval(line.number, percent=line.percent),
            line.note,
        )
        for line in verdict(result)
    ]
    head = painted(cut(f"{named(result.net)} on {named(result.data)}", width), "strong", color)
    left = [line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width)]
    return [head, *table(("", "", "", ""), rows, width=width, numbers=frozenset({1})), *left]


@result_lines.register
def _demonstration(result: Demonstration, width: int, color: bool) -> list[str]:
    rows = [
        ("accuracy on new images", value_of(result.accuracy, percent=True), _interval(result.accuracy, percent=True)),
        (
            "under attack",
            value_of(result.robust_accuracy, percent=True),
            _interval(result.robust_accuracy, percent=True),
        ),
    ]
    lines = table(("", "", ""), [row for row in rows if row[1] != "-"], width=width, numbers=frozenset({1}))
    lines += ["", f"run: {readable(result.run)}", f"page: {painted(readable(result.page), 'strong', color)}"]
    return [*lines, "", "next:", *(f"  $ {readable(each)}" for each in result.next)] if result.next else lines


@result_lines.register
def _robustness(result: Robustness, width: int, color: bool) -> list[str]:
    del color
    aim = "" if result.target is None else f" aimed at {named(class_name(result.names, result.target))}"
    head = f"{result.method}{aim}, {norm(result.norm)} radius {radius(result.radius)}, {count(result.n, 'image')}"
    kept = "robust accuracy" if result.target is None else "not turned into it"
    rows = [
        ("accuracy on clean images", shown(result.clean_accuracy, percent=True), ""),
        (kept, shown(result.robust_accuracy, percent=True), "an upper bound"),
        *(_bound_row(each) for each in result.bounds),
        ("median change of the fooled", value_of(result.distance), norm(result.norm)),
        ("fooled after 8-bit rounding too", shown(result.survives_8bit, percent=True), ""),
        ("fooled as JPEG files too", shown(result.survives_jpeg, percent=True), "quality 75"),
    ]
    lines = [head, *table(("", "", ""), [row for row in rows if row[1] != "-"], width=width)]
    if result.curve:
        body = [
            (radius(point.radius) if result.norm == "inf" else f"{point.radius:g}", shown(point.accuracy, percent=True))
            for point in result.curve
        ]
        lines += ["", *table(("radius", kept), body, width=width)]
    if result.transfer is not None:
        lines += ["", *transfer_lines(result.transfer, width)]
    if result.masking.signs:
        lines += ["", *wrap(f"signs of masked gradients: {readable('; '.join(result.masking.signs))}", width)]
    return lines


def _bound_row(bound: Bound) -> tuple[str, str, str]:
    note = "a lower bound" if bound.of == "the net" else f"a lower bound, of {bound.of}"
    return f"certified ({bound.method})", shown(bound.accuracy, percent=True), note


@result_lines.register
def _training(result: Training, width: int, color: bool) -> list[str]:
    share = "accuracy" in result.best.metric
    words = f"{result.best.metric.replace('_', ' ')} {value_of(result.best.value, percent=share)}"
    head = f"{words} at epoch {result.best.epoch} of {result.epochs}"
    if not result.complete:
        head += ", stopped before the end"
    lines = [
        painted(head, "strong", color),
        *wrap(f"{named(result.net)} on {named(result.data)}, recipe {readable(result.recipe)}", width),
    ]
    against = hardening(readable(result.about.get("hardening", "")))
    lines += wrap(f"hardened: {against}", width) if against else []
    lines += [line for note in result.notes for line in wrap(readable(note), width)]
    step = max(1, -(-len(result.history) // MOST_LINES))
    chosen = [
        each for each in result.history if each.epoch % step == 0 or each in (result.history[0], result.history[-1])
    ]
    more = [name for name in result.history[-1].more if name.startswith("dev_")]  # both would be too wide
    names = (
        "epoch",
        "train loss",
        "dev loss",
        "train %",
        "dev %",
        *(name.replace("_", " ") for name in more),
        "rate",
        "s",
    )
    body = [_epoch_cells(each, more) for each in chosen]
    there = [place for place in range(len(names)) if any(row[place] for row in body)]
    shown = [tuple(row[place] for place in there) for row in body]
    heads = tuple(names[place] for place in there)
    return [*lines, "", *table(heads, shown, width=width, numbers=frozenset(range(len(heads))))]


def _epoch_cells(row: Epoch, more: Sequence[str]) -> tuple[str, ...]:
    """The cells of an epoch, empty where the task has no such figure."""
    shares = ("" if each is None else fixed(100 * each, 1) for each in (row.train_accuracy, row.dev_accuracy))
    losses = (fixed(row.train_loss, 3), fixed(row.dev_loss, 3))
    others = (f"{row.more[name]:.3g}" for name in more)
    return (f"{row.epoch}", *losses, *shares, *others, f"{row.rate:.3g}", fixed(row.seconds, 1))


@result_lines.register
def _summary(result: Summary, width: int, color: bool) -> list[str]:
    body = [
        (
            site.name,
            site.op,
            "x".join(map(str, site.shape)),
            f"{site.parameters:,}" if site.parameters else "",
            large(site.macs) if site.macs else "",
            field_text(site.receptive_field),
        )
        for site in result.sites
    ]
    totals = result.totals
    size = f"{result.channels}x{result.size[0]}x{result.size[1]}"
    head = painted(f"{named(result.name)}, input {size}", "strong", color)
    names = ("site", "operation", "shape", "weights", "multiply-adds", "field")
    foot = (
        f"{totals.parameters:,} weights ({totals.trainable:,} trainable), {large(totals.macs)} multiply-adds, "
        f"{large(totals.activations)} activations"
    )
    lines = [head, *table(names, body, width=width, numbers=frozenset({2, 3, 4, 5})), *wrap(foot, width)]
    origin = ", ".join(part for part in (result.source, result.licence) if part)
    return [*lines, f"weights: {readable(origin)}"] if origin else lines


@result_lines.register
def _summaries(result: Summaries, width: int, color: bool) -> list[str]:
    del color
    body = [
        (
            net.name,
            f"{net.channels}x{net.size[0]}x{net.size[1]}",
            f"{len(net.sites)}",
            f"{net.totals.parameters:,}",
            large(net.totals.macs),
            large(net.totals.activations),
        )
        for net in result.nets
    ]
    head = ("net", "input", "sites", "weights", "multiply-adds", "activations")
    return table(head, body, width=width, numbers=frozenset({1, 2, 3, 4, 5}))


@result_lines.register
def _reproduction(result: Reproduction, width: int, color: bool) -> list[str]:
    head = f"{result.passed} of {count(result.total, 'figure')} as they should be"
    lines = [painted(head, "strong", color)]
    if len(result.figures) > 3:
        listed = [
            ("pass" if each.passed else "FAIL", each.id, each.title, each.where, f"{len(each.claims)}")
            for each in result.figures
        ]
        rows = table(("", "figure", "what", "where", "numbers"), listed, width=width, numbers=frozenset({4}))
        return [*lines, "", *(_verdict_painted(row, color) for row in rows)]
    for figure in result.figures:
        lines += ["", f"{named(figure.id)}: {readable(figure.title)} ({readable(figure.where)})"]
        body = [
            (
                "pass" if claim.passed else "FAIL",
                claim.what,
                "" if claim.source is None else _claimed(claim.source),
                _claimed(claim.right),
                _claimed(claim.ours),
                f"{claim.tolerance:g}",
            )
            for claim in figure.claims
        ]
        names = ("", "what", "source", "right", "ours", "tolerance")
        rows = table(names, body, width=width, numbers=frozenset({2, 3, 4, 5}))
        lines += [_verdict_painted(row, color) for row in rows]
        for claim in figure.claims:
            if claim.note:
                lines += wrap(readable(claim.note), width, indent="  ")
    return lines


@result_lines.register
def _catalogue(result: Catalogue, width: int, color: bool) -> list[str]:
    del color
    if not result.rows:
        return [f"no {result.kind} fit"]
    extra = list(dict.fromkeys(key for row in result.rows for key in row.detail))
    body = [
        (row.name, row.summary, row.source, row.licence, *(row.detail.get(key, "") for key in extra))
        for row in result.rows
    ]
    lines = table((result.kind.removesuffix("s"), "what", "source", "licence", *extra), body, width=width)
    return [*lines, f"{len(result.rows):,} {result.kind}"] if len(result.rows) > MOST_LINES else lines


def finding_lines(findings: tuple[Finding, ...], width: int, color: bool) -> list[str]:
    """The findings, most serious first: severity, what was seen, the first number and its limit, what to do.

    That is a sentence, lines of code, the next command; then what follows from it, and what else it could be.
    """
    lines: list[str] = []
    for finding in ranked(findings):
        word = f"{finding.severity:<8}"
        first = next((each for each in finding.evidence if each.number is not None), None)
        fact = ""
        if first is not None and first.number is not None:
            limit = f"; {readable(first.limit)}" if first.limit else ""
            fact = f" ({readable(first.what)} {shown(first.number, percent=is_share(first.number))}{limit})"
        wrapped = wrap(f"{readable(finding.seen)}{fact}", width - 8) or [""]
        lines.append(f"{painted(word, finding.severity, color)}{wrapped[0]}")
        lines += [f"{'':8}{line}" for line in wrapped[1:]]
        lines += [f"{'':8}{line}" for line in wrap(readable(finding.mend), width - 8)]
        lines += [f"{'':12}{readable(line.replace(chr(9), '    '))}" for line in finding.code.splitlines()]
        if finding.command:
            lines.append(f"{'':8}$ {readable(finding.command)}")
        lines += [
            f"{'':8}{painted(line, 'quiet', color)}"
            for line in (*_below(finding, width - 8), *_or_else(finding, width))
        ]
    if len(findings) > 1:
        lines.append(tally(findings))
    return lines


def _below(finding: Finding, width: int) -> list[str]:
    """What follows from a finding: the first sentences, and how many more there are."""
    kept = finding.folded[:MOST_FOLDED]
    more = len(finding.folded) - len(kept)
    lines = [line for each in kept for line in wrap(f"follows from it: {readable(each)}", width)]
    return [*lines, f"and {count(more, 'finding')} more"] if more > 0 else lines


def _or_else(finding: Finding, width: int) -> list[str]:
    return wrap(f"it could also be: {readable('; '.join(finding.else_))}", width - 8) if finding.else_ else []


def tail_lines(report: Report[Any], width: int, color: bool) -> list[str]:
    """Cost and paths: the last lines."""
    cost, lines = report.cost, []
    if cost.seconds or cost.forward:
        parts = [seconds(cost.seconds)] if cost.seconds else []
        if cost.forward:
            parts.append(f"{cost.forward:,} forward and {cost.backward:,} backward passes of single images")
        if cost.peak_bytes:
            parts.append(f"peak {bytes_of(cost.peak_bytes)}")
        lines += [painted(line, "quiet", color) for line in wrap(", ".join(parts), width)]
    files = list(report.files.items())
    named_files = [(name, path) for name, path in files if name != path]
    plain = len(files) - len(named_files)
    for name, path in named_files[:MOST_FILES]:
        lines.append(f"{readable(name)}: {readable(path)}")
    if len(named_files) > MOST_FILES:
        plain += len(named_files) - MOST_FILES
    if plain:
        lines.append(f"and {count(plain, 'file')} more" if named_files else count(plain, "file"))
    return lines


def _verdict_painted(row: str, color: bool) -> str:
    for word, kind in (("pass", "pass"), ("FAIL", "error")):
        if row.startswith(word):
            return painted(word, kind, color) + row[len(word) :]
    return row


def _interval(number: Any, *, percent: bool) -> str:
    return shown(number, percent=percent).removeprefix(value_of(number, percent=percent)).strip()


def _claimed(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
