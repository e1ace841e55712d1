"""`striate check` writes pictures and lists, takes every kind of data, and its findings can fail a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import striate as st
from checks.drawn import photographs, picture
from striate.cli.main import run
from striate.core.errors import StriateError
from striate.data.division import Division
from striate.page.text import render_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test; one test image lies in train too, one file is broken."""
    folder = tmp_path_factory.mktemp("data") / "pets"
    for split, seed in (("train", 0), ("test", 2)):
        for label in (0, 1):
            (folder / split / f"class {label}").mkdir(parents=True)
            for number, image in enumerate(photographs(8, seed=seed + label)):
                picture(image).save(folder / split / f"class {label}" / f"{number}.png")
    picture(photographs(8)[2]).resize((130, 110)).save(folder / "test" / "class 0" / "seen.jpg", quality=80)
    (folder / "train" / "class 1" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_it_writes_the_report_its_pictures_and_both_lists(folder: Path, tmp_path: Path) -> None:
    report = st.check(folder, fast=True, quiet=True, out=tmp_path / "out")
    checks = {each.check: each for each in report.findings}
    assert set(checks) == {"leak", "broken_files"}
    assert sum(each.check == "broken_files" for each in report.findings) == 1
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.json", "cleaned.csv", "reasons.csv", "citations.bib"} <= written
    assert {each.picture for each in checks["leak"].evidence if each.picture} <= written
    assert set(report.files.values()) <= written
    with Image.open(tmp_path / "out" / str(checks["leak"].evidence[1].picture)) as shown:
        assert shown.width > 1.9 * shown.height
    with (tmp_path / "out" / "reasons.csv").open(encoding="utf-8", newline="") as stream:
        gone = [row["file"] for row in csv.DictReader(stream) if row["keep"] == "no"]
    assert gone == ["train/class 0/2.png"]


def test_the_cleaned_list_laid_beside_the_images_is_data_without_the_leak(folder: Path, tmp_path: Path) -> None:
    st.check(folder, fast=True, quiet=True, out=tmp_path / "out")
    place = folder / "cleaned.csv"
    place.write_bytes((tmp_path / "out" / "cleaned.csv").read_bytes())
    try:
        again = st.check(place, fast=True, quiet=True)
    finally:
        place.unlink()
    assert [each.check for each in again.findings] == []
    assert again.result.counts.images == st.check(folder, fast=True, quiet=True).result.counts.images - 1


def test_findings_can_fail_the_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(folder), "--fast", "--quiet", "--fail-on", "error"]) == 1
    text = capsys.readouterr().out
    assert "1 test image has a copy in train" in text
    assert run(["check", "digits", "--fast", "--quiet", "--limit", "40", "--fail-on", "note"]) in {0, 1}


def test_the_text_says_first_what_lies_where_and_holds_the_width(folder: Path) -> None:
    lines = render_text(st.check(folder, fast=True, quiet=True), width=60).splitlines()
    assert lines[0].startswith("pets")
    assert max(map(len, lines)) <= 60
    assert any(line.startswith("train") and "16" not in line for line in lines)
    assert any("images with a copy" in line for line in lines)


def test_every_kind_of_data_is_taken(tmp_path: Path) -> None:
    script = tmp_path / "kinds.py"
    script.write_text(
        "import torch\n"
        "from dataclasses import replace\n"
        "from striate.data.dataset import Dataset\n"
        "images = torch.rand(30, 3, 32, 32, generator=torch.Generator().manual_seed(0))\n"
        "base = Dataset.of(images, [0] * 30, classes=('a', 'b'), name='made')\n"
        "def none():\n    return replace(base, labels=torch.full((30,), -1), task='none', classes=())\n"
        "def tags():\n    return replace(base, labels=torch.full((30,), -1), task='tags',"
        " tags=torch.eye(2, dtype=torch.bool).repeat(15, 1))\n"
        "def boxes():\n    return replace(base, labels=torch.full((30,), -1), task='boxes')\n",
        encoding="utf-8",
    )
    for kind in ("none", "tags", "boxes"):
        report = st.check(f"{script}:{kind}", fast=True, quiet=True)
        assert report.result.task == kind
        assert json.loads(str(report))["result"]["task"] == kind
        assert render_text(report)


def test_a_folder_without_images_is_a_mistake_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="empty"):
        st.check(tmp_path, fast=True, quiet=True)


def test_torch_s_random_state_is_left_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    st.check(folder, fast=True, quiet=True)
    assert torch.equal(before, torch.get_rng_state())


def test_the_kept_images_are_taken_back_as_splits(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    images[1] = images[0]
    np.savez(tmp_path / "noise.npz", x=images, y=np.arange(60) % 2)
    report = st.check(tmp_path / "noise.npz", fast=True, out=tmp_path / "checked", quiet=True)
    assert report.result.kept < 60
    assert "--skip-broken" not in report.origin.command
    division = Division(file=tmp_path / "checked" / "cleaned.splits.json")
    splits = st.load_splits(tmp_path / "noise.npz", division=division)
    assert sum(map(len, splits)) == report.result.kept
    assert (tmp_path / "checked" / "report.html").stat().st_size > 10_000
