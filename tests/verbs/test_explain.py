"""`explain` goes on past files of a folder that cannot be read, and names them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import striate as st
from striate.core.errors import ImageError, StriateError
from striate.core.image import encode_png
from striate.nets.load import load_net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(2):
        image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(number))
        (tmp_path / f"good {number}.png").write_bytes(encode_png(image))
    (tmp_path / "bad one.png").write_bytes(b"no image")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    return tmp_path


def test_files_of_a_folder_that_cannot_be_read_are_left_out_and_named(folder: Path) -> None:
    net = load_net("striate/small.random")
    report = st.explain(net, folder, method="gradient", quiet=True)
    assert [one.image for one in report.result.maps] == ["good 0.png", "good 1.png"]
    (found,) = [one for one in report.findings if one.check == "broken_files"]
    assert found.seen.startswith(
        f"2 files of {folder.name} cannot be read and were left out: bad one.png (is not an image), "
    )
    assert found.evidence[0].number is not None
    assert (found.evidence[0].number.value, found.evidence[0].number.n) == (2, 4)
    assert "bad one.png: is not an image" in [one.what for one in found.evidence]


def test_a_file_named_itself_and_a_folder_of_broken_ones_are_errors(folder: Path) -> None:
    net = load_net("striate/small.random")
    with pytest.raises(ImageError, match=r"bad one\.png is not an image"):
        st.explain(net, folder / "bad one.png", quiet=True)
    with pytest.raises(ImageError, match=r"gone\.png does not exist"):
        st.explain(net, folder / "gone.png", quiet=True)
    for path in folder.glob("good*"):
        path.unlink()
    with pytest.raises(ImageError, match=r"bad one\.png is not an image"):
        st.explain(net, folder, quiet=True)


@pytest.fixture
def told(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("out") / "explained"
    net = load_net("striate/small.random")
    return out, st.explain(net, folder, method="gradient,occlusion", out=out, quiet=True)


def test_maps_stand_side_by_side_with_their_faithfulness_and_a_page(told) -> None:
    out, report = told
    assert {"report.html", "report.json", "good-0-gradient.npz"} <= {each.name for each in out.iterdir()}
    for row in report.result.maps:
        assert [each.measure for each in row.faithfulness] == ["deletion", "insertion"]
        for each in row.faithfulness:
            signed = 1 if each.higher else -1
            assert each.better == all(signed * (each.value.value - one.value) > 0 for one in (each.random, each.edge))
    assert [each.method for each in report.result.methods] == ["gradient", "occlusion", "random", "edge"]
    assert report.result.decided
    assert len(report.result.agreement) == 1
    assert "petsiuk2018rise" in report.origin.cites
    assert 'id="trust"' in (out / "report.html").read_text(encoding="utf-8")


def test_without_faithfulness_no_pass_is_spent_on_it(folder: Path) -> None:
    net = load_net("striate/small.random")
    report = st.explain(net, folder, method="gradient", faithfulness="none", quiet=True)
    assert report.result.methods == ()
    assert report.cost.forward == 2 * 8


def test_all_are_the_methods_that_work_on_the_net(folder: Path) -> None:
    from striate.inside.attribution import METHODS

    net = load_net("striate/linear.random")
    report = st.explain(net, folder, method="all", faithfulness="none", quiet=True)
    made = {row.method for row in report.result.maps}
    assert {"gradient", "occlusion"} <= made
    assert "grad_cam" not in made
    refused = {each.partition(":")[0] for each in report.result.left_out}
    assert made | refused == set(METHODS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "gradeint"}, "'gradeint'.*gradient"),
        ({"faithfulness": "deletoin"}, "'deletoin'.*deletion"),
        ({"faithfulness": "pointing_game"}, "nothing gives a class.*with masks"),
        ({"limit": 3}, "limit is 3.*pointing_game"),
        ({"method": "gradient", "baseline": 0.5}, "baseline is 0.5"),
        ({"method": "gradient", "set": "area"}, r"set is 'area'.*NAME=VALUE"),
        ({"method": "gradient", "set": "area=0.2"}, r"area is '0.2'.*gradient.*with extremal_perturbation"),
        ({"method": "gradient,rise", "set": "aera=0.2"}, "aera.*gradient: check; rise: samples, cells, shown"),
        ({"method": "gradient", "set": "check=perhaps"}, "check is 'perhaps'.*yes or no"),
        ({"method": "rise", "set": "cells=2.5"}, "cells is '2.5'.*whole number"),
        ({"method": "occlusion", "set": "patch=3"}, "patch is an option of its own.*--patch 3"),
    ],
)
def test_mistakes_are_said_with_what_would_do(options, said, folder: Path) -> None:
    with pytest.raises(StriateError, match=said):
        st.explain(load_net("striate/small.random"), folder, quiet=True, **options)


def test_further_options_reach_the_methods_that_have_them(folder: Path) -> None:
    net = load_net("striate/small.random")
    told = {"method": "gradient,rise", "faithfulness": "none", "samples": 8, "quiet": True}
    report = st.explain(net, folder, set="check=no,cells=3,shown=0.25", **told)
    rows = {row.method: row for row in report.result.maps}
    assert rows["gradient"].check.holds is None
    assert "8 masks of 3 x 3 cells" in rows["rise"].units
    again = st.explain(net, folder, set={"check": False, "cells": 3, "shown": 0.25}, **told)
    assert again.result.maps == report.result.maps


def test_of_all_methods_those_of_very_many_passes_are_left_out_unless_they_are_named(folder: Path) -> None:
    net = load_net("striate/linear.random")
    options = {"faithfulness": "none", "quiet": True}
    made = st.explain(net, folder / "good 0.png", method="all", **options).result
    assert "rise" not in {row.method for row in made.maps}
    assert any(each.startswith("rise: it takes some 1,000 passes a map") for each in made.left_out)
    few = st.explain(net, folder / "good 0.png", method="all", samples=8, **options).result
    assert "rise" in {row.method for row in few.maps}
    named = st.explain(net, folder / "good 0.png", method="all,rise", **options).result
    assert "rise" in {row.method for row in named.maps}


def test_maps_of_data_with_masks_are_held_to_their_objects() -> None:
    net = load_net("striate/small.random")
    options = {"method": "gradient,occlusion", "faithfulness": "pointing_game,iou", "limit": 3, "quiet": True}
    report = st.explain(net, "shapes:test=8", object=True, **options)
    assert len(report.result.maps) == 6
    for row in report.result.maps:
        assert [each.measure for each in row.faithfulness] == ["pointing_game", "iou"]
        assert all(0 <= each.value.value <= 1 for each in row.faithfulness)
    assert all(each.iou.value is not None for each in report.result.objects)
