"""`striate ensemble`: nets, views and snapshots on one split, from Python and on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import striate as st
from striate.measure.payload import Evaluation

FEW: dict[str, Any] = {"data": "shapes", "limit": 120, "quiet": True}


def test_the_first_member_is_what_evaluate_says_and_the_page_shows_all(tmp_path: Path) -> None:
    report = st.ensemble("striate/small", "striate/linear.random", views="flip", out=tmp_path / "out", **FEW)
    assert st.read_report(tmp_path / "out" / "report.json") == report
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for section in ("ensemble", "ensemble-members", "ensemble-pairs"):
        assert f'<section id="{section}"' in page
    alone = st.evaluate("striate/small", "shapes", limit=120, quiet=True).result
    assert isinstance(alone, Evaluation)
    result = report.result
    assert result.members[0].accuracy == alone.accuracy
    names = ["striate/small", "striate/linear.random", "striate/small, mirrored", "striate/linear.random, mirrored"]
    assert [row.name for row in result.members] == names
    assert report.cost.forward == 4 * 120
    assert report.findings[0].id in {"ensemble/worse", "ensemble/no-gain"}
    assert "ensemble/idle" in {each.id for each in report.findings}
    assert report.origin.command == (
        "striate ensemble striate/small striate/linear.random --data shapes --views flip --out out --limit 120"
    )


def test_snapshots_of_a_run_are_members_the_last_first_and_dev_chooses(tmp_path: Path) -> None:
    run = tmp_path / "run"
    st.train("digits", net="striate/linear", epochs=3, keep=1, limit=200, quiet=True, out=run)
    report = st.ensemble(data="digits", snapshots=run, choose=True, limit=200, quiet=True)
    result = report.result
    given = [f"epoch {place}" for place in (3, 2, 1)]
    assert sorted(row.name for row in result.members) == sorted(given)
    losses = [row.dev_loss for row in result.members]
    assert losses.index(min(losses)) + 1 == sum(row.kept for row in result.members)  # type: ignore[type-var]
    assert report.origin.data is not None
    assert report.origin.data["split"] == "test"


def test_what_cannot_be_averaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(st.StriateError, match="no net is given"):
        st.ensemble(**FEW)
    with pytest.raises(st.StriateError, match="no kept epochs"):
        st.ensemble(snapshots=tmp_path, **FEW)
    with pytest.raises(st.StriateError, match="dev would choose"):
        st.ensemble("striate/small", choose=True, split="dev", **FEW)
    with pytest.raises(st.StriateError, match="views are turn"):
        st.ensemble("striate/small", views="turn", **FEW)
