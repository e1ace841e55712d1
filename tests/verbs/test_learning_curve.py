"""`striate learning-curve` names a command that is worth running: never one that was run already."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import striate as st
from striate.cli.main import run
from striate.core.number import Number
from striate.learn.curves.payload import Grown, LearningCurve, Lever, PowerLaw
from striate.verbs.learning_curve import next_command

GIVEN: dict[str, Any] = {
    "data": "digits", "net": "striate/linear", "recipe": "linear", "epochs": 2, "sizes": (100,), "limit": 300,
}  # fmt: skip


ASKED = {**GIVEN, "size": None, "human": None, "dev_data": None, "out": "curve", "seed": 0, "batch": None}


def pulled(lever: Lever, **given: Any) -> list[str]:
    error = Number(0.1, 0.05, 0.15, 100)
    point = Grown(100, 0, 2, error, None, error, error, "curve/100-0")
    none = Number.missing("one size")
    curve = LearningCurve("n", "d", "linear", (point,), None, (), PowerLaw(none, none, none), lever)
    return shlex.split(next_command(SimpleNamespace(arguments=ASKED), {**ASKED, **given}, curve))  # type: ignore[arg-type]


def test_each_lever_has_a_command_that_differs_from_what_was_run() -> None:
    made = ["striate", "train", "digits", "--net", "striate/linear", "--recipe", "linear", "--epochs", "2"]
    for lever in ("bias", "variance"):
        command = pulled(lever)
        assert command[:7] == made[:7]
        assert command[command.index("--limit") + 1] == "300"
        assert not set(command) <= {*made, "--limit", "300"}
    bias, variance = pulled("bias"), pulled("variance")
    assert bias[bias.index("--epochs") + 1] == "4"
    assert "--augment" in variance
    assert pulled("mismatch", dev_data="photos") == ["striate", "evaluate", "curve/100-0", "photos"]
    assert pulled("none") == pulled("overfitted_dev") == []


def test_the_command_runs_as_it_stands(tmp_path: Path) -> None:
    call = {name: value for name, value in GIVEN.items() if name != "data"}
    report = st.learning_curve("digits", **call, human=0.0, out=tmp_path / "curve", quiet=True)
    lever = report.findings[0]
    assert lever.id in ("lever/bias", "lever/variance")
    words = shlex.split(lever.command)[1:]
    assert run([*words, "--out", str(tmp_path / "next"), "--quiet"]) == 0
