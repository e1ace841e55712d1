from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork, which the rig needs to be quick")
def test_a_run_killed_at_any_moment_resumes_to_the_same_bits(tmp_path):
    rig = Path(__file__).with_name("rig.py")
    done = subprocess.run([sys.executable, str(rig), str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert len(results) == 20
    for result in results:
        assert result["again"] == "done", (result, done.stderr)
        assert result["differs"] == [], result
        assert result["stray"] == [], result
    killed = [result for result in results if result["first"] == "killed"]
    assert len(killed) >= 19  # the last write may not come, where few epochs were the best so far
    assert sum("last.pt" in result["left"] for result in killed) >= 5  # some in the middle of a run
    assert any(any(name.startswith(".last.pt.") for name in result["left"]) for result in killed)  # some in a write
