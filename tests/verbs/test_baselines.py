"""`striate baselines`: what a net has to beat, said image by image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import striate as st
from striate.core.report import Report
from striate.learn.baselines.payload import Baselines

FEW: dict[str, Any] = {"features": "pixels", "classifiers": "svm,means", "limit": 80, "quiet": True}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report[Baselines]:
    out = tmp_path_factory.mktemp("baselines") / "out"
    found = st.baselines("digits", net="striate/linear.random", out=out, **FEW)
    assert st.read_report(out / "report.json") == found
    text = (out / "report.html").read_text(encoding="utf-8")
    for section in ("ladder", "against", "templates", "confusion"):
        assert f'<section id="{section}"' in text
    return found


def test_a_net_that_was_never_trained_is_named_with_the_command_that_trains_it(report: Report[Baselines]) -> None:
    finding = next(each for each in report.findings if each.id == "baselines/striate/linear.random")
    assert finding.severity == "warning"
    assert finding.command == "striate train digits --net striate/linear"
    row = report.result.nets[0]
    assert row.difference.value == pytest.approx(float(row.accuracy) - float(report.result.best.accuracy))
    assert row.only_net - row.only_baseline == round(row.difference.value * report.result.n)


def test_the_rows_say_what_dev_chose_and_the_confusion_is_that_of_the_best(report: Report[Baselines]) -> None:
    result = report.result
    assert [row.name for row in result.rows] == ["majority", "pixels, svm", "pixels, means"]
    assert result.rows[1].chosen.startswith("C = ")
    right = sum(row[label] for label, row in enumerate(result.confusion))
    assert right / result.n == pytest.approx(float(result.best.accuracy))
    assert result.templates is not None
    assert len(result.templates.pictures) == 10


def test_without_a_net_the_bar_is_named() -> None:
    found = st.baselines("digits", **FEW)
    assert [each.id for each in found.findings] == ["baselines/bar"]
    assert "striate train digits" in str(found.findings[0].command)


def test_files_that_differ_in_size_ask_for_one(tmp_path: Path) -> None:
    from PIL import Image

    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        for number in range(10):
            Image.new("RGB", (10 + number, 12), (20 * number, 0, 0)).save(tmp_path / kind / f"{number}.png")
    with pytest.raises(st.StriateError, match="differ in size"):
        st.baselines(tmp_path, **FEW)
