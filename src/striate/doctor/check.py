"""Checks: what each looks for, what it needs, what it holds its numbers against; and the list of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from striate.core.finding import Evidence, Finding, Severity

if TYPE_CHECKING:
    from torch import Tensor

    from .case import Case

Phase = Literal["data", "start", "run", "end"]
PHASES: tuple[Phase, ...] = ("data", "start", "run", "end")
Symptom = Literal["crash", "nan", "flat", "slow", "unstable", "gap", "shift", "good", "cost"]
SYMPTOMS: Mapping[Symptom, str] = MappingProxyType(
    {
        "crash": "It stops with an error",
        "nan": "The loss is NaN or infinite",
        "flat": "The loss does not fall",
        "slow": "The loss falls, but slowly, or stops too high",
        "unstable": "The loss jumps, or rises again",
        "gap": "It knows the training images and not the test images",
        "shift": "It does well in training, and badly where it is used",
        "good": "The result is too good to be true",
        "cost": "It learns, and wastes time, memory or noise",
    }
)
NEEDS = MappingProxyType(
    {
        "train": "samples of the training data",
        "test": "samples of the test data",
        "images": "inputs of shape (n, C, H, W)",
        "labels": "one class number for each input",
        "classes": "outputs that are one score for each class",
        "tags": "targets of 0 and 1, several an input",
        "masks": "a class number for each pixel",
        "values": "targets that are measured values",
        "loader": "a torch DataLoader for training",
        "again": "training samples that can be drawn a second time",
        "model": "a model",
        "optimizer": "an optimizer",
        "loss": "a loss function",
        "start": "one batch that passes through model and loss",
        "steps": "steps of an optimizer that were watched",
        "probes": "steps that were looked into",
        "evaluations": "passes without gradients that were watched",
        "end": "model and data after training",
        "history": "the epochs of a run of striate train",
        "scheduler": "the scheduler (watch(..., scheduler=...))",
        "average": "the averaged model (watch(..., average=...))",
        "generator": "a generator's samples (Setup.generate)",
        "discriminator": "a discriminator's scores (Setup.discriminate)",
        "codes": "embeddings (Setup.embed)",
    }
)


@dataclass(frozen=True)
class Threshold:
    """A number that a check holds what it saw against.

    Attributes:
        name: What it bounds, with its unit.
        value: The bound.
        source: Where it comes from: a paper, arithmetic, or what healthy set-ups were measured to show.
    """

    name: str
    value: float
    source: str


@dataclass(frozen=True)
class Seen:
    """What one check saw: the part of a finding that differs from case to case.

    Attributes:
        seen: One sentence, with the numbers.
        severity: ``error`` breaks learning or the result, ``warning`` harms it, ``note`` is good to know.
        sure: Share in [0, 1].
        evidence: Numbers with the limits that they were held against, pictures.
        subject: What it was seen on (a layer, a split), part of the finding's id.
        mend: Instead of the check's own, where the case calls for another.
        code: Likewise.
        command: The command to run next.
        images: A caption and the inputs (n, C, H, W) that it speaks of; they become a picture of the report.
    """

    seen: str
    severity: Severity = "error"
    sure: float = 0.95
    evidence: tuple[Evidence, ...] = ()
    subject: str = "setup"
    mend: str | None = None
    code: str | None = None
    command: str = ""
    images: tuple[str, Tensor] | None = None


Limits = Mapping[str, float]
Look = Callable[["Case", Limits], Iterable[Seen]]


@dataclass(frozen=True)
class Check:
    """One thing that is looked for.

    Attributes:
        name: Its id, in kebab case.
        what: What it finds, in a line: the cause as a user would name it.
        why: What that does to learning, in a sentence.
        phase: When it looks: at the data, at the start (on copies), during the run, after it.
        needs: What it cannot do without, keys of `NEEDS`.
        symptom: What the user sees who has this fault, a key of `SYMPTOMS`.
        mend: What to do, in a sentence.
        code: The mend as code; empty where there is no one line.
        thresholds: What it holds its numbers against.
        cost: What it takes, in passes.
        source: Who described it: author, year, section; empty where it is arithmetic.
        else_: What else could look like this.
        leads_to: Names of checks whose findings follow from this one and are folded under it.
        consequence: Whether it sees a symptom alone, so that any cause that was found takes it in.
        family: The file it stands in.
    """

    name: str
    what: str
    why: str
    phase: Phase
    needs: tuple[str, ...]
    symptom: Symptom
    mend: str
    look: Look
    code: str = ""
    thresholds: tuple[Threshold, ...] = ()
    cost: str = "nothing beyond what others measured"
    source: str = ""
    else_: tuple[str, ...] = ()
    leads_to: tuple[str, ...] = ()
    consequence: bool = False
    family: str = ""
    limits: Limits = field(default_factory=dict)

    def finding(self, seen: Seen, *, place: int = 0) -> Finding:
        """The finding of what was seen."""
        return Finding(
            id=f"{self.name}/{seen.subject}",
            check=self.name,
            severity=seen.severity,
            sure=seen.sure,
            seen=seen.seen,
            evidence=seen.evidence,
            mend=self.mend if seen.mend is None else seen.mend,
            command=seen.command,
            code=self.code if seen.code is None else seen.code,
            else_=self.else_,
            place=place,
        )


def check(
    name: str,
    *,
    what: str,
    why: str,
    phase: Phase,
    needs: tuple[str, ...],
    symptom: Symptom,
    mend: str,
    code: str = "",
    thresholds: tuple[Threshold, ...] = (),
    cost: str = "nothing beyond what others measured",
    source: str = "",
    else_: tuple[str, ...] = (),
    leads_to: tuple[str, ...] = (),
    consequence: bool = False,
) -> Callable[[Look], Check]:
    """A function from (case, limits) to what it saw becomes a `Check`; ``limits`` are its thresholds by name."""
    if unknown := set(needs) - set(NEEDS):
        raise ValueError(f"the check {name} needs {sorted(unknown)}; known are {', '.join(NEEDS)}")

    def made(look: Look) -> Check:
        return Check(
            name, what, why, phase, needs, symptom, mend, look, code, thresholds, cost, source, else_, leads_to,
            consequence, look.__module__.rpartition(".")[2], MappingProxyType({t.name: t.value for t in thresholds}),
        )  # fmt: skip

    return made


def folded(found: list[tuple[Check, Finding]]) -> list[Finding]:
    """The findings with those that follow from another folded under it, causes first.

    A finding goes under the first one whose check names it in ``leads_to``, directly or through others; what a check
    for consequences saw goes under the first cause of severity warning or error. A cause never goes under a
    consequence, what is serious never under a note, and two never under each other: the earlier stays.
    """
    serious = {"error": 0, "warning": 1, "note": 2}
    order = sorted(
        range(len(found)),
        key=lambda at: (serious[found[at][1].severity], found[at][0].consequence, -found[at][1].sure, at),
    )
    reach = {one.name: _reached(one.name, {each.name: each.leads_to for each, _ in found}) for one, _ in found}
    under: dict[int, int] = {}
    for at in order:
        one, finding = found[at]
        for other in order:
            cause, its = found[other]
            if other == at or other in under or cause.name == one.name:
                continue
            if its.severity == "note" and finding.severity != "note":
                continue
            if one.name in cause.leads_to or one.name in reach[cause.name]:
                if cause.name in reach[one.name] and order.index(other) > order.index(at):
                    continue  # each names the other: the more serious one stays
                under[at] = other
                break
            if one.consequence and not cause.consequence and serious[its.severity] <= 1:
                under[at] = other
                break
    kept = []
    for place, at in enumerate(each for each in order if each not in under):
        one, finding = found[at]
        below = tuple(found[each][1].seen for each in order if _root(each, under) == at and each != at)
        kept.append(replace(finding, folded=below, place=place))
    return kept


def _root(at: int, under: Mapping[int, int]) -> int:
    met = {at}
    while at in under and under[at] not in met:
        at = under[at]
        met.add(at)
    return at


def _reached(name: str, leads: Mapping[str, tuple[str, ...]]) -> set[str]:
    met: set[str] = set()
    todo = [name]
    while todo:
        for each in leads.get(todo.pop(), ()):
            if each not in met:
                met.add(each)
                todo.append(each)
    return met
