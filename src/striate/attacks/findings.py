"""What an attack's result means, and what to do next."""

from __future__ import annotations

import shlex
from dataclasses import replace

from striate.core.finding import Evidence, Finding

from .payload import Robustness

KEPT_SHARE = 0.5  # of the clean accuracy: a net that keeps less is called fragile
HARDENED_NORMS = ("inf", "2")  # those that training can withstand
STRONGEST = {"inf": "auto", "2": "auto", "1": "apgd_t", "0": "fmn"}  # attacks to rely on, by norm
AIMED = {"inf": "pgd", "2": "pgd", "1": "apgd_ce", "0": "fmn"}  # the same with a target
ROUNDED_SHARE = 0.9  # of the successes that 8-bit rounding should leave


def attack_findings(robustness: Robustness, *, net: str, data: str) -> tuple[Finding, ...]:
    """Findings on one attack: how much accuracy it leaves, what rounding undoes, signs of masked gradients."""
    every = (_robust(robustness, net, data), _rounding(robustness, net, data), _masking(robustness, net, data))
    return tuple(finding for finding in every if finding is not None)


def _robust(result: Robustness, net: str, data: str) -> Finding | None:
    clean, robust = result.clean_accuracy.value, result.robust_accuracy.value
    if clean is None or robust is None:
        return None
    within = f"{result.method.upper()} within {_norm(result)} {radius_text(result.radius)}"
    if result.target is None:
        fragile = robust < KEPT_SHARE * clean
        seen = f"{within} brings accuracy from {_percent(clean)} to {_percent(robust)} on {result.n} images."
    else:
        fragile = robust < KEPT_SHARE
        name = result.names[result.target] if result.target < len(result.names) else str(result.target)
        seen = f"{within} turns {_percent(1 - robust)} of {result.n} images into {name!r}."
    picture = next((one.picture for one in result.per_image if one.picture and one.success), None)
    evidence = (
        Evidence("accuracy under attack" if result.target is None else "images not turned", result.robust_accuracy),
        Evidence("accuracy on clean images", result.clean_accuracy),
        _distance(result, picture),
    )
    if not fragile:
        mend = "An attack gives an upper bound: try one of another kind before relying on the number."
    else:
        mend = (
            "Train on attacked images (adversarial training, Madry et al. 2018) at the radius that must be withstood, "
            "or keep attackers from changing pixels; look first at which radius it breaks."
        )
    return Finding(
        id="attack/robust-accuracy",
        check="attack",
        severity="warning" if fragile else "note",
        sure=1.0,
        seen=seen,
        evidence=evidence,
        mend=mend,
        command=_next(result, net, data, fragile=fragile),
    )


def _distance(result: Robustness, picture: str | None) -> Evidence:
    what = f"median {_norm(result)} change of the fooled images"
    if result.norm != "inf":
        return Evidence(what, result.distance, picture)
    given = result.distance
    value, low, high = (None if end is None else 255 * end for end in (given.value, given.low, given.high))
    return Evidence(f"{what}, grey levels of 255", replace(given, value=value, low=low, high=high), picture)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _rounding(result: Robustness, net: str, data: str) -> Finding | None:
    share = result.survives_8bit
    if share.value is None or share.value >= ROUNDED_SHARE:
        return None
    return Finding(
        id="attack/8-bit",
        check="attack",
        severity="note",
        sure=1.0,
        seen=f"{_percent(1 - share.value)} of the attacked images fool the net no more once saved with 8 bits.",
        evidence=(Evidence("successes that survive 8-bit rounding", share),),
        mend="Where images reach the net as files, count only what survives, or search among images of 8 bits alone.",
        command=f"{command(net, data, result, radius=_whole_levels(result))} --eight-bit",
    )


def _masking(result: Robustness, net: str, data: str) -> Finding | None:
    if not result.masking.signs:
        return None
    return Finding(
        id="attack/masked-gradients",
        check="attack",
        severity="warning",
        sure=0.8,
        seen=f"Gradients may mislead this attack: {'; '.join(result.masking.signs)}.",
        evidence=(
            Evidence("images with a zero or non-finite gradient", result.masking.zero_gradients),
            Evidence("images whose probability rounds to 1", result.masking.saturated),
        ),
        mend="Do not trust the robust accuracy yet: try attacks of other kinds; at a large radius it must reach zero.",
        command=command(net, data, result, method=strongest_of(result)),
    )


def _next(result: Robustness, net: str, data: str, *, fragile: bool) -> str:
    if fragile and result.norm in HARDENED_NORMS and result.radius > 0:
        norm = "" if result.norm == "inf" else f" --norm {result.norm}"
        return (
            f"striate train {shlex.quote(data)} --net {shlex.quote(net)} --harden pgd "
            f"--radius {radius_text(result.radius)}{norm} --out runs/hardened"
        )
    strongest = strongest_of(result)
    if result.method != strongest:
        return command(net, data, result, method=strongest)
    if fragile and not result.curve:
        parts = ",".join(radius_text(result.radius * share) for share in (0.125, 0.25, 0.5))
        return f"{command(net, data, result)} --radii {parts}"
    if result.norm == "inf":
        return command(net, data, result, norm="2", radius=0.5)
    return command(net, data, result, norm="inf", radius=8 / 255)


def strongest_of(result: Robustness) -> str:
    """The attack to rely on in this norm, with or without a target."""
    return (STRONGEST if result.target is None else AIMED)[result.norm]


def command(
    net: str,
    data: str,
    result: Robustness,
    *,
    method: str | None = None,
    norm: str | None = None,
    radius: float | None = None,
) -> str:
    """The command line of this attack, with parts replaced."""
    target = "" if result.target is None else f" --target {result.target}"
    size = radius_text(result.radius if radius is None else radius)
    return (
        f"striate attack {shlex.quote(net)} {shlex.quote(data)} --method {method or result.method} "
        f"--norm {norm or result.norm} --radius {size}{target}"
    )


def radius_text(radius: float) -> str:
    """A radius as one gives it: ``8/255`` where it is whole grey levels, else its digits."""
    levels = radius * 255
    if radius and abs(levels - round(levels)) < 1e-9 and round(levels) < 255:
        return f"{round(levels)}/255"
    return f"{radius:.6g}"


def _whole_levels(result: Robustness) -> float:
    if result.norm != "inf":
        return result.radius
    return max(1, round(result.radius * 255)) / 255


def _norm(result: Robustness) -> str:
    return "Linf" if result.norm == "inf" else f"L{result.norm}"
