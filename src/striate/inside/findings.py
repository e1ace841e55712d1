"""What an explanation gives notice of: maps that fail their check, and methods no better than a map without a net."""

from __future__ import annotations

import inspect

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .attribution import METHODS
from .payload import Explanation, MapRow, MeasureMean, MethodSummary, SanityRow

BY_RECTIFIERS = frozenset({"guided_backprop", "deconvnet", "guided_grad_cam"})
MORE = 4  # times as many points or samples, where a check fails: half the error of samples


def explanation_findings(explanation: Explanation, *, net: str) -> tuple[Finding, ...]:
    """Methods whose maps fail their check, are no better than a control, or stay when weights are random.

    The checks of maps and of random weights give warnings. A method clearly worse than noise gives a warning, one
    whose mean is no better than noise or than the edges of the image a note: on photographs both are hard to beat, as
    an image full of holes is unlike any that the net was trained on.
    """
    failed: dict[str, list[MapRow]] = {}
    for row in explanation.maps:
        if row.check.holds is False:
            failed.setdefault(row.method, []).append(row)
    found = [_finding(explanation, method, rows, net) for method, rows in failed.items()]
    for summary in explanation.methods:
        found += _no_better(summary)
    found += [_insane(row, net) for row in explanation.sanity if not row.holds and row.method != "edge"]
    return tuple(found)


def _no_better(summary: MethodSummary) -> list[Finding]:
    """At most one finding a control: the measures by which the method's mean is not above it."""
    found: list[Finding] = []
    if summary.rank.value is None:
        return found
    for control in ("random", "edge"):
        gains = [(each, each.over_random if control == "random" else each.over_edge) for each in summary.means]
        lost = [(each, gain) for each, gain in gains if gain.value is not None and gain.value <= 0]
        if not lost or (control == "edge" and any(each.id.endswith("/random") for each in found)):
            continue
        measures = " and ".join(each.measure.replace("_", " ") for each, _ in lost)
        other = "noise" if control == "random" else "the image's own edges, which know nothing of the net"
        clear = all(gain.high is not None and gain.high < 0 for _, gain in lost)
        found.append(
            Finding(
                id=f"map-faithfulness/{summary.method}/{control}",
                check="map-faithfulness",
                severity="warning" if control == "random" and clear else "note",
                sure=0.975 if clear else 0.6,
                seen=f"By {measures} maps of {summary.method} are no better than {other}",
                evidence=tuple(_evidence(each, gain, control) for each, gain in lost),
                mend="Read another method's maps beside them, and measure on more images before it is believed.",
            )
        )
    return found


def _evidence(mean: MeasureMean, gain: Number, control: str) -> Evidence:
    return Evidence(f"{mean.measure.replace('_', ' ')}: gain over the {control} map", gain)


def _insane(row: SanityRow, net: str) -> Finding:
    mean = sum(float(each) for each in row.spearman) / len(row.spearman)
    return Finding(
        id=f"map-sanity/{row.method}",
        check="map-sanity",
        severity="warning",
        sure=1.0,
        seen=f"Maps of {row.method} stay much the same when the weights of {net} are drawn at random",
        evidence=(
            Evidence("rank correlation with the net's own maps", Number.of(mean, why="a mean over images and depths")),
            Evidence("bound", Number(row.bound, why="set by us")),
        ),
        mend="They show the image more than the net: do not use them to say what the net has learnt.",
    )


def _finding(explanation: Explanation, method: str, rows: list[MapRow], net: str) -> Finding:
    made = sum(row.method == method for row in explanation.maps)
    worst = max(rows, key=lambda row: float("inf") if row.check.residual.value is None else row.check.residual.value)
    fail = "map fails its" if made == 1 else "maps fail their"
    return Finding(
        id=f"map-check/{method}",
        check="map-check",
        severity="warning",
        sure=1.0,
        seen=f"{len(rows)} of {made} {method} {fail} own check (bound {worst.check.bound:g}): {worst.check.what}",
        evidence=(Evidence(f"largest residual, {worst.image}", worst.check.residual, worst.picture),),
        mend=_mend(method, worst, net),
    )


def _mend(method: str, row: MapRow, net: str) -> str:
    """What to do about a map that fails its check: more points or samples where it is made of such."""
    if method in BY_RECTIFIERS:
        return (
            f"Do not read these maps: on {net} the rule lets no signal for this class through; gradient and grad_cam "
            "have no such rule."
        )
    if method.startswith("lrp") or method == "deep_lift":
        return f"Do not read these maps: on {net} the rule loses or adds relevance; gradient and occlusion have none."
    other = f"{net} is random from pass to pass, mixes the images of a batch, or has a backward of its own"
    taken = inspect.signature(METHODS.load(method)).parameters
    option = next((name for name in ("samples", "steps") if name in taken), None)
    if option is None:
        return (
            f"Do not read these maps: at these images {net} may have a kink (flat areas tie in max pooling), or it is "
            f"{other.removeprefix(net).removeprefix(' is ')}."
        )
    used = row.check.residual.n or taken[option].default or 100
    return f"Do not read these maps; more {option} first: --{option} {MORE * used}. If that does not help, {other}."
