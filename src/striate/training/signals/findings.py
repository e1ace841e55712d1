"""What is wrong with a start: signals that vanish or explode, dead, saturated and symmetric units, a loss too high.

The bounds are ours. He et al. 2015 (section 2.2) ask that deviations stay as they are from layer to layer, so that
neither signal shrinks or grows with the power of the depth; ten times over the whole net is a trace of that, a
thousand times stops training by plain SGD. Behind batch norm the weights' scale does not matter, and gradients grow by
sqrt(pi / (pi - 1)), 1.21-fold, a layer all the same (Yang et al. 2019, a mean field theory of batch normalization).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from striate.core.finding import Evidence, Finding, Severity
from striate.core.number import Number

from .payload import InitStats, SiteSignal, Start

DRIFT, LOST = 10.0, 1000.0  # times over all hidden layers: a warning, an error
NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
NORMED_DRIFT = 100.0  # the same where the net normalises: what is reported is then the gradient, as a note
DEAD = 0.4  # share of a layer's rectified units that answer no image; 1/2 is a net that sees all images alike
SATURATED = 0.5  # share of a layer's values in the flat ends
ALIKE = 0.5  # share of a layer's units that have a twin
SURPRISE = 0.5  # nats of loss above that of saying all classes are alike


@dataclass(frozen=True)
class _Case:
    """One start, with the command that looks at it again with another scheme."""

    start: Start
    command: str


def signal_findings(result: InitStats, *, net: str, data: str) -> list[Finding]:
    """Findings of every start, each with its evidence and its mend."""
    found: list[Finding] = []
    for start in result.starts:
        rectified = any(each.dead.value is not None for each in start.sites)
        better = "he_normal" if rectified else "xavier_normal"
        better = "lsuv" if start.init == better else better
        case = _Case(start, shlex.join(["striate", "init-stats", net, data, "--init", f"{start.init},{better}"]))
        found += _symmetric(case)
        if not any(each.check == "symmetric_units" for each in found if each.id.endswith(f"/{start.init}")):
            found += [*_drift(case, better), *_dead(case, better), *_saturated(case)]
        found += [*_broken(case), *_surprise(case, result)]
    return found


def _named(case: _Case, check: str) -> str:
    return f"{check}/{case.start.init}"


def _drift(case: _Case, better: str) -> list[Finding]:
    found = []
    hidden = [each for each in case.start.sites if each.response][:-1]
    for number, what, check in (
        (case.start.forward, "Activations", "signal_forward"),
        (case.start.backward, "Gradients", "signal_backward"),
    ):
        if number.value is None:
            continue
        factor = max(number.value, 1 / max(number.value, 1e-300))
        normed = any(each.op in NORMS for each in case.start.sites)
        if factor < (NORMED_DRIFT if normed else DRIFT):
            continue
        way = "explode" if number.value > 1 else "vanish"
        grows = f"grow {factor:,.3g}-fold" if number.value > 1 else f"shrink {min(factor, 1e30):,.3g}-fold"
        forward = check == "signal_forward"
        ends = (hidden[0], hidden[-1]) if forward else (hidden[-1], hidden[0])
        severity: Severity = "error" if factor >= LOST else "note" if normed else "warning"
        mend = f"Start from {better}, or normalise after each layer (batch or layer norm), which sets the scale."
        if normed:
            mend = (
                "Shortcuts around the layers (a residual net), or fewer layers: batch norm itself drives gradients so."
            )
        found.append(
            Finding(
                id=_named(case, f"{check}_{way}"),
                check=check,
                severity=severity,
                sure=0.95 if factor >= LOST else 0.7,
                seen=f"{what} {way} under {case.start.init}: over {len(hidden)} hidden layers they {grows}.",
                evidence=(
                    Evidence("ratio over the net", number),
                    *(
                        Evidence(
                            f"{'deviation' if forward else 'gradient norm'} at {end.site}",
                            end.activation.std if forward else end.gradient.norm,
                        )
                        for end in ends
                    ),
                ),
                mend=mend,
                command="" if normed else case.command,
            )
        )
    return found


def _worst(case: _Case, which: str) -> tuple[SiteSignal, Number] | None:
    known = [(each, number) for each in case.start.sites if (number := getattr(each, which)).value is not None]
    return max(known, key=lambda pair: float(pair[1]), default=None)


def _dead(case: _Case, better: str) -> list[Finding]:
    worst = _worst(case, "dead")
    if worst is None or float(worst[1]) < DEAD:
        return []
    site, share = worst
    return [
        Finding(
            id=_named(case, "dead_units"),
            check="dead_units",
            severity="warning",
            sure=0.8,
            seen=f"Under {case.start.init}, {100 * float(share):.0f} % of the units of {site.site} are 0 for each of "
            "these images: they get no gradient.",
            evidence=(Evidence(f"dead units of {site.site}", share),),
            mend=f"Start from {better}, check that pixels are normalised, or take an activation with a slope below 0 "
            "(leaky ReLU, GELU).",
            command=case.command,
        )
    ]


def _saturated(case: _Case) -> list[Finding]:
    worst = _worst(case, "saturated")
    if worst is None or float(worst[1]) < SATURATED:
        return []
    site, share = worst
    return [
        Finding(
            id=_named(case, "saturated_units"),
            check="saturated_units",
            severity="warning",
            sure=0.8,
            seen=f"Under {case.start.init}, {100 * float(share):.0f} % of the values of {site.site} ({site.op}) lie in "
            "its flat ends, where the slope is almost 0.",
            evidence=(Evidence(f"saturated values of {site.site}", share),),
            mend="Start from xavier_normal, which was made for such functions, or take a rectifier.",
            command=case.command,
        )
    ]


def _symmetric(case: _Case) -> list[Finding]:
    layers = [
        each
        for each in [one for one in case.start.sites if one.response][:-1]
        if each.alike.value is not None and each.alike.value >= ALIKE and (each.alike.n or 0) > 1
    ]
    if not layers:
        return []
    first = layers[0]
    return [
        Finding(
            id=_named(case, "symmetric_units"),
            check="symmetric_units",
            severity="error",
            sure=1.0,
            seen=f"Under {case.start.init} the units of {len(layers)} hidden layers have the same weights: they get "
            "the same gradient and stay alike, as if each layer had one unit.",
            evidence=(Evidence(f"units of {first.site} that have a twin", first.alike),),
            mend="Draw the weights at random: any scheme but zeros and constant.",
            command=case.command,
        )
    ]


def _broken(case: _Case) -> list[Finding]:
    bad = [each for each in case.start.sites if each.activation.broken > 0 or each.gradient.broken > 0]
    if not bad and case.start.loss.value is not None:
        return []
    where = f", first at {bad[0].site}" if bad else ""
    return [
        Finding(
            id=_named(case, "not_finite"),
            check="not_finite",
            severity="error",
            sure=1.0,
            seen=f"Under {case.start.init} values are not finite{where}.",
            evidence=(Evidence("share of them", Number.of(bad[0].activation.broken)),) if bad else (),
            mend="Start from smaller weights, or normalise after each layer.",
            command=case.command,
        )
    ]


def _surprise(case: _Case, result: InitStats) -> list[Finding]:
    loss = case.start.loss.value
    if loss is None or loss - result.chance < SURPRISE:
        return []
    severity: Severity = "warning" if loss < 10 * result.chance else "error"
    return [
        Finding(
            id=_named(case, "loss_at_start"),
            check="loss_at_start",
            severity=severity,
            sure=0.9,
            seen=f"Under {case.start.init} the loss begins at {loss:.4g} nats, where saying that all "
            f"{result.classes} classes are alike costs {result.chance:.3g} (ln {result.classes}).",
            evidence=(Evidence("loss of the probe images", case.start.loss),),
            mend="Smaller weights in the last layer: the first steps would only shrink them.",
            command=case.command,
        )
    ]
