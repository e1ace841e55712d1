from __future__ import annotations

import json
from pathlib import Path

import pytest

import striate
from striate.core.errors import StriateError, UnknownNameError


def test_units_of_a_small_net_are_written_with_their_boxes(tmp_path: Path) -> None:
    report = striate.units(
        "striate/small", "shapes", limit=12, top=2, layer="stage1.relu", out=tmp_path / "out", quiet=True
    )
    found = json.loads((tmp_path / "out" / "report.json").read_text())["result"]
    unit = next(each for each in found["units"] if not each["dead"])
    assert set(unit["top"][0]) == {"image", "id", "row", "box", "value"}
    assert unit["field"]["theoretical"]
    assert unit["label"] is None
    assert unit["effect"] is None
    assert (tmp_path / "out" / unit["picture"]).is_file()
    assert (tmp_path / "out" / "report.html").is_file()
    assert report.cost.forward < 3 * 12
    assert "zhou2015object" not in report.origin.cites


def test_units_can_be_painted_and_measured() -> None:
    report = striate.units(
        "striate/small", "shapes", limit=6, top=1, layer="stem.relu", units=(0,), fields=1, paint=True, quiet=True
    )
    (unit,) = report.result.units
    assert unit.dead or (unit.painted in report.album and unit.field.empirical.value is not None)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"layer": "stage9"}, UnknownNameError, "stage9"),
        ({"layer": "stem.relu", "units": (999,)}, StriateError, "999"),
    ],
)
def test_bad_input_gets_a_sentence(options, kind, words) -> None:
    with pytest.raises(kind, match=words):
        striate.units("striate/small", "shapes", limit=4, quiet=True, **options)
