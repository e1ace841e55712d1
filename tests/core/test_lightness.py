"""What must start fast loads neither torch nor numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        *(f"striate.core.{name}" for name in ("cite", "codec", "errors", "finding", "number", "progress")),
        *(f"striate.core.{name}" for name in ("registry", "report", "storage")),
        "striate.measure.payload",
    ],
)
def test_loading_it_loads_neither_torch_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'numpy', 'tqdm'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
