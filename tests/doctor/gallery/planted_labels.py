"""Planted faults of labels."""

from __future__ import annotations

import torch

from doctor.gallery.faults import fault
from doctor.gallery.plan import Plan


@fault("labels-shuffled", before=True)
def labels_shuffled(plan: Plan) -> None:
    plan.y = plan.y[torch.randperm(len(plan.y))]
