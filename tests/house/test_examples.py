"""The examples run as they stand, and so does the Python of the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


def run_in(folder: Path, code: str) -> str:
    """What the code prints when a fresh interpreter runs it there, warnings being errors of ours."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("example", sorted(path.name for path in (TOP / "examples").glob("*.py")))
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    assert run_in(tmp_path, (TOP / "examples" / example).read_text(encoding="utf-8"))


def test_the_readme_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    smaller = (
        code.replace("limit=2000", "limit=600")
        .replace('"shapes")', '"shapes", limit=200)')
        .replace('report.html")', 'report.html", limit=200)')
    )
    assert "Number(value=" in run_in(tmp_path, smaller)
    assert (tmp_path / "report.html").exists()


def test_the_concepts_run(tmp_path: Path) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (TOP / "docs" / "concepts.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert "linear" in run_in(tmp_path, code)


def test_the_guide_to_data_runs(tmp_path: Path) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (TOP / "docs" / "data.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert "shapes drawn by rule" in run_in(tmp_path, code)


def test_the_guide_to_measuring_runs(tmp_path: Path) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (TOP / "docs" / "measuring.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert "Number(value=0.475" in run_in(tmp_path, code)


def test_the_guide_to_painting_runs_and_names_every_kind(tmp_path: Path) -> None:
    from striate.verbs.kinds import KINDS

    text = (TOP / "docs" / "painting.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert "'forward':" in run_in(tmp_path, code)
    assert [kind for kind in KINDS if f"`{kind} " not in text and f"`{kind}`" not in text] == []
    assert [name for name in re.findall(r'src="(img/[^"]+)"', text) if not (TOP / "docs" / name).is_file()] == []


def test_the_guide_to_data_names_every_layout() -> None:
    from striate.data.layouts.recognise import LAYOUTS

    text = (TOP / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name in LAYOUTS if f"`{name}`" not in text] == []
