"""Fixtures of the whole suite: where real data lie, quiet threads, oracles on the path."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: this test reads real files from it")
    path = Path(value)
    if not path.is_dir():
        pytest.skip(f"{variable} is no folder")
    return path.resolve()


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What verbs keep between calls lies in a folder of the tests, never in the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data sets, or a skip that says why."""
    return _folder("STRIATE_DATA")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """Folder of real weights, or a skip that says why."""
    return _folder("STRIATE_WEIGHTS")
