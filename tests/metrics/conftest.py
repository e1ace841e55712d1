"""Random tables are given the time they need: how fast they run on a busy machine is no claim of these tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("metrics", deadline=None)
settings.load_profile("metrics")
