"""The envelope: both ways through JSON, and what is no report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import StriateError
from striate.core.finding import SEVERITIES, Evidence, Finding, ranked
from striate.core.number import Number
from striate.core.report import SCHEMA, Cost, Origin, Report, read_report


@dataclass(frozen=True)
class Payload:
    accuracy: Number
    rows: tuple[int, ...]


def report(rows: tuple[int, ...] = (1, 2), *, text: str = "plain") -> Report[Payload]:
    return Report(
        verb="evaluate",
        result=Payload(Number(0.5, 0.25, 0.75, 4), rows),
        findings=(
            Finding(
                "weak-class/cat", "weak-class", "warning", 0.99, text, (Evidence("recall", Number(0.1)),), "mend", "c"
            ),
        ),
        origin=Origin(command=text, arguments={"limit": 3, "net": None}, seed=1, net={"name": "x"}, cites=("a",)),
        cost=Cost(10, 5, 1.5, 1 << 30),
        files={"report": "report.html"},
        album={"a.png": b"\x89PNG"},
        arrays={"raw": object()},
    )


@given(st.lists(st.integers(), max_size=4).map(tuple), st.text())
def test_a_report_is_read_back_equal_but_for_pictures_and_arrays(
    tmp_path_factory: pytest.TempPathFactory, rows: tuple[int, ...], text: str
) -> None:
    path = tmp_path_factory.mktemp("report") / "report.json"
    written = report(rows, text=text)
    again = read_report(written.save(path), Payload)
    assert again == written  # album and arrays take no part in equality
    assert not again.album
    assert not again.arrays


def test_a_file_name_that_is_not_utf8_is_read_back_as_it_was(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", errors="surrogateescape")
    written = report(text=name)
    assert read_report(written.save(tmp_path / "report.json"), Payload) == written


def test_the_json_holds_the_payload_under_result_and_no_picture() -> None:
    data = report().to_json()
    assert set(data) == {"verb", "result", "findings", "origin", "cost", "files", "schema"}
    assert data["result"]["accuracy"] == {"value": 0.5, "low": 0.25, "high": 0.75, "n": 4, "why": ""}
    assert json.loads(str(report())) == data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "JSON but no report"),
        (b'{"verb": "x"}', "JSON but no report"),
        (b"\x89PNG\r\n\x1a\n\xff", "is not JSON"),
        (b"", "is not JSON"),
        (json.dumps({"verb": "x", "result": {}, "schema": SCHEMA + 1}).encode(), "newer than this Striate reads"),
        (b'{"verb": "x", "result": {}, "schema": "new"}', "schema 'new'"),
        (b'{"verb": "x", "result": {"rows": []}}', "does not hold a report of Payload: .*'accuracy'"),
        (b'{"verb": 3, "result": {"rows": [], "accuracy": {"value": 1}}}', "Report.verb is '3'"),
    ],
)
def test_what_is_no_report_is_refused_with_its_name_and_not_its_folder(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(StriateError, match=words) as caught:
        read_report(path, Payload)
    assert "mine.json" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_report_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match=r"cannot read gone.json"):
        read_report(tmp_path / "gone.json", Payload)


@given(st.lists(st.tuples(st.sampled_from(SEVERITIES), st.floats(0, 1)), max_size=8))
def test_findings_are_ranked_by_severity_and_then_by_how_sure_they_are(given_: list[tuple[str, float]]) -> None:
    findings = [
        Finding(str(place), "check", severity, sure, "seen")  # type: ignore[arg-type]
        for place, (severity, sure) in enumerate(given_)
    ]
    order = [(SEVERITIES.index(one.severity), -one.sure, int(one.id)) for one in ranked(findings)]
    assert order == sorted(order)
    assert len(order) == len(given_)
