"""What an ensemble gives to say: whether it beats its best member, at what cost, and who adds nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from striate.core.finding import Evidence, Finding, ranked
from striate.core.number import Number
from striate.metrics.significance import holm

from .payload import ALPHA, Ensemble, Growth

FAR = 0.05  # of accuracy


def ensemble_findings(
    result: Ensemble, *, command: Sequence[str], nets: Mapping[str, str], data: str
) -> tuple[Finding, ...]:
    """Findings. ``command`` made the ensemble; ``nets`` says by which word commands call each net."""
    if len(result.growth) < 2:
        return ()
    return ranked(
        [
            _against_best(result, command, nets, data),
            *_idle(result, command),
            *_sureness(result, nets, data),
            *_views(result, data),
        ]
    )


def idle_members(result: Ensemble) -> list[Growth]:
    """Members with which neither accuracy nor loss got better beyond chance (corrected for their number)."""
    added = result.growth[1:]
    chances = holm([1.0 if each.p is None else each.p for each in added])
    return [
        each
        for each, p in zip(added, chances, strict=True)
        if not (p < ALPHA and float(each.gain) > 0) and not ((each.loss_gain.high or 0.0) < 0)
    ]


def _against_best(result: Ensemble, command: Sequence[str], nets: Mapping[str, str], data: str) -> Finding:
    best, whole, gap = result.best_member, result.whole, float(result.over_best)
    better = result.p < ALPHA and gap > 0
    worse = result.p < ALPHA and gap < 0
    passes = f"{whole.members} passes an image"
    numbers = f"{_percent(whole.accuracy)} right against {_percent(best.accuracy)}"
    seen = (
        f"The average is better than its best member, {best.name}: {numbers}, for {passes} instead of 1."
        if better
        else f"The average is worse than its best member, {best.name}: {numbers}, for {passes}."
        if worse
        else f"The average does not beat its best member, {best.name}, beyond chance: {numbers}, for {passes}."
    )
    mend = (
        "Take it where this is worth the passes."
        if better
        else "Leave weak members out: --choose finds on dev which."
        if worse
        else "Use the best member alone, or measure on more images."
    )
    one = ["striate", "examine", nets[best.net], data]
    return Finding(
        id=f"ensemble/{'gain' if better else 'worse' if worse else 'no-gain'}",
        check="ensemble",
        severity="note" if better else "warning",
        sure=0.99 if better or worse else 0.8,
        seen=seen,
        evidence=(
            Evidence("accuracy of the average less that of its best member, the same images", result.over_best),
            Evidence("chance of it if both were equally good", Number(result.p, why="McNemar")),
            Evidence("loss of the average less that of its best member", result.loss_over_best),
            Evidence("passes an image", Number(float(whole.members), why="counted")),
        ),
        mend=mend,
        command=shlex.join([*command, "--choose"] if worse and result.order == "given" else one),
    )


def _idle(result: Ensemble, command: Sequence[str]) -> list[Finding]:
    idle, total = idle_members(result), len(result.growth)
    if not idle:
        return []
    some = "; ".join(each.added for each in idle[:4]) + ("; ..." if len(idle) > 4 else "")
    one = len(idle) == 1
    seen = (
        f"{len(idle)} of {total} members {'adds' if one else 'add'} nothing beyond chance to those before "
        f"{'it' if one else 'them'}: {some}."
    )
    return [
        Finding(
            id="ensemble/idle",
            check="ensemble",
            severity="note",
            sure=0.8,
            seen=seen,
            evidence=tuple(Evidence(f"accuracy with {each.added} less that without", each.gain) for each in idle[:4]),
            mend="Leave out what adds nothing: each member costs a pass an image.",
            command=shlex.join([*command, "--choose"]) if result.order == "given" else "",
        )
    ]


def _sureness(result: Ensemble, nets: Mapping[str, str], data: str) -> list[Finding]:
    """Averages are less sure than their members; where these were calibrated, the average is not."""
    ece, best = result.whole.ece, result.best_member
    if ece.low is None or best.ece.high is None or ece.low <= best.ece.high:
        return []
    return [
        Finding(
            id="ensemble/calibration",
            check="ensemble",
            severity="note",
            sure=0.9,
            seen=f"The average says how sure it is less well than {best.name} alone: its calibration error is "
            f"{_percent(ece)} against {_percent(best.ece)}.",
            evidence=(Evidence("calibration error of the average", ece), Evidence(f"of {best.name}", best.ece)),
            mend="Averages are less sure than their members: find a temperature for the average on dev before its "
            "probabilities are used.",
            command=shlex.join(["striate", "evaluate", nets[best.net], data]),
        )
    ]


def _views(result: Ensemble, data: str) -> list[Finding]:
    """Views in which a net is far worse than in the whole image: it was not trained to bear them."""
    whole = {each.net: each for each in result.members if each.view == "whole"}
    lost = [
        (float(whole[each.net].accuracy) - float(each.accuracy), each)
        for each in result.members
        if each.view != "whole" and (each.accuracy.high or 0.0) < (whole[each.net].accuracy.low or 0.0)
    ]
    far = sorted((each for each in lost if each[0] > FAR), key=lambda each: -each[0])
    if not far:
        return []
    gap, worst = far[0]
    return [
        Finding(
            id="ensemble/views",
            check="ensemble",
            severity="warning",
            sure=0.95,
            seen=f"In {len(far)} of {len(result.members) - len(whole)} views a net is worse by more than "
            f"{100 * FAR:.0f} points than in the whole image, up to {100 * gap:.0f} points in {worst.name}.",
            evidence=(
                Evidence(f"accuracy of {worst.name}", worst.accuracy),
                Evidence(f"accuracy of {worst.net}, whole image", whole[worst.net].accuracy),
            ),
            mend="Leave these views out, or train with crops, so that an image that is moved stays what it is.",
            command=shlex.join(["striate", "train", data, "--augment", "crop"]),
        )
    ]


def _percent(number: Number) -> str:
    return "-" if number.value is None else f"{100 * number.value:.1f} %"
