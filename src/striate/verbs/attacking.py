"""The two ways to attack a split: each image by itself, or all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from striate.attacks.bounds.measured import BOUNDS, bounds_of, check_bounds
from striate.attacks.catalog import ATTACKS, PER_IMAGE, WHOLE, Whole
from striate.attacks.check import RADII, check_radius
from striate.attacks.findings import attack_findings
from striate.attacks.findings_shared import findings_of
from striate.attacks.run import attack_data
from striate.attacks.transfer import attack_and_transfer
from striate.core.classes import class_number
from striate.core.errors import StriateError
from striate.core.norms import parse_norm
from striate.core.report import Report

from .options import DataLike, NetLike
from .session import Session, shown


def attacking(run: Session, method: str, net: NetLike, data: DataLike, options: Mapping[str, Any]) -> Report[Any]:
    """The report of an attack by its name; options that are None or empty were not given.

    Raises:
        StriateError: An option that the method needs is missing, or one is given that means nothing to it.
    """
    entry = ATTACKS[method]
    given = check_options(method, options)
    return _whole(run, method, net, data, given) if isinstance(entry, Whole) else _each(run, method, net, data, given)


def check_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given; raises where one means nothing to the method, or one that it needs is not there."""
    entry = ATTACKS[method]
    takes, needs = (entry.takes, entry.needs) if isinstance(entry, Whole) else (PER_IMAGE, ())
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    for name in given:
        if name not in takes:
            raise StriateError(
                f"--{name.replace('_', '-')} means nothing to {method}",
                accepted=", ".join(f"--{each.replace('_', '-')}" for each in takes) or "none",
            )
    for name in needs:
        if name not in given:
            raise StriateError(f"{method} without --{name}", accepted=f"--{name}, which it needs")
    return given


def _each(run: Session, method: str, net: NetLike, data: DataLike, given: dict[str, Any]) -> Report[Any]:
    order = parse_norm(given.get("norm", "inf"))
    radius = given.get("radius", RADII[order])
    check_radius(radius, order)
    others = {_name(each): run.net(each) for each in given.get("transfer", ())}
    loaded = run.net(net)
    own, asked = _name(net), len(given.get("transfer", ()))
    if len({own, *others}) < 1 + asked:
        raise StriateError("a net is named twice", accepted="each once: the first net counts without being named")
    images = run.data(data, loaded)
    wanted = class_number(given["target"], loaded.classes) if "target" in given else None
    check_bounds(given.get("bounds", ()), norm=order, radius=radius, target=wanted)
    settings: dict[str, Any] = {
        "method": method, "norm": order, "radius": radius, "target": wanted, "steps": given.get("steps"),
        "radii": given.get("radii", ()), "levels": given.get("eight_bit", False), "seed": run["seed"],
        "memory": run["memory"], "progress": run.progress,
    }  # fmt: skip
    cites = ATTACKS[method].cites
    if others:
        nets = {own: loaded, **others}
        tables = {name: run.table(each, images) for name, each in nets.items()}
        result, album = attack_and_transfer(nets, images, tables, **settings)
        cites = (*cites, "szegedy2014intriguing", "papernot2016transferability")
    else:
        result, album = attack_data(loaded, images, run.table(loaded, images), **settings)
    bounds = given.get("bounds", ())
    proven = bounds_of(
        loaded, images, bounds, norm=order, radius=radius, seed=run["seed"], memory=run["memory"],
        progress=run.progress,
    )  # fmt: skip
    result = replace(result, bounds=proven)
    cites = (*cites, *(key for name in bounds for key in BOUNDS[name]))
    findings = attack_findings(result, net=str(shown(net)), data=str(shown(data)))
    return run.report(result, findings=findings, album=album, cites=cites)


def _whole(run: Session, method: str, net: NetLike, data: DataLike, given: dict[str, Any]) -> Report[Any]:
    if "reference" in given:
        given["reference"] = run.net(given["reference"])
    loaded = run.net(net)
    images = run.data(data, loaded)
    if "target" in given:
        given["target"] = class_number(given["target"], loaded.classes)
    result, album = WHOLE.load(method)(
        loaded,
        images,
        run.table(loaded, images),
        seed=run["seed"],
        memory=run["memory"],
        progress=run.progress,
        **given,
    )
    findings = findings_of(result, net=str(shown(net)), data=str(shown(data)))
    return run.report(result, findings=findings, album=album, cites=ATTACKS[method].cites)


def _name(net: NetLike) -> str:
    return str(shown(net))
