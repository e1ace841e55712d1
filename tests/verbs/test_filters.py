"""`striate filters`: photographs under filters made by hand, a net's first filters beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

import striate as st
from striate.page.text import render_text

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


def test_a_photograph_is_drawn_under_every_filter_and_reads_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = st.filters(PHOTOS / "coffee.jpg", net="striate/small", layer="stage1.relu", out=out, quiet=True)
    result = report.result
    assert [each.name for each in result.images[0].maps][-2:] == ["Canny", "Normalized cuts"]
    assert all((out / each.picture).is_file() for each in result.images[0].maps)
    assert result.first is not None
    assert result.first.filters == 24
    assert result.first.deeper == "stage1.relu"
    back = st.read_report(out / "report.json")
    assert back.result == result
    assert render_text(back) == render_text(report)
    text = (out / "report.html").read_text(encoding="utf-8")
    for section in ("by-hand", "beside", "deeper"):
        assert f'<section id="{section}"' in text


def test_a_layer_without_a_net_and_a_file_that_is_not_there_are_refused() -> None:
    with pytest.raises(st.StriateError, match="--layer"):
        st.filters(PHOTOS / "coffee.jpg", layer="stem", quiet=True)
    with pytest.raises(st.StriateError, match="does not exist"):
        st.filters("no-such-photo.jpg", quiet=True)
