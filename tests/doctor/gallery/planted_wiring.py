"""Planted faults of the model's wiring."""

from __future__ import annotations

from torch import nn

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


def _without_softmax(plan: Plan) -> None:
    plan.model = plan.model[0]  # type: ignore[index]


@fault("softmax-before-loss", before=True, mend=_without_softmax)
def softmax_before_loss(plan: Plan) -> None:
    plan.model = nn.Sequential(plan.model, nn.Softmax(dim=1))
