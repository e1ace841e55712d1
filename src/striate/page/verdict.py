"""The top of the page: one sentence, five to seven numbers, the findings."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.finding import Evidence, Finding, ranked
from striate.core.number import Number
from striate.measure.payload import ClassFigures, Evaluation

from .format import count, fixed, is_share, named, norm, radius, shown, value_of
from .payload import Examination
from .pictures import Picture, Shelf

SIGNS = {"error": "✕", "warning": "▲", "note": "●"}


@dataclass(frozen=True)
class Headline:
    """One number of the verdict: its term, its label, the number, how it reads, and the level to compare it with."""

    term: str
    label: str
    number: Number
    percent: bool = True
    level: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Shown:
    """One finding as it is shown."""

    finding: Finding
    sign: str
    sure: str
    first: Evidence | None
    rest: tuple[Evidence, ...]
    picture: Picture | None


def weakest(evaluation: Evaluation) -> ClassFigures | None:
    """The class with the lowest recall among those that occur."""
    known = [each for each in evaluation.classes if each.recall.value is not None]
    return min(known, key=lambda each: float(each.recall), default=None)


def verdict(examination: Examination) -> tuple[Headline, ...]:
    """Five to seven numbers that say how good the net is; one that is missing is left out."""
    evaluation, robustness = examination.evaluation, examination.robustness
    chance = evaluation.chance.value
    weak = weakest(evaluation)
    figures = [
        Headline("accuracy", "accuracy", evaluation.accuracy, level=chance, note=count(evaluation.n, "image")),
        Headline("top5", "top-5 accuracy", evaluation.top5),
    ]
    if weak is not None:
        figures.append(
            Headline("recall", "recall, weakest class", weak.recall, level=chance, note=named(weak.name, 24))
        )
    if robustness is not None:
        held = f"{norm(robustness.norm)} radius {radius(robustness.radius)}, {robustness.n:,} images"
        figures.append(Headline("robust", "robust accuracy", robustness.robust_accuracy, level=chance, note=held))
    figures += [
        Headline("ece", "calibration error", evaluation.calibration.ece, note="0 is best"),
        Headline("loss", "loss", evaluation.loss, percent=False, note="nats, 0 is best"),
        Headline("chance", "chance", evaluation.chance, note=count(len(evaluation.names), "class", "classes")),
    ]
    return tuple(figure for figure in figures if figure.number.value is not None)


def summary_sentence(examination: Examination, findings: tuple[Finding, ...]) -> str:
    """What a reader in a hurry takes along."""
    evaluation, robustness = examination.evaluation, examination.robustness
    parts = [
        f"It names the class of {value_of(evaluation.accuracy, percent=True)} of {count(evaluation.n, 'image')} rightly"
    ]
    if evaluation.chance.value is not None and evaluation.accuracy.value is not None and evaluation.chance.value > 0:
        parts[0] += f", where chance gives {value_of(evaluation.chance, percent=True)}."
    else:
        parts[0] += "."
    weak = weakest(evaluation)
    if weak is not None and len(evaluation.classes) > 1:
        parts.append(
            f"Its weakest class is {named(weak.name)}, of which it finds {value_of(weak.recall, percent=True)}."
        )
    if robustness is not None and robustness.robust_accuracy.value is not None:
        left = value_of(robustness.robust_accuracy, percent=True)
        within = f"an attack within {norm(robustness.norm)} radius {radius(robustness.radius)}"
        parts.append(f"Under {within}, {left} of the images stay right.")
    parts.append(tally(findings))
    return " ".join(parts)


def tally(findings: tuple[Finding, ...]) -> str:
    """How many findings there are of each severity, in words."""
    if not findings:
        return "The checks found nothing to mend."
    counts = [
        count(number, severity)
        for severity in ("error", "warning", "note")
        if (number := sum(each.severity == severity for each in findings))
    ]
    listed = counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])} and {counts[-1]}"
    return f"The checks found {listed}."


def shown_findings(findings: tuple[Finding, ...], shelf: Shelf) -> tuple[Shown, ...]:
    """The findings, most serious first, each with its first number and its first picture."""
    listed = []
    for finding in ranked(findings):
        numbers = [each for each in finding.evidence if each.number is not None]
        keys = [each for each in finding.evidence if each.picture is not None and each.picture in shelf]
        picture = shelf.show(str(keys[0].picture), f"{keys[0].what}: {finding.seen}") if keys else None
        sure = "certain" if finding.sure >= 1 else f"{fixed(min(100 * finding.sure, 99), 0)} % sure"
        if 0.99 < finding.sure < 1:
            sure = f"over {sure}"
        first = numbers[0] if numbers else None
        rest = tuple(each for each in finding.evidence if each is not first and each.number is not None)
        listed.append(Shown(finding, SIGNS[finding.severity], sure, first, rest, picture))
    return tuple(listed)


def evidence_text(evidence: Evidence) -> str:
    """A piece of evidence in a line: what it is, and its number."""
    if evidence.number is None:
        return evidence.what
    limit = f" ({evidence.limit})" if evidence.limit else ""
    return f"{evidence.what} {shown(evidence.number, percent=is_share(evidence.number))}{limit}"
