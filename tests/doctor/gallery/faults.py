"""Faults: each spoils one thing of a healthy plan; the doctor must name it among its first two findings."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from doctor.gallery.plan import Plan

FAMILIES = ("values", "labels", "splits", "wiring", "signal", "gradients", "rates", "evaluation")


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        name: Its own, unique.
        finds: Names of checks of which any is right.
        plant: Spoils a plan; may give another.
        data: The data sets that it is planted in.
        nets: The nets.
        mend: Undoes it the way the finding's advice says, on a plan that has it; None where that is not tested.
        before: Whether it must be found before the first step.
    """

    name: str
    finds: tuple[str, ...]
    plant: Callable[[Plan], Plan | None]
    data: tuple[str, ...] = ("digits", "FashionMNIST")
    nets: tuple[str, ...] = ("mlp", "cnn")
    mend: Callable[[Plan], Plan | None] | None = None
    before: bool = False


def fault(
    name: str,
    *finds: str,
    data: tuple[str, ...] = ("digits", "FashionMNIST"),
    nets: tuple[str, ...] = ("mlp", "cnn"),
    mend: Callable[[Plan], Plan | None] | None = None,
    before: bool = False,
) -> Callable[[Callable[[Plan], Plan | None]], Fault]:
    """A function that spoils a plan becomes a `Fault`; without ``finds`` the check of the same name is right."""

    def made(plant: Callable[[Plan], Plan | None]) -> Fault:
        return Fault(name, finds or (name,), plant, data, nets, mend, before)

    return made


@cache
def all_faults() -> tuple[Fault, ...]:
    """Every fault of every family."""
    found = []
    for family in FAMILIES:
        module = importlib.import_module(f"doctor.gallery.planted_{family}")
        found += [each for each in vars(module).values() if isinstance(each, Fault)]
    return tuple(found)


def planted(fault: Fault, data: str, net: str, seed: int) -> Plan:
    """A healthy plan with this fault in it."""
    from doctor.gallery.bases import base

    plan = base(data, net, seed)
    return fault.plant(plan) or plan
