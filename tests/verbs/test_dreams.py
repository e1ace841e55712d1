"""`synthesize dream` as it is called: options, pictures, films."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import striate as st
from striate.core.errors import StriateError
from striate.core.image import read_image
from striate.page.text import render_text
from striate.page.text_synthesis import cell_text, score_text

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
QUICK = {"steps": 1, "octaves": 2, "size": 32, "quiet": True}


@pytest.fixture(scope="module")
def photo() -> Path:
    return PHOTOS / "rocket.jpg"


def test_a_photograph_keeps_its_aspect_and_stands_beside_its_dream(photo: Path, tmp_path: Path) -> None:
    report = st.synthesize("dream", "striate/small", image=photo, out=tmp_path / "out", judge=None, **QUICK)
    result = report.result
    assert [one.picture for one in result.images] == ["dream-rocket.png"]
    assert result.images[0].source == "rocket.png"
    assert result.images[0].target == "stage3.relu"
    with Image.open(photo) as opened:
        aspect = opened.width / opened.height
    for name in ("dream-rocket.png", "rocket.png"):
        height, width = read_image(tmp_path / "out" / name, channels=3).shape[-2:]
        assert width / height == pytest.approx(aspect, abs=0.03)
    assert result.steps == 2
    text = render_text(report, width=100)
    assert "What is raised, before and after each octave" in text
    assert "What striate/small sees before and after" in text
    assert {"mordvintsev2015inceptionism", "mordvintsev2015deepdream"} <= set(report.origin.cites)


def test_channels_classes_and_guides_are_options_and_two_photographs_of_one_aspect_go_together(photo: Path) -> None:
    wide = {**QUICK, "image": (photo, photo.with_name("coffee.jpg"))}
    by_channel = st.synthesize("dream", "striate/small", image=photo, layer="stage1.relu", channel="3,7-8", **QUICK)
    assert [one.index for one in by_channel.result.images] == [3, 7, 8]
    assert by_channel.result.images[1].picture == "dream-rocket-channel-7.png"
    one = st.synthesize("dream", "striate/small", image=photo, target="star", **QUICK).result.images[0]
    assert (one.target, one.probability is not None) == ("star", True)
    guided = st.synthesize("dream", "striate/small", image=photo, guide=photo.with_name("coffee.jpg"), **QUICK)
    assert guided.result.images[0].target == "stage3.relu, guided"
    with Image.open(photo) as a, Image.open(photo.with_name("coffee.jpg")) as b:
        alike = abs(a.width / a.height - b.width / b.height) < 0.005
    if alike:
        assert len(st.synthesize("dream", "striate/small", **wide).result.images) == 2
    else:
        with pytest.raises(StriateError, match=r"pictures of 32 x .* and 32 x .* pixels; accepted: pictures of one"):
            st.synthesize("dream", "striate/small", **wide)


def test_noise_needs_no_image_and_zoom_and_making_are_films(tmp_path: Path) -> None:
    report = st.synthesize("dream", "striate/small", zoom=3, film=True, rate=2 / 255, out=tmp_path / "out", **QUICK)
    assert report.result.images[0].picture == "dream-noise.png"
    assert len(report.result.films) == 2
    for name in report.result.films:
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert {name.partition(".")[0] for name in report.result.films} == {"zoom", "making"}


def test_steps_are_those_of_the_notebook_more_from_noise_and_all_at_once_where_there_is_one_octave(photo: Path) -> None:
    options = {"size": 16, "octaves": 2, "quiet": True}
    assert st.synthesize("dream", "striate/small", image=photo, **options).result.steps == 20
    assert st.synthesize("dream", "striate/small", **options).result.steps == 60
    options["size"] = None
    assert st.synthesize("dream", "striate/mlp.random", image=photo, **options).result.steps == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel": "all"}, "channel is all; accepted: numbers"),
        ({"layer": "stage9"}, "stage9"),
        ({"preset": "olah"}, "--preset does nothing for dream"),
        ({"guide": "nowhere.jpg"}, "nowhere.jpg does not exist"),
        ({"octaves": 0}, "octaves is 0; accepted: at least 1"),
        ({"zoom": -1}, "zoom is -1; accepted: at least 1 frame"),
        ({"rate": -1.0}, "rate is -1"),
        ({"target": "star", "channel": 1}, "channels and targets at once"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(StriateError, match=message):
        st.synthesize("dream", "striate/small", **{**QUICK, **options})


def test_that_a_judge_sees_something_else_in_a_dream_is_a_note_and_its_view_of_the_source_stands_beside(
    photo: Path,
) -> None:
    options = {**QUICK, "steps": 20, "rate": 0.1}
    report = st.synthesize("dream", "striate/small", image=photo, judge="striate/resnet20.random", **options)
    judge = report.result.judge
    assert judge.wanted[0] is not None
    found = [finding for finding in report.findings if finding.check == "synthesis"]
    assert len(found) == int(judge.predicted != judge.wanted)
    assert all(finding.severity == "note" for finding in found)


def test_scores_of_many_digits_are_told_in_three() -> None:
    assert [score_text(score) for score in (12.345, 99_999.0, 1.2345e10)] == ["12.35", "99,999.00", "1.23e+10"]
    assert [cell_text(cell) for cell in (None, "a", 3.0, 0.12345, 2820.4, 2.5e7)] == [
        "-", "a", "3", "0.123", "2,820", "2.5e+07",
    ]  # fmt: skip
