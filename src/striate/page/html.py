"""A report as one HTML file: opened from disk, asking nothing of anyone, readable without JavaScript."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from striate.attacks.payload import Robustness
from striate.attacks.payload_shared import Corrupted, Patched, Spatial, Universal
from striate.checks.payload import Checked
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.core.version import VERSION
from striate.doctor.payload import Diagnosis
from striate.inside.ablation.payload import Ablation, Removal
from striate.inside.embedding.payload import Embedding
from striate.inside.filtering.payload import Filtered
from striate.inside.payload import Explanation
from striate.inside.units.payload import Units
from striate.learn.baselines.payload import Baselines
from striate.learn.curves.payload import LearningCurve
from striate.learn.ensembles.payload import Ensemble
from striate.learn.search.payload import Search
from striate.learn.transfer.payload import ByLayer, Transfer
from striate.measure.compared import Comparison
from striate.measure.payload import Evaluation
from striate.synthesis.payload import Synthesis
from striate.training.descent.payload import Descent
from striate.training.rates.payload import RateSearch
from striate.training.signals.payload import InitStats

from . import (
    ablated,
    attacked,
    attacked_whole,
    averaged,
    baselines,
    checked,
    compared,
    descended,
    diagnosed,
    examined,
    explained,
    filtered,
    grown,
    layered,
    painted,
    rates,
    searched,
    started,
    transferred,
    units,
)
from . import embedded as codes
from .format import behind, count, fixed, interval_of, is_share, named, norm, points, radius, readable, shown, value_of
from .glossary import Terms
from .outline import Outline
from .payload import Examination
from .pictures import Shelf, fitting
from .verdict import evidence_text, shown_findings

MOST = 5_000_000  # bytes of a page
HEAVY = 15_000_000  # from here on a page says that it is heavy
THIN = 25_000_000  # more than this no page holds, whatever was asked
OUTLINES: Mapping[type, Callable[[Report[Any]], Outline]] = {
    Examination: examined.outline,
    Checked: checked.outline,
    Comparison: compared.outline,
    Evaluation: examined.evaluation_outline,
    Synthesis: painted.outline,
    Explanation: explained.outline,
    Robustness: attacked.outline,
    Universal: attacked_whole.outline,
    Patched: attacked_whole.outline,
    Corrupted: attacked_whole.outline,
    Spatial: attacked_whole.outline,
    Embedding: codes.outline,
    Transfer: transferred.outline,
    ByLayer: layered.outline,
    Units: units.outline,
    Ablation: ablated.outline,
    Removal: ablated.removal_outline,
    LearningCurve: grown.outline,
    Baselines: baselines.outline,
    Ensemble: averaged.outline,
    Filtered: filtered.outline,
    InitStats: started.outline,
    RateSearch: rates.outline,
    Descent: descended.outline,
    Search: searched.outline,
    Diagnosis: diagnosed.outline,
}
UNIT = re.compile(r"(?<=\d) %")  # no line ends between a number and its sign


def render_page(report: Report[Any], *, most: int = MOST) -> str:
    """The whole page as HTML text of at most ``most`` bytes in UTF-8, if need be with fewer pictures, and saying so.

    The pictures are those of ``report.album``; keys that it lacks are passed over.
    """
    most = min(most, THIN)
    outline = outline_of(report)
    evident = [each.picture for finding in report.findings for each in finding.evidence if each.picture]
    order = list(dict.fromkeys([*evident, *outline.pictures]))
    page = _render(report, outline, order, None)
    size = len(page.encode("utf-8"))
    if size > most:
        keep = fitting(
            report.album, order, most - len(_render(report, outline, order, frozenset()).encode("utf-8")) - 60_000
        )
        page = _render(report, outline, order, keep)
    return page


def embedded(report: Report[Any]) -> Markup:
    """The report's JSON as it may stand inside a script element: no sign of it can end the element."""
    text = json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704  what could be markup has just been escaped


def outline_of(report: Report[Any]) -> Outline:
    """The outline of a report, by the kind of its payload.

    Raises:
        StriateError: There is no page for this kind.
    """
    for kind, outline in OUTLINES.items():
        if isinstance(report.result, kind):
            return outline(report)
    raise StriateError(
        f"a report of {report.verb} has no page",
        accepted="a report of a verb that writes one, such as examine, evaluate, explain",
    )


def has_page(report: Report[Any]) -> bool:
    """Whether there is a page for this kind of payload."""
    return isinstance(report.result, tuple(OUTLINES))


def _render(report: Report[Any], outline: Outline, order: list[str], keep: frozenset[str] | None) -> str:
    shelf, terms = Shelf(report.album, keep), Terms()
    there = [key for key in order if key in report.album]
    left = 0 if keep is None else len(there) - len(keep)
    dropped = f"{left:,} of {len(there):,} pictures: the page would be too large" if left else ""
    findings = shown_findings(report.findings, shelf)
    sections = outline.sections(shelf, dropped)
    style, script = _static("page.css"), _static("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    picture_bytes = sum(len(report.album[key]) for key in there if keep is None or key in keep) * 4 // 3
    return _environment().get_template("page.html.j2").render(
        report=report, outline=outline, origin=report.origin, version=VERSION, policy=policy,
        style=Markup(style), script=Markup(script), data=embedded(report), shelf=shelf, terms=terms,  # noqa: S704  our own files
        findings=findings, sections=sections, heavy=picture_bytes // 1_000_000 if picture_bytes > HEAVY else 0,
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("striate.page", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalize,
    )  # fmt: skip
    environment.filters.update(
        value=value_of, interval=interval_of, shown=shown, behind=behind, count=count, fixed=fixed, named=named,
        points=points, radius=radius, norm=norm, evidence=evidence_text, lines=escape,
    )  # fmt: skip
    environment.tests["share"] = is_share
    return environment


def _finalize(value: Any) -> Any:
    """Texts from outside lose their control characters; markup is ours."""
    return UNIT.sub("\u00a0%", readable(value)) if type(value) is str else value


@cache
def _static(name: str) -> str:
    return files("striate.page").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
