from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _files_stay_in_the_cache(monkeypatch):
    """Waiting for the disk is what most of a tiny run's time would go to; no test here pulls the plug."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
