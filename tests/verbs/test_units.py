from __future__ import annotations

import json
from pathlib import Path

import pytest

import striate
from striate.cli.parser import build_parser
from striate.core.errors import StriateError, UnknownNameError
from striate.page.html import render_page
from striate.page.text import render_text


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
        ({"with_net": "striate/small"}, StriateError, "without --concepts"),
        ({"concepts": "digits"}, StriateError, "no masks"),
        ({"layer": "linear", "concepts": True}, StriateError, "none of the layers.*has maps"),
        ({"memory": 1 << 15, "layer": "stem.relu"}, StriateError, "activations of one image take"),
    ],
)
def test_bad_input_gets_a_sentence(options, kind, words) -> None:
    with pytest.raises(kind, match=words):
        striate.units("striate/small", "shapes", limit=4, quiet=True, **options)


def test_labels_effects_and_another_net_stand_beside_the_units() -> None:
    report = striate.units(
        "striate/small", "shapes", limit=24, top=1, layer="stem.relu", units=(0, 3), concepts=True,
        with_net="striate/lenet5.random", ablate=True, quiet=True,
    )  # fmt: skip
    result = report.result
    for unit in result.units:
        assert unit.label is not None
        assert unit.effect is not None
        assert unit.effect.units == (unit.unit,)
        assert unit.label.unit == unit.unit
    assert result.accuracy is not None
    assert result.meanings[0].net == "striate/small"
    assert {row.net for row in result.meanings} == {"striate/small", "striate/lenet5.random"}
    assert result.meanings[0].units == result.layers[0].units
    assert {"bau2017network", "morcos2018importance"} <= set(report.origin.cites)
    assert report.origin.net["name"] == "striate/small"
    page, text = render_page(report), render_text(report)
    assert 'id="meaning"' in page
    assert 'id="sheets"' in page
    assert "without it, accuracy changes by" in page
    assert "striate/lenet5.random" in text
    assert "--concepts --" in report.origin.command or report.origin.command.endswith("--concepts")


@pytest.mark.parametrize("name", ["striate/vit_tiny.random", "timm/vit_tiny_patch16_224.random"])
def test_a_transformer_shows_where_its_heads_look(name) -> None:
    report = striate.units(
        name, "shapes", limit=2, top=1, layer="blocks.1.mlp.fc1" if "timm" in name else "", quiet=True
    )
    attended = report.result.attention
    assert attended is not None
    assert attended.n == 2
    assert all(image.picture in report.album for image in attended.images)
    assert 'id="attention"' in render_page(report)
    assert all(len(layer.shape) == 2 for layer in report.result.layers)  # tokens, nothing inside the attention


def test_a_net_without_attention_or_maps_has_units_all_the_same() -> None:
    result = striate.units("striate/mlp.random", "digits", limit=4, top=1, quiet=True).result
    assert result.attention is None
    assert all(layer.maps is None and layer.kernel is None for layer in result.layers)


def test_concepts_need_no_value_on_the_command_line() -> None:
    parser = build_parser()
    assert parser.parse_args(["units", "a", "b", "--concepts", "--ablate"]).concepts is True
    assert parser.parse_args(["units", "a", "b", "--concepts", "c"]).concepts == "c"
    assert parser.parse_args(["units", "a", "b"]).concepts is None
