"""A comparison for a terminal: the nets, their pairs, where they contradict each other; or two reports' differences."""

from __future__ import annotations

from striate.core.number import Number
from striate.measure.compared import ComparedNet, Comparison

from .format import bytes_of, count, fixed, large, named, readable, shown, value_of, wrap
from .lines import painted, result_lines
from .table import table

MOST_PAIRS = 10
MOST_SHOWN = 6
MOST_DIFFERENCES = 20


@result_lines.register
def _comparison(result: Comparison, width: int, color: bool) -> list[str]:
    if result.kind == "reports":
        return _reports(result, width, color)
    head = f"{count(len(result.nets), 'net')} on {named(result.data[0])}, {count(result.nets[0].n, 'image')}"
    lines = [painted(head, "strong", color), *_nets(result, width)]
    lines += ["", *_costs(result, width)]
    if result.device:
        words = f"times on {result.device}; median of {result.rounds} rounds, the nets taking turns"
        lines += wrap(readable(words), width)
    lines += ["", *_pairs(result, width)]
    if result.at_least_one is not None and result.all_right is not None:
        some, every = value_of(result.at_least_one, percent=True), value_of(result.all_right, percent=True)
        lines.append(f"all are right on {every}, at least one on {some}")
    if result.disagreements:
        lines += ["", *_disagreements(result, width)]
    return lines


def _nets(result: Comparison, width: int) -> list[str]:
    body = [
        (each.name, shown(each.accuracy, percent=True), shown(each.loss), shown(each.ece, percent=True))
        for each in result.nets
    ]
    return table(("net", "accuracy", "loss", "calibration error"), body, width=width, numbers=frozenset({1, 2, 3}))


def _costs(result: Comparison, width: int) -> list[str]:
    body = [
        (
            each.name,
            "x".join(map(str, each.size)),
            "" if each.parameters is None else large(each.parameters),
            "" if each.macs is None else large(each.macs),
            "" if each.single is None else shown(each.single.milliseconds),
            "" if each.best is None else f"{value_of(each.best.milliseconds)} at {each.best.batch}",
            "" if each.memory is None else bytes_of(each.memory),
        )
        for each in result.nets
    ]
    head = ("net", "input", "weights", "multiply-adds", "ms an image", "in batches", "memory")
    return table(head, body, width=width, numbers=frozenset(range(1, 7)))


def _pairs(result: Comparison, width: int) -> list[str]:
    body = [
        (
            f"{each.a} and {each.b}",
            _points(each.difference),
            f"{each.only_a:,}",
            f"{each.only_b:,}",
            value_of(each.agreement, percent=True),
            _chance(each.p),
            each.better or "none",
        )
        for each in result.pairs[:MOST_PAIRS]
    ]
    head = ("pair", "difference, points", "only first", "only second", "agree", "p", "better")
    lines = table(head, body, width=width, numbers=frozenset({1, 2, 3, 4, 5}))
    if len(result.pairs) > len(body):
        lines.append(f"and {count(len(result.pairs) - len(body), 'pair')} more")
    return lines


def _disagreements(result: Comparison, width: int) -> list[str]:
    body = [
        (
            each.name,
            each.label,
            *(f"{said} {fixed(100 * sure, 0)} %" for said, sure in zip(each.said, each.confidence, strict=True)),
        )
        for each in result.disagreements[:MOST_SHOWN]
    ]
    return table(("they contradict on", "label", *(each.name for each in result.nets)), body, width=width)


def _reports(result: Comparison, width: int, color: bool) -> list[str]:
    first, second = result.nets
    head = f"{named(second.name)} against {named(first.name)}"
    places = " and ".join(dict.fromkeys(named(each, 60) for each in result.data))
    lines = [painted(head, "strong", color), *wrap(f"measured on {places}: {_images(first, second)}", width)]
    classes = [each for each in result.differences if each.what.startswith("recall of ")]
    whole = [each for each in result.differences if each not in classes]
    chosen = [*whole, *classes[: max(0, MOST_DIFFERENCES - len(whole))]]
    body = [
        (
            each.what,
            value_of(each.a),
            value_of(each.b),
            shown(each.difference),
            _verdict(each.difference, clear=each.clear, up=each.higher_is_better),
        )
        for each in chosen
    ]
    lines += [
        "",
        *table(("figure", "first", "second", "difference", ""), body, width=width, numbers=frozenset({1, 2, 3})),
    ]
    if len(chosen) < len(result.differences):
        lines.append(f"and {count(len(result.differences) - len(chosen), 'class', 'classes')} more")
    return [*lines, "", *wrap(readable(result.note), width)]


def _images(first: ComparedNet, second: ComparedNet) -> str:
    return count(first.n, "image") if first.n == second.n else f"{first.n:,} and {second.n:,} images"


def _verdict(difference: Number, *, clear: bool, up: bool) -> str:
    if not clear:
        return ""
    return "better" if (float(difference) > 0) == up else "worse"


def _points(difference: Number) -> str:
    """A difference of shares in points, with its interval."""
    return shown(difference, percent=True).replace(" %", "")


def _chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else fixed(p, 3)
