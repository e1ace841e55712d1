"""What is worth knowing of a search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .payload import Part, Search, Value

Beyond = Callable[[Part, bool], str]
NEAR = 0.02  # share of a range that counts as its border


def search_findings(found: Search, *, beyond: Beyond | None = None) -> list[Finding]:
    """The best at the border of the space, nothing better than the recipe, too few trials, failures, luck.

    ``beyond`` gives the command of a search past the lower end of a part (True) or its upper one; "" for none.
    """
    findings: list[Finding] = []
    best = found.best
    failed = [each for each in found.trials if each.state == "failed"]
    if failed:
        findings.append(
            Finding(
                "search/failed",
                "search",
                "warning" if 2 * len(failed) > len(found.trials) else "note",
                1.0,
                f"{len(failed)} of {len(found.trials)} trials have failed; the last: {failed[-1].why}.",
                (Evidence("trials that failed", Number(float(len(failed)), n=len(found.trials), why="counted")),),
                "Where they lie close together, leave that part out of the space.",
            )
        )
    if best is None:
        return findings
    findings += [
        _border(part, best.parameters[part.name], beyond) for part in found.space if _at(part, best.parameters)
    ]
    default = next((each for each in found.trials if each.number == found.default), None)
    if default is not None and default.value is not None and best.dev.value is not None and not found.architecture:
        gain = best.dev.value - default.value
        if not found.better(best.dev.value, default.value) or best.number == default.number:
            findings.append(
                Finding(
                    "search/default",
                    "search",
                    "note",
                    1.0,
                    f"No trial of {len(found.trials)} is better on dev than the recipe {found.recipe} as it is.",
                    (Evidence("dev accuracy of the recipe", Number(default.value, n=best.dev.n)),),
                    "Keep the recipe, or search elsewhere: the net, the images, the epochs.",
                )
            )
        elif best.chance.value is not None and abs(gain) < best.chance.value:
            findings.append(
                Finding(
                    "search/luck",
                    "search",
                    "note",
                    0.8,
                    f"The best is {100 * gain:.1f} points better on dev than the recipe as it is, which choosing the "
                    f"best of {len(found.trials)} may give by chance alone.",
                    (Evidence("points that choosing gives at most", Number(100 * best.chance.value)),),
                    "Train both with other seeds before you believe it.",
                    best.command,
                )
            )
    if found.importances_why and len(found.space) > 1:
        findings.append(
            Finding(
                "search/few",
                "search",
                "note",
                1.0,
                f"Which parameter matters is not said: {found.importances_why}.",
                (),
                "Ask for more trials; the same command goes on.",
            )
        )
    return findings


def _at(part: Part, parameters: object) -> bool:
    value = parameters.get(part.name) if isinstance(parameters, dict) else None
    if part.kind == "choice" or not isinstance(value, (int, float)) or part.low is None or part.high is None:
        return False
    return min(place(part, value), 1 - place(part, value)) <= NEAR


def place(part: Part, value: Value) -> float:
    """Where a value lies in its range, from 0 to 1; of a choice its turn."""
    if part.kind == "choice":
        return part.choices.index(str(value)) / max(len(part.choices) - 1, 1)
    low, high, at = float(part.low or 0), float(part.high or 0), float(value)
    if part.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def widened(part: Part, *, below: bool) -> Part:
    """The part with its lower or upper end moved on: tenfold on a logarithmic scale, else by the width of its range."""
    low, high = float(part.low or 0), float(part.high or 0)
    end = (low / 10 if below else high * 10) if part.log else (2 * low - high if below else 2 * high - low)
    if part.kind == "int":
        end = float(max(round(end), 1))
    return replace(part, low=end, high=high) if below else replace(part, low=low, high=end)


def _border(part: Part, value: Value, beyond: Beyond | None) -> Finding:
    below = place(part, value) < 0.5
    end, side = (part.low, "lower") if below else (part.high, "upper")
    command = beyond(part, below) if beyond else ""
    wider = f"Search on {'below' if below else 'above'} it: a wider range, in a folder of its own."
    return Finding(
        f"search/border/{part.name}",
        "search",
        "warning" if command else "note",
        0.9,
        f"The best {part.name}, {float(value):.3g}, lies at the {side} end of what was searched.",
        (Evidence(f"{side} end", Number(float(end or 0.0))),),
        wider if command else "Search more finely near that end: what lies as far beyond it is not possible.",
        command,
    )
