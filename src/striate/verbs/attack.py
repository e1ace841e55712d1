"""`striate attack`: how little change fools a net."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, Unpack

from striate.attacks.payload import Robustness
from striate.core.report import Report

from .options import DataArgument, NetArgument, OnData, Option, OutArgument, count, number, numbers, words
from .session import session, shown, write_out

BoundsOption = Annotated[
    tuple[str, ...], Option("certified accuracy beside it: ibp (intervals), smoothing", "B,B", words)
]


def attack(
    net: NetArgument,
    data: DataArgument,
    *,
    method: Annotated[str, Option("attack; `striate methods` lists them", "M")] = "pgd",
    norm: Annotated[Literal["inf", "2", "1", "0"], Option("norm that measures the change")] = "inf",
    radius: Annotated[
        float | None,
        Option("largest change in that norm, pixels in [0, 1] (default: 8/255, L2 .5, L1 12, L0 1 pixel)", "R", number),
    ] = None,
    target: Annotated[str | None, Option("class to be taken for (default: any wrong one)", "CLASS")] = None,
    steps: Annotated[
        int | None, Option("steps (default: the method's)", "N", parse=lambda text: count(text, "steps"))
    ] = None,
    radii: Annotated[
        tuple[float, ...], Option("more radii, for a curve, such as 1/255,2/255,4/255", "R,R", numbers)
    ] = (),
    bounds: BoundsOption = (),
    out: OutArgument = None,
    **shared: Unpack[OnData],
) -> Report[Robustness]:
    """Measure how often a net stays right when every image may change by ``radius``.

    An image counts as robust when no image within the radius was found that is misclassified (or, with a target, taken
    for it). Success is what a fresh forward pass on the returned float32 image says; the report also says what survives
    rounding to 8 bits. An attack gives an upper bound of the true robust accuracy; `--bounds` adds lower ones: what
    interval bound propagation certifies of the net, and randomised smoothing of the net under noise.
    """
    given: dict[str, Any] = {
        "net": net,
        "data": data,
        "method": method,
        "norm": norm,
        "radius": radius,
        "target": target,
    }
    given |= {"steps": steps, "radii": radii, "bounds": bounds, "out": out}
    with session("attack", given, shared, OnData) as run:
        from striate.attacks.bounds.measured import BOUNDS, bounds_of, check_bounds
        from striate.attacks.catalog import METHODS
        from striate.attacks.check import RADII, check_radius
        from striate.attacks.findings import attack_findings
        from striate.attacks.run import attack_data
        from striate.core.classes import class_number
        from striate.core.norms import parse_norm

        entry = METHODS[method]
        order = parse_norm(norm)
        if radius is None:
            radius = RADII[order]
        check_radius(radius, order)
        loaded = run.net(net)
        images = run.data(data, loaded)
        wanted = None if target is None else class_number(target, loaded.classes)
        check_bounds(bounds, norm=order, radius=radius, target=wanted)
        table = run.table(loaded, images)
        result, album = attack_data(
            loaded,
            images,
            table,
            method=method,
            norm=order,
            radius=radius,
            target=wanted,
            steps=steps,
            radii=radii,
            seed=run["seed"],
            memory=run["memory"],
            progress=run.progress,
        )
        proven = bounds_of(
            loaded, images, bounds, norm=order, radius=radius, seed=run["seed"], memory=run["memory"],
            progress=run.progress,
        )  # fmt: skip
        result = replace(result, bounds=proven)
        findings = attack_findings(result, net=str(shown(net)), data=str(shown(data)))
        cites = (*entry.cites, *(key for name in bounds for key in BOUNDS[name]))
        report = run.report(result, findings=findings, album=album, cites=cites)
        return write_out(report, out, overwrite=run["overwrite"])
