from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork, which the rig needs to be quick")
    rig = Path(__file__).with_name("ranks_rig.py")
    given = [sys.executable, str(rig), str(tmp_path_factory.mktemp("ranks"))]
    done = subprocess.run(given, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["evaluate", "attack"])
def test_two_processes_report_what_one_reports_and_write_once(told, verb):
    assert told[f"{verb}-1"] == ["done"]
    assert told[f"{verb}-2"] == ["done", "done"]
    assert told[f"{verb} there"] == [True, True]
    assert [each for each in told[verb] if not each.startswith(".passes")] == []
    alone, together = told[f"{verb} passes"]
    assert alone <= together <= alone + 8  # each rank takes its own first look at the net


@pytest.mark.slow
def test_a_verb_for_one_process_says_so(told):
    assert all("accepted: one; several for train, evaluate, attack" in each for each in told["methods-2"])
    assert told["methods there"] == [True, False]
