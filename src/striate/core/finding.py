"""Findings: what was seen, how sure it is, the evidence, the mend, the command to run next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .number import Number

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence: what it is, its number, and where there is one a picture (key of the album, or file).

    ``limit`` says what the number was held against, and where that comes from.
    """

    what: str
    number: Number | None = None
    picture: str | None = None
    limit: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed and what to do about it.

    Attributes:
        id: Stable name of this finding: ``"check/subject"``, the same in every run that finds the same thing.
        check: Name of the check that found it.
        severity: ``error`` (do not ship), ``warning`` (look at it), ``note`` (good to know).
        sure: Share in [0, 1]: how sure the check is, given what it saw; 1 is arithmetic.
        seen: One sentence that says what was seen.
        evidence: Numbers and pictures, the strongest first.
        mend: One sentence that says what to do.
        command: The command to run next, ready to be copied; empty where there is none.
        code: The mend as lines of code; empty where a command or a sentence says it.
        else_: What else could look like this.
        folded: What was seen beside it and follows from it, a sentence each.
        place: Among findings of one severity: causes come before what follows from them.
    """

    id: str
    check: str
    severity: Severity
    sure: float
    seen: str
    evidence: tuple[Evidence, ...] = field(default=())
    mend: str = ""
    command: str = ""
    code: str = ""
    else_: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    place: int = 0


def ranked(findings: tuple[Finding, ...] | list[Finding]) -> tuple[Finding, ...]:
    """The findings, most serious first, causes before what follows, then the surest; equal ones keep their order."""
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), one.place, -one.sure)))
