"""Healthy: a base plan varied in one thing, and the level that it must reach to deserve the name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from doctor.gallery.bases import base
from doctor.gallery.plan import Plan

Vary = Callable[[Plan], None]


@dataclass(frozen=True)
class Healthy:
    """One healthy set-up on one data set.

    Attributes:
        name: What is varied.
        data: The data set.
        net: The net of the base.
        vary: Varies the base's plan.
        level: What `Plan.accuracy` must reach at least: the proof that it learns.
    """

    name: str
    data: str
    net: str
    vary: Vary
    level: float

    @property
    def title(self) -> str:
        """Unique among all."""
        return f"{self.name} ({self.data}, {self.net})"

    def plan(self, seed: int) -> Plan:
        """The plan, drawn from ``seed``."""
        plan = base(self.data, self.net, seed)
        self.vary(plan)
        return plan


@dataclass(frozen=True)
class Many:
    """One variation on several data sets."""

    each: tuple[Healthy, ...]


def healthy(name: str, net: str = "mlp", /, **levels: float) -> Callable[[Vary], Many]:
    """A function that varies a plan becomes set-ups: ``healthy("adam", "cnn", digits=0.9, FashionMNIST=0.7)``."""

    def made(vary: Vary) -> Many:
        return Many(tuple(Healthy(name, data, net, vary, level) for data, level in levels.items()))

    return made


def of(*modules: ModuleType) -> tuple[Healthy, ...]:
    """All set-ups of some modules."""
    return tuple(one for each in modules for many in vars(each).values() if isinstance(many, Many) for one in many.each)
