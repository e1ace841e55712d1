"""The page of an explanation: maps side by side, which of them can be believed, what they cut out."""

from __future__ import annotations

from collections.abc import Iterator

from striate.core.number import Number
from striate.core.report import Report
from striate.inside.payload import Explanation

from . import record
from .format import count, named, value_of
from .glossary import TERMS
from .looks import maps_claim, maps_section
from .outline import Outline
from .pictures import Shelf
from .section import Figure, Section
from .verdict import Headline, tally

CUT = 176  # short side of a cut-out on the page
CONTROLS = {"random": "noise", "edge": "edges of the image"}


def outline(report: Report[Explanation]) -> Outline:
    """What an explanation puts on its page."""
    result = report.result
    parts = [result.decided or maps_claim(result)]
    if report.findings:
        parts.append(tally(report.findings))
    return Outline(
        subject=f"What {named(str(report.origin.arguments.get('net', 'a net')), 60)} looks at",
        other="",
        lead=" ".join(parts),
        headlines=tuple(_headlines(result)),
        pictures=tuple(dict.fromkeys(_pictures(result))),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def _pictures(result: Explanation) -> Iterator[str]:
    for each in result.objects:
        yield each.picture
    for row in result.maps:
        yield from (row.input_picture, row.picture)


def _headlines(result: Explanation) -> Iterator[Headline]:
    images = len({row.image for row in result.maps})
    made = [row.check.holds for row in result.maps if row.check.holds is not None]
    if made:
        share = Number(sum(made) / len(made), n=len(made), why="counted")
        yield Headline("", "maps whose check holds", share, note=f"{sum(made):,} of {count(len(made), 'map')}")
    ranked = [each for each in result.methods if each.rank.value is not None]
    first = next((each for each in ranked if each.method == result.winner), None)
    first = first or min(ranked, key=lambda each: float(each.rank), default=None)
    if first is None:
        return
    edge = next(each for each in result.methods if each.method == "edge")
    for mean, control in zip(first.means[:3], edge.means[:3], strict=True):
        way = "higher is better" if mean.higher else "lower is better"
        note = f"{first.method}; edges {value_of(control.mean)}; {way}"
        yield Headline(mean.measure, mean.measure.replace("_", " "), mean.mean, percent=False, note=note)
    if len(ranked) > 1:
        yield Headline(
            "", "mean rank of the first", first.rank, percent=False, note=f"of {count(len(ranked), 'method')}"
        )
    if images > 1:
        better = first.means[0].better
        yield Headline("", "images where it beats both controls", better, note=first.means[0].measure.replace("_", " "))


def _sections(report: Report[Explanation], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        maps_section(result, (), shelf),
        trust_section(result),
        agreement_section(result),
        sanity_section(result),
        labels_section(result),
        objects_section(result, shelf),
        record.method_section(report, dropped, limits=_limits(result), left_out=result.left_out),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def label(method: str) -> str:
    """A method's name as the field writes it, or what a control is."""
    return CONTROLS.get(method) or TERMS.get(method, (method.replace("_", "-"), ""))[0]


def trust_section(result: Explanation) -> Section | None:
    """Methods and controls side by side."""
    if not result.methods:
        return None
    ranked = [each for each in result.methods if each.rank.value is not None]
    best = [
        (max if mean.higher else min)((float(each.means[place].mean) for each in ranked), default=None)
        for place, mean in enumerate(result.methods[0].means)
    ]
    beaten = [each for each in ranked if all(_above(mean.over_edge) for mean in each.means)]
    claim = result.decided or "One method alone is measured, beside maps that know nothing of the net."
    if ranked and not beaten:
        claim += " None is clearly better than the image's own edges by every measure."
    content = {
        "rows": [(label(each.method), each) for each in result.methods],
        "measures": result.methods[0].means,
        "best": best,
        "first": min((float(each.rank) for each in ranked), default=None) if len(ranked) > 1 else None,
        "several": len(ranked) > 1,
        "images": len({row.image for row in result.maps}),
        "controls": set(CONTROLS),
    }
    return Section("trust", "Which map to trust", claim, content)


def _above(number: Number) -> bool:
    return number.low is not None and number.low > 0


def agreement_section(result: Explanation) -> Section | None:
    """Rank correlations of each two methods."""
    if not result.agreement:
        return None
    names = list(dict.fromkeys(name for each in result.agreement for name in (each.first, each.second)))
    pairs = {(each.first, each.second): each.correlation for each in result.agreement}
    rows = [
        (label(first), [pairs.get((first, second)) or pairs.get((second, first)) for second in names])
        for first in names
    ]
    ordered = sorted(result.agreement, key=lambda each: float(each.correlation))
    low, high = ordered[0], ordered[-1]
    claim = f"{_pair(high.first, high.second)} agree most, rank correlation {value_of(high.correlation)}"
    if low is not high:
        claim += f"; {_pair(low.first, low.second)} least, {value_of(low.correlation)}"
    content = {"names": [label(each) for each in names], "rows": rows}
    return Section("agreement", "Agreement", f"{claim[0].upper()}{claim[1:]}.", content)


def _pair(first: str, second: str) -> str:
    return f"{label(first)} and {label(second)}"


def sanity_section(result: Explanation) -> Section | None:
    """What random weights do to the maps."""
    if not result.sanity:
        return None
    own = [row for row in result.sanity if row.method != "edge"]
    failed = [label(row.method) for row in own if not row.holds]
    claim = (
        f"Maps of {', '.join(failed)} stay much the same when the weights are random: they show the image, not the net."
    )
    if not failed:
        claim = "Maps of every method change when the weights are random." if own else "Edges know nothing of the net."
    return Section(
        "sanity",
        "Random weights",
        claim,
        {"rows": [(label(row.method), row) for row in result.sanity], "first": result.sanity[0]},
    )


def labels_section(result: Explanation) -> Section | None:
    """What permuted labels do to the maps."""
    if not result.labels or result.learnt is None:
        return None
    true, false = (value_of(share, percent=True) for share in result.learnt)
    same = [label(row.method) for row in result.labels if row.method != "edge" and not row.holds]
    claim = "Maps of a net that learnt classes and of one that learnt by heart differ for every method."
    if same:
        claim = f"{', '.join(same)}: maps of a net that learnt classes are those of one that learnt by heart."
    rows = [(label(row.method), row) for row in result.labels]
    return Section("permuted", "Permuted labels", claim, {"rows": rows, "true": true, "false": false})


def objects_section(result: Explanation, shelf: Shelf) -> Section | None:
    """What was cut out, started from the maps."""
    figures = []
    for each in result.objects:
        picture = shelf.show(each.picture, f"object cut out of {each.image} from its {each.method} map", target=CUT)
        if picture is None:
            continue
        lines = [
            ("", each.image),
            ("from the map of", label(each.method)),
            ("share of the image", value_of(each.share, percent=True)),
        ]
        if each.box is not None:
            left, top, right, bottom = each.box
            lines.append(("box", f"{right - left} × {bottom - top} at {left}, {top}"))
        if each.iou.value is not None:
            lines.append(("IoU with the known mask", value_of(each.iou)))
        figures.append(Figure(picture, tuple(lines)))
    if not figures:
        return None
    found = sum(each.box is not None for each in result.objects)
    claim = f"From maps alone, GrabCut finds an object in {found:,} of {count(len(result.objects), 'image')}."
    return Section("objects", "Objects", claim, {"figures": figures})


def _limits(result: Explanation) -> list[str]:
    limits = [
        "A map shows what moves one output of one net on one image; it does not say why, nor what would be right."
    ]
    if result.methods:
        limits.append(
            "Covered and blurred images are unlike any that the net was trained on: measures of faithfulness also "
            "measure that, which is why noise and edges stand beside them."
        )
    if 0 < len({row.image for row in result.maps}) < 20:
        limits.append("On few images the order of methods is mostly chance; the intervals say how much.")
    return limits
