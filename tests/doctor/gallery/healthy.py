"""Healthy set-ups: on none of them may the doctor raise a warning or an error."""

from __future__ import annotations

from doctor.gallery import healthy_alike, healthy_loops, healthy_nets, healthy_rates, healthy_tasks
from doctor.gallery.varied import Healthy, of

HEALTHY: tuple[Healthy, ...] = of(healthy_rates, healthy_nets, healthy_tasks, healthy_loops, healthy_alike)
