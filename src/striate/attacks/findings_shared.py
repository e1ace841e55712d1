"""What attacks on many images at once mean, and what to do next."""

from __future__ import annotations

import shlex
from functools import singledispatch
from typing import Any

from striate.core.finding import Evidence, Finding

from .findings import radius_text
from .payload_shared import Corrupted, Patched, Spatial, Universal

FOOLED = 0.3  # from this share of images on, one change for all is called a danger


@singledispatch
def findings_of(result: Any, *, net: str, data: str) -> tuple[Finding, ...]:
    """Findings on an attack on many images at once."""
    del result, net, data
    return ()


@findings_of.register
def _universal(result: Universal, *, net: str, data: str) -> tuple[Finding, ...]:
    rate, noise = result.fooling_rate, result.noise_rate
    if rate.value is None or noise.value is None:
        return ()
    fragile = rate.value - noise.value >= FOOLED
    return (
        Finding(
            id="attack/universal",
            check="attack",
            severity="warning" if fragile else "note",
            sure=1.0,
            seen=(
                f"One difference of norm {result.norm}, at most {radius_text(result.radius)}, changes what the net "
                f"says of {100 * rate.value:.1f} % of {result.n} images that it was not made for; {result.noise} of "
                f"that norm change {100 * noise.value:.1f} %."
            ),
            evidence=(
                Evidence("images whose class changes", rate, result.delta or None),
                Evidence(f"the same under {result.noise}", noise),
                Evidence("accuracy with the difference", result.robust_accuracy),
            ),
            mend="Whoever can add to images needs not see them. Train on attacked images, or guard what enters.",
            command=(
                f"striate attack {shlex.quote(net)} {shlex.quote(data)} --method pgd --norm {result.norm} "
                f"--radius {radius_text(result.radius)}"
            ),
        ),
    )


@findings_of.register
def _patched(result: Patched, *, net: str, data: str) -> tuple[Finding, ...]:
    rate, seen = result.success_rate, result.seen_rate
    if rate.value is None or seen.value is None:
        return ()
    name = result.names[result.target] if result.target < len(result.names) else str(result.target)
    return (
        Finding(
            id="attack/patch",
            check="attack",
            severity="warning" if rate.value >= FOOLED else "note",
            sure=1.0,
            seen=(
                f"A patch on at most {100 * result.area:.0f} % of an image makes the net see {name!r} in "
                f"{100 * rate.value:.1f} % of {result.n} images that it was not made for, and in "
                f"{100 * seen.value:.1f} % under views as of a photographed print."
            ),
            evidence=(
                Evidence("seen as the target with the patch", rate, result.patch or None),
                Evidence("under views of a print", seen),
                Evidence("under such views without the patch", result.unpatched_rate),
            ),
            mend=(
                "Who can put a sticker into the scene can choose the class. Do not let one image decide; look where "
                "the evidence for a class lies."
            ),
            command=f"striate attack {shlex.quote(net)} {shlex.quote(data)} --method patch --target {result.target} "
            f"--area {result.area / 2:g}",
        ),
    )


@findings_of.register
def _corrupted(result: Corrupted, *, net: str, data: str) -> tuple[Finding, ...]:
    del net
    clean, error = result.clean_accuracy.value, result.mean_error.value
    if clean is None or error is None:
        return ()
    worst = max(result.corruptions, key=lambda one: float(one.error))
    return (
        Finding(
            id="attack/corruptions",
            check="attack",
            severity="warning" if 1 - error < (1 - FOOLED) * clean else "note",
            sure=1.0,
            seen=(
                f"Common damage brings accuracy from {100 * clean:.1f} % to {100 * (1 - error):.1f} % in the mean; "
                f"{worst.name.replace('_', ' ')} is the worst, {100 * (1 - float(worst.error)):.1f} %."
            ),
            evidence=(
                Evidence("mean error under 75 corruptions", result.mean_error, result.sheet or None),
                Evidence("accuracy on clean images", result.clean_accuracy),
                Evidence(f"mean error under {worst.name.replace('_', ' ')}", worst.error),
            ),
            mend="Train on images that are changed at random; keep the worst kinds out where images are taken.",
            command=f"striate train {shlex.quote(data)} --augment rand_augment",
        ),
    )


@findings_of.register
def _spatial(result: Spatial, *, net: str, data: str) -> tuple[Finding, ...]:
    del net
    clean, worst = result.clean_accuracy.value, result.grid_accuracy.value
    if clean is None or worst is None:
        return ()
    picture = next((one.picture for one in result.per_image if one.picture), None)
    return (
        Finding(
            id="attack/spatial",
            check="attack",
            severity="warning" if worst < (1 - FOOLED) * clean else "note",
            sure=1.0,
            seen=(
                f"Turns of up to {result.degrees:g} degrees and shifts of up to {100 * result.share:.3g} % of a side "
                f"bring accuracy from {100 * clean:.1f} % to {100 * worst:.1f} % when the worst of each image is "
                f"searched, and to {100 * float(result.mean_accuracy):.1f} % when they are drawn at random."
            ),
            evidence=(
                Evidence("accuracy under the worst move of the grid", result.grid_accuracy, picture),
                Evidence(f"accuracy under the worst of {result.draws} random moves", result.drawn_accuracy),
                Evidence("mean accuracy under random moves", result.mean_accuracy),
            ),
            mend=(
                "Train on images that are turned and shifted at random. Training against changes within a radius does "
                "not help here: a net that holds those may fall to a turn."
            ),
            command=f"striate train {shlex.quote(data)} --augment rotation,translation",
        ),
    )
