"""Starting is light: neither torch nor numpy is loaded by the import, the help, or the whole parser."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "PIL", "sklearn", "torchvision", "timm", "jinja2")


def loaded_by(code: str) -> list[str]:
    """Which heavy libraries a fresh interpreter holds after running ``code``."""
    script = f"import sys, json\n{code}\nprint('\\n' + json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.strip().splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import striate; striate.__version__; dir(striate)",
        "from striate.cli.parser import build_parser; build_parser().format_help()",
        "from striate.cli.main import run\ntry:\n    run(['evaluate', '--help'])\nexcept SystemExit: pass",
        "from striate.cli.main import run; assert run(['evaluate', '--no-such-option']) == 2",
        "import striate; striate.Report, striate.Finding, striate.Number, striate.StriateError",
        "from striate.page.text import render_text",
    ],
    ids=["import", "parser", "help", "mistake", "values", "text"],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_by(code) == []


def test_the_scan_sees_a_heavy_import() -> None:
    assert loaded_by("import numpy") == ["numpy"]
