"""Planted faults between backward and step."""

from __future__ import annotations

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


@fault("gradients-not-cleared")
def gradients_not_cleared(plan: Plan) -> None:
    plan.clear = lambda plan: None
