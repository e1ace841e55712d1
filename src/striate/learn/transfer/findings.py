"""What a transfer should be looked at for: another policy is better, the data are far, the gain is none."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .payload import ByLayer, Measured, Transfer


def transfer_findings(result: Transfer, *, run: str, net: str, data: str, image: str = "") -> list[Finding]:
    """Findings of a transfer, each with the command to run next; ``image`` is the path of a test image, if there is."""
    found = [_beaten(result, net, data), _no_gain(result, net, data), _far(result, net, data)]
    return [*(each for each in found if each is not None), *_next(result, run, data, image)]


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
    plain: list[Measured] = [row for row in result.rows if row.name in {"hog", "pixels", "words"}]
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


def _next(result: Transfer, run: str, data: str, image: str) -> list[Finding]:
    """What to do with the run's net."""
    steps = {
        "examine": (
            "The run folder is a net by its path: every verb takes it.",
            "Look at its mistakes, at what it looks at, and at how little fools it.",
            shlex.join(["striate", "examine", run, data]),
        ),
        "attack": (
            "How little change of the pixels fools the net is not known.",
            "Measure it: nets on codes of photographs are often fooled by changes that nobody sees.",
            shlex.join(["striate", "attack", run, data]),
        ),
        "explain": (
            "What in an image the net goes by is not known.",
            "See whether it looks at the object or at what lies around it.",
            shlex.join(["striate", "explain", run, image]),
        ),
    }
    return [
        Finding(
            id=f"next/{name}",
            check="next",
            severity="note",
            sure=1.0,
            seen=seen,
            evidence=(Evidence("test images right", result.accuracy),) if name == "examine" else (),
            mend=mend,
            command=command,
        )
        for name, (seen, mend, command) in steps.items()
        if name != "explain" or image
    ]


def layer_findings(result: ByLayer) -> list[Finding]:
    """Which layers are specific to the first classes, which had grown together, whether what was learnt helps."""
    found: list[Finding] = []
    seeds = str(2 * len(result.seeds))
    again = shlex.join(["striate", "transfer", result.net, result.data, "--by-layer", "--seeds", seeds])
    kept, own, on = result.of("AnB"), result.of("BnB"), result.of("AnB+")
    fallen = [at for at, gap in enumerate(kept.over) if _sure(gap) and float(gap) < 0]
    if fallen:
        at = fallen[0]
        found.append(
            Finding(
                id=f"specific/{result.cuts[at]}",
                check="specific",
                severity="note",
                sure=0.8,
                seen=f"Layers up to {result.layers[result.cuts[at] - 1]} are specific to the classes they learnt.",
                evidence=(Evidence(f"A{result.cuts[at]}B less B", kept.over[at]),),
                mend="For other classes let these layers learn on, or keep fewer of them.",
                command=again,
            )
        )
    weak = [at for at, gap in enumerate(own.over) if _sure(gap) and float(gap) < 0]
    if weak:
        at = min(weak, key=lambda each: float(own.over[each]))
        found.append(
            Finding(
                id=f"together/{result.cuts[at]}",
                check="together",
                severity="note",
                sure=0.6,
                seen=f"New layers behind {result.layers[result.cuts[at] - 1]} do not find what was learnt with it.",
                evidence=(Evidence(f"B{result.cuts[at]}B less B", own.over[at]),),
                mend="Let the layers before the cut learn on: then new ones need not fit them as they are.",
                command=again,
            )
        )
    helped = [at for at, gap in enumerate(on.over) if _sure(gap) and float(gap) > 0]
    if helped:
        at = max(helped, key=lambda each: float(on.over[each]))
        found.append(
            Finding(
                id=f"head_start/{result.cuts[at]}",
                check="head_start",
                severity="note",
                sure=0.8,
                seen=f"Starting from {result.cuts[at]} layers of other classes is better than starting anew.",
                evidence=(Evidence(f"A{result.cuts[at]}B+ less B", on.over[at]),),
                mend="Start from a net that knows other images, and let all of it learn.",
                command=again,
            )
        )
    if not found:
        found.append(
            Finding(
                id="by_layer/alike",
                check="by_layer",
                severity="note",
                sure=0.5,
                seen="No cut is clearly better or worse than the net that learnt these classes alone.",
                evidence=(Evidence("accuracy of B", result.base),),
                mend="More seeds narrow the intervals.",
                command=again,
            )
        )
    return found
