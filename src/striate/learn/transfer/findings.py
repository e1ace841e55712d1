"""What a transfer should be looked at for: another policy is better, the data are far, the gain is none."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .payload import Measured, Transfer


def transfer_findings(result: Transfer, *, run: str, net: str, data: str) -> list[Finding]:
    """Findings of a transfer, each with the command to run next."""
    found = [_beaten(result, net, data), _no_gain(result, net, data), _far(result, net, data), _next(result, run, data)]
    return [each for each in found if each is not None]


def _sure(number: Number) -> bool:
    """Whether the interval lies apart from zero."""
    return number.low is not None and number.high is not None and (number.low > 0 or number.high < 0)


def _beaten(result: Transfer, net: str, data: str) -> Finding | None:
    """Another policy does better on dev: the test split decides nothing."""
    others = [row for row in result.rows[1:] if row.name in {"features", "last", "blocks", "all", "scratch"}]
    own = result.rows[0].dev.value
    better = [row for row in others if row.dev.value is not None and own is not None and row.dev.value > own]
    if not better:
        return None
    best = max(better, key=lambda row: float(row.dev))
    return Finding(
        id=f"policy/{best.name}",
        check="policy",
        severity="warning",
        sure=0.6,
        seen=f"The policy {best.name} has more of the dev images right than {result.policy}.",
        evidence=(Evidence(f"dev, {best.name}", best.dev), Evidence(f"dev, {result.policy}", result.rows[0].dev)),
        mend="Take it, if the difference matters: dev is small, and chose the epoch of either.",
        command=shlex.join(["striate", "transfer", net, data, "--policy", best.name]),
    )


def _no_gain(result: Transfer, net: str, data: str) -> Finding | None:
    """A baseline without the net is not clearly worse."""
    plain: list[Measured] = [row for row in result.rows if row.name in {"hog", "pixels"}]
    close = [row for row in plain if not (_sure(row.difference) and float(row.difference) > 0)]
    if not close:
        return None
    best = max(close, key=lambda row: float(row.accuracy))
    return Finding(
        id=f"no_gain/{best.name}",
        check="no_gain",
        severity="warning",
        sure=0.8,
        seen=f"What the net knows does not clearly help: {best.what} does about as well.",
        evidence=(Evidence(f"accuracy over {best.name}", best.difference), Evidence(best.name, best.accuracy)),
        mend="More test images say whether there is a difference; or another net, or the one trained on more.",
        command=shlex.join(["striate", "transfer", net, data, "--policy", "all", "--against", "features"]),
    )


def _far(result: Transfer, net: str, data: str) -> Finding | None:
    if result.advice.similarity >= 0.5 or result.policy == "scratch":
        return None
    return Finding(
        id="far/codes",
        check="far",
        severity="note",
        sure=0.7,
        seen="The net's code does not part these classes well as it is.",
        evidence=(Evidence("training images right, each left out", result.advice.separable),),
        mend="Let more of the net learn, or take a net that was trained on images more like these.",
        command=shlex.join(["striate", "transfer", net, data, "--policy", "all"]),
    )


def _next(result: Transfer, run: str, data: str) -> Finding:
    return Finding(
        id="next/examine",
        check="next",
        severity="note",
        sure=1.0,
        seen="The run folder is a net by its path: every verb takes it.",
        evidence=(Evidence("test images right", result.accuracy),),
        mend="Look at its mistakes, at what it looks at, and at how little fools it.",
        command=shlex.join(["striate", "examine", run, data]),
    )
