"""What a range test says beyond its suggestion: a sweep too short, a recipe's rate too high, seeds apart."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .payload import RateSearch

APART = 10.0  # times between the lowest and the highest suggestion of the seeds
NEAR = 2.0  # times that a recipe's rate must stay below where the loss diverges
FALLS = 0.05  # share of the first loss by which it must fall, or nothing was learnt


def rate_findings(result: RateSearch, *, net: str, data: str) -> list[Finding]:
    """Findings, each with its numbers and a command."""
    again = ["striate", "find-rate", data, "--net", net]
    again += ["--optimizer", result.instead] if result.instead else []
    return [*_falls(result, again), *_short(result, again), *_own(result, net, data), *_apart(result, again)]


def command(result: RateSearch, *, net: str, data: str) -> str:
    """The command that trains with the rate suggested; "" where there is none."""
    if result.suggested.value is None:
        return ""
    words = ["striate", "train", data, "--net", net, "--rate", f"{result.suggested.value:.2g}"]
    words += ["--optimizer", result.instead] if result.instead else []
    words += ["--size", str(result.size)] if result.size else []
    return shlex.join(words if result.recipe == "quick" else [*words, "--recipe", result.recipe])


def _falls(result: RateSearch, again: list[str]) -> list[Finding]:
    shares = [
        1 - min(rung.smooth for rung in each.rungs) / each.rungs[0].smooth for each in result.sweeps if each.rungs
    ]
    if not shares or max(shares) >= FALLS:
        return []
    return [
        Finding(
            id="loss_never_falls",
            check="loss_never_falls",
            severity="warning",
            sure=0.9,
            seen=f"At no rate the loss falls by more than {100 * FALLS:.0f} %: {result.steps} steps teach nothing.",
            evidence=(Evidence("largest fall", Number.of(max(shares))),),
            mend="Look at the start (striate init-stats), at labels and pixels, or take more steps.",
            command=shlex.join([*again, "--steps", str(4 * result.steps)]),
        )
    ]


def _short(result: RateSearch, again: list[str]) -> list[Finding]:
    open_ends = [each for each in result.sweeps if each.diverged.value is None]
    if not open_ends:
        return []
    return [
        Finding(
            id="never_diverged",
            check="never_diverged",
            severity="note",
            sure=1.0,
            seen=f"{len(open_ends)} of {len(result.sweeps)} sweeps did not diverge up to a rate of {result.high:g}: "
            "the lowest loss may lie beyond.",
            evidence=(Evidence("highest rate", Number(result.high)),),
            mend="Sweep further. Behind batch norm and under Adam large rates often do not diverge but stop learning.",
            command=shlex.join([*again, "--high", f"{10 * result.high:g}"]),
        )
    ]


def _own(result: RateSearch, net: str, data: str) -> list[Finding]:
    diverged = [each.diverged.value for each in result.sweeps if each.diverged.value is not None]
    if not diverged or NEAR * result.own < min(diverged):
        return []
    return [
        Finding(
            id="recipe_rate_high",
            check="recipe_rate_high",
            severity="warning",
            sure=0.7,
            seen=f"The recipe {result.recipe} climbs to a rate of {result.own:g}; the loss diverges here at "
            f"{min(diverged):.2g}.",
            evidence=(
                Evidence("rate at which it diverged, lowest of the seeds", Number(min(diverged))),
                Evidence("rate suggested", result.suggested),
            ),
            mend="Train with the rate suggested; a schedule that warms up may stand a higher one.",
            command=command(result, net=net, data=data),
        )
    ]


def _apart(result: RateSearch, again: list[str]) -> list[Finding]:
    found = result.suggested
    if found.low is None or found.high is None or found.high < APART * found.low:
        return []
    return [
        Finding(
            id="seeds_apart",
            check="seeds_apart",
            severity="note",
            sure=1.0,
            seen=f"The seeds' suggestions lie {found.high / found.low:.0f}-fold apart: the curve is flat or noisy.",
            evidence=(Evidence("rate suggested", found),),
            mend="Take more steps, larger batches or more seeds.",
            command=shlex.join([*again, "--steps", str(3 * result.steps), "--seeds", "5"]),
        )
    ]
