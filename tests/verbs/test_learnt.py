"""What `train` teaches beside classification, and what `synthesize` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import striate as st
from striate.core.errors import RunError, StriateError
from striate.core.image import read_header
from striate.page.text import render_text

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
STYLE = {"task": "style", "style": PHOTOS / "coffee.jpg", "against": "striate/small", "size": 24, "quiet": True}
DECODE = {"task": "decode", "against": "striate/small", "layer": "stage3.relu", "limit": 64, "quiet": True}


def test_photographs_without_labels_teach_a_painter_that_paints_pictures_of_any_size(tmp_path: Path) -> None:
    report = st.train(PHOTOS, **STYLE, epochs=2, out=tmp_path / "run")
    result = report.result
    assert (result.task, result.net, result.complete) == ("style", "painter", True)
    assert result.best.metric == "dev loss"
    assert set(result.history[0].more) == {
        f"{part}_{figure}" for part in ("train", "dev") for figure in ("content", "style", "roughness")
    }
    text = render_text(report)
    assert "dev loss" in text
    assert "dev style" in text
    assert "%" not in text
    head = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert head.startswith("epoch,train_loss,dev_loss,rate,seconds,train_content")
    assert "johnson2016perceptual" in report.origin.cites
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["about"]["against"] == "striate/small"
    assert record["choice"] == {"figure": "loss", "highest": False}
    made = st.synthesize(
        "stylize", "striate/small", image=PHOTOS / "rocket.jpg", prior=tmp_path / "run", size=50,
        out=tmp_path / "made", quiet=True,
    )  # fmt: skip
    assert made.result.images[0].picture == "rocket-stylized.png"
    picture = read_header(tmp_path / "made" / "rocket-stylized.png")
    assert picture.height % 50 == 0


def test_a_run_goes_on_without_being_told_its_options_again(tmp_path: Path) -> None:
    whole = st.train("shapes", **DECODE, epochs=2, out=tmp_path / "run")
    again = st.train("shapes", resume=True, out=tmp_path / "run", quiet=True)
    assert again.result.history == whole.result.history
    with pytest.raises(RunError, match=r"has other arguments: about\.layer is 'stage2\.relu'"):
        st.train("shapes", layer="stage2.relu", resume=True, out=tmp_path / "run", quiet=True)


def test_class_images_go_through_a_decoder_and_stand_beside_those_that_are_free(tmp_path: Path) -> None:
    st.train("shapes", **DECODE, epochs=1, out=tmp_path / "run")
    report = st.synthesize(
        "class", "striate/small", target="1,7", prior=tmp_path / "run", steps=3, out=tmp_path / "made", quiet=True
    )
    assert {path.name for path in (tmp_path / "made").glob("*.png")} == {
        "class-1.png", "class-7.png", "without-class-1.png", "without-class-7.png",
    }  # fmt: skip
    assert "decoded" in report.result.objective
    assert "nguyen2016synthesizing" in report.origin.cites


def test_options_that_do_nothing_for_a_task_are_errors(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for words, options in (
        ("--layer does nothing for the task 'classify'; accepted: --net, --preprocess", {"layer": "pool"}),
        ("--against does nothing for the task 'classify'", {"against": "striate/small"}),
        ("--net does nothing for the task 'decode'", {**DECODE, "net": "striate/lenet5"}),
        ("--preprocess does nothing for the task 'style'", {**STYLE, "preprocess": "min_max"}),
        ("--layer does nothing for the task 'style'", {**STYLE, "layer": "pool"}),
        ("the task 'style' needs --style", {"task": "style", "against": "striate/small"}),
        ("the task 'decode' needs --layer", {"task": "decode", "against": "striate/small"}),
        ("task is 'paint'; accepted: classify, distil, style, decode", {"task": "paint"}),
    ):
        with pytest.raises(StriateError, match=words):
            st.train("shapes", **{"quiet": True, **options}, out=out)
    assert not out.exists()


def test_what_cannot_be_taught_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(StriateError, match=r"photos holds 5 images that nothing gives a class"):
        st.train(PHOTOS, size=24, out=out, quiet=True)
    with pytest.raises(StriateError, match=r"nowhere\.jpg does not exist"):
        st.train(PHOTOS, **{**STYLE, "style": tmp_path / "nowhere.jpg"}, out=out)
    with pytest.raises(StriateError, match=r"images of \(4, 4\) for striate/small; accepted: at least 8 x 8"):
        st.train(PHOTOS, **{**STYLE, "size": 4}, out=out)
    with pytest.raises(StriateError, match="site 'stage9'"):
        st.train("shapes", **{**DECODE, "layer": "stage9"}, out=out)
    with pytest.raises(StriateError, match="mixup mixes labels"):
        st.train("shapes", **DECODE, augment="mixup", out=out)
    assert not out.exists()
    with pytest.raises(StriateError, match="stylize needs --prior"):
        st.synthesize("stylize", "striate/small", image=PHOTOS / "rocket.jpg", quiet=True)
    with pytest.raises(StriateError, match="--preset does nothing with --prior"):
        st.train("shapes", **DECODE, epochs=1, out=out)
        st.synthesize("class", "striate/small", prior=out, preset="olah", quiet=True)
    with pytest.raises(StriateError, match="is a run of the task 'decode', not 'style'"):
        st.synthesize("stylize", "striate/small", image=PHOTOS / "rocket.jpg", prior=out, size=50, quiet=True)
    with pytest.raises(StriateError, match="holds what a run of the task 'decode' has learnt"):
        st.evaluate(out, "shapes", quiet=True)
