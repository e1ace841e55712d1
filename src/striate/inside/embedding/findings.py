"""What codes give notice of."""

from __future__ import annotations

import shlex

from striate.core.finding import Evidence, Finding

from .payload import Embedding


def embedding_findings(result: Embedding, *, net: str, data: str) -> tuple[Finding, ...]:
    """Codes whose neighbours share labels no oftener than those of pixels; probes that say the same; a better layer."""
    found = (_neighbours(result, net, data), _probes(result, net, data), _layer(result, net, data), _plane(result))
    return tuple(each for each in found if each is not None)


def _neighbours(result: Embedding, net: str, data: str) -> Finding | None:
    near = result.neighbours
    if near.difference.value is None or near.difference.low is None or near.difference.low > 0:
        return None
    worse = near.difference.high is not None and near.difference.high < 0
    return Finding(
        id="code-neighbours/labels",
        check="code-neighbours",
        severity="warning",
        sure=0.95,
        seen=f"The {near.k} nearest images by the code at {result.layer} share a label "
        f"{'less often than' if worse else 'no oftener beyond chance than'} the {near.k} nearest by pixels.",
        evidence=(
            Evidence("agreement by code", near.code_agreement),
            Evidence("agreement by pixels", near.pixel_agreement),
            Evidence("difference", near.difference),
        ),
        mend="Do not search or cluster these images by this code: try another layer, or a net trained on such images.",
        command=shlex.join(["striate", "evaluate", net, data]),
    )


def _probes(result: Embedding, net: str, data: str) -> Finding | None:
    probes = result.probes
    if probes is None or probes.over_pixels.low is None or probes.over_pixels.low > 0:
        return None
    return Finding(
        id="probe-pixels/linear",
        check="probe-pixels",
        severity="warning",
        sure=0.95,
        seen=f"The best linear probe of {len(probes.rows) - 1} layers is not better beyond chance than that of the "
        "pixels.",
        evidence=(
            Evidence(f"best probe, {probes.best}, less pixels", probes.over_pixels),
            Evidence("probe of the pixels", probes.rows[0].linear),
        ),
        mend="The layers hold no more of these classes than the pixels do: look whether the net and the data fit.",
        command=shlex.join(["striate", "evaluate", net, data]),
    )


def _layer(result: Embedding, net: str, data: str) -> Finding | None:
    probes = result.probes
    if probes is None or probes.over_last.low is None or probes.over_last.low <= 0:
        return None
    return Finding(
        id=f"better-layer/{probes.best}",
        check="better-layer",
        severity="note",
        sure=0.95,
        seen=f"A linear probe reads these classes off {probes.best} better than off the last layer, "
        f"{probes.rows[-1].layer}.",
        evidence=(Evidence("accuracy less that of the last layer", probes.over_last),),
        mend="For these images take the codes of that layer.",
        command=shlex.join(["striate", "embed", net, data, "--layer", probes.best]),
    )


def _plane(result: Embedding) -> Finding | None:
    plane = result.projection
    if plane is None or plane.agreement.high is None or plane.code_agreement.low is None:
        return None
    if plane.agreement.high >= plane.code_agreement.low or plane.method != "pca":
        return None
    return Finding(
        id="plane-loses/pca",
        check="plane-loses",
        severity="note",
        sure=0.95,
        seen="The plane of the first two principal axes mixes classes that the codes hold apart.",
        evidence=(Evidence("agreement in the plane", plane.agreement), Evidence("in the codes", plane.code_agreement)),
        mend="Judge the codes by their neighbours and probes, or project with --projection tsne.",
    )
