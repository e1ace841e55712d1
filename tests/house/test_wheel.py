"""The wheel holds all it needs: built, installed beside the old site-packages, and run from there."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
        str(TOP),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("striate-*.whl")
    return built


def test_the_wheel_holds_templates_weights_and_the_type_mark(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "striate/py.typed" in names
    assert "striate/nets/own/weights/small.safetensors" in names
    assert {"striate/page/templates/page.css", "striate/page/templates/page.js"} < set(names)
    assert any(name.startswith("striate/core/bib/") for name in names)
    assert wheel.stat().st_size < 3_000_000


def test_an_installed_wheel_evaluates_and_writes_a_page(wheel: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], check=True)
    python = fresh / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    site = (
        next((fresh / "lib").glob("python*/site-packages"))
        if sys.platform != "win32"
        else fresh / "Lib" / "site-packages"
    )
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    # Only the libraries come from the old environment: ours comes from the wheel, which stands first on the path.
    (site / "old.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    command = [str(python), "-m", "striate", "examine", "striate/small", "shapes", "--limit", "40", "--attacked", "10",
               "--explained", "2", "--quiet", "--out", "page.html", "--json", "page.json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [str(python), "-c", "import striate; print(striate.__file__)"], capture_output=True, text=True, check=True
    )
    assert str(fresh) in where.stdout
    assert json.loads((tmp_path / "page.json").read_text())["result"]["evaluation"]["n"] == 40
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
