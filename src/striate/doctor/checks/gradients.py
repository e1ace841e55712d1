"""Checks of what lies between backward and step: gradients kept, never used, scaled, clipped, lost."""

from __future__ import annotations

from collections.abc import Iterator

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check


@check(
    "gradients-not-cleared",
    what="gradients of earlier steps are still there when backward adds new ones",
    why="each step follows the sum of all gradients so far: it overshoots ever further",
    phase="run",
    needs=("steps",),
    symptom="unstable",
    mend="Clear the gradients before each backward.",
    code="optimizer.zero_grad()  # before loss.backward()",
    thresholds=(Threshold("share of steps", 0.9, "arithmetic: accumulation on purpose steps once for several"),),
    source="",
    leads_to=("diverged", "rate-too-high"),
)
def gradients_not_cleared(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.trace is not None
    steps = case.trace.steps[1:]
    share = sum(each.kept for each in steps) / len(steps)
    if share >= limits["share of steps"]:
        yield Seen(
            f"In {share:.0%} of the steps backward added to the gradients of the step before.",
            evidence=(Evidence("share of steps", Number.of(share), limit="at least .9"),),
            sure=1.0,
        )
