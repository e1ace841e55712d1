"""The kinds style, style_film and texture, from files to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import striate as st
from striate.core.errors import ImageError, StriateError, UnknownNameError
from striate.core.image import encode_png

SMALL = "striate/small"


def picture(path: Path, *, seed: int, size: tuple[int, int] = (40, 60)) -> Path:
    coarse = torch.rand(1, 3, 4, 6, generator=torch.Generator().manual_seed(seed))
    path.write_bytes(encode_png(torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")[0].clamp(0, 1)))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("pictures")
    picture(top / "content.png", seed=0)
    picture(top / "other.png", seed=3)
    picture(top / "tall.png", seed=3, size=(60, 40))
    picture(top / "style.png", seed=1)
    for name, value in (("black", 0.0), ("white", 1.0)):
        (top / f"{name}.png").write_bytes(encode_png(torch.full((3, 40, 60), value)))
    (top / "film").mkdir()
    for k in range(2):
        picture(top / "film" / f"f{k}.png", seed=0)
    return top


def painted(kind: str, folder: Path, **options: Any) -> Any:
    files = {name: ",".join(str(folder / f"{each}.png") for each in given.split(",")) for name, given in options.items()
             if name in {"image", "style", "mask"}}  # fmt: skip
    options = {"steps": 2, "quiet": True, **options, **files}
    return st.synthesize(kind, options.pop("net", SMALL), **options)


def test_a_style_is_painted_with_its_losses_and_sources(folder: Path, tmp_path: Path) -> None:
    report = painted("style", folder, image="content", style="style", out=tmp_path / "out")
    assert {each.name for each in (tmp_path / "out").iterdir()} >= {"style-content.png", "content.png"}
    assert report.result.kind == "style"
    assert report.result.tables[0].rows[0][0] == "style-content"
    assert {"gatys2016image", "olah2017feature"} <= set(report.origin.cites)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"content": 0.0}, "each as a share"),
        ({"content": 2.5}, "- 2.5 * content"),
        ({"layer": "stem.relu,stage1.relu"}, "at stem.relu, stage1.relu -"),
        ({"keep_colour": True}, "luminance: -Gram"),
        ({"way": "mrf"}, "-distance of patches"),
        ({"way": "mrf", "content": 0.0}, "-distance of patches"),
        ({"search": "adam"}, "-Gram distance"),
        ({"style": "style,other"}, "of 2 styles"),
        ({"style": "style,other", "mask": "white,white"}, "of 2 styles"),
    ],
)
def test_options_do_what_they_say(options: dict[str, Any], words: str, folder: Path) -> None:
    result = painted("style", folder, **{"image": "content", "style": "style", **options}).result
    assert words in result.objective
    if options.get("content") == 0:
        assert "* content at" not in result.objective


def test_several_pictures_in_one_call_are_each_what_they_are_alone(folder: Path) -> None:
    both = painted("style", folder, image="content,other", style="style").result
    alone = painted("style", folder, image="other", style="style").result
    assert both.scores[1] == pytest.approx(alone.scores[0], rel=1e-4)
    any_size = st.load_net("torchvision/squeezenet1_0.random")
    with pytest.raises(StriateError, match="pictures of 60x40 and 40x60 pixels"):
        painted("style", folder, image="content,tall", style="style", net=any_size, size=40)


def test_a_texture_names_its_picture(folder: Path) -> None:
    report = painted("texture", folder, style="style")
    assert report.result.images[0].source == "style.png"
    assert "gatys2015texture" in report.origin.cites


def test_a_folder_of_frames_becomes_a_film(folder: Path) -> None:
    pytest.importorskip("cv2")
    options: dict[str, Any] = {"style": str(folder / "style.png"), "steps": 3, "quiet": True}
    report = st.synthesize("style_film", SMALL, image=str(folder / "film"), **options)
    assert [each.picture for each in report.result.images] == ["style-f0.png", "style-f1.png"]
    assert report.result.films[0].startswith("style.")
    assert len(st.synthesize("style_film", SMALL, image=str(folder / "film"), count=1, **options).result.images) == 1
    (folder / "empty").mkdir(exist_ok=True)
    with pytest.raises(ImageError, match="empty holds no pictures"):
        st.synthesize("style_film", SMALL, image=str(folder / "empty"), **options)
    with pytest.raises(StriateError, match="image names 2 files; accepted: one film"):
        st.synthesize("style_film", SMALL, image=f"{folder},{folder}", **options)


def test_a_film_file_becomes_a_film(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("av")
    from striate.core.film import encode_mp4

    frames = [torch.full((3, 40, 60), value) for value in (0.2, 0.6)]
    (tmp_path / "film.mp4").write_bytes(encode_mp4(frames))
    found = st.synthesize(
        "style_film", SMALL, image=tmp_path / "film.mp4", style=folder / "style.png", steps=1, quiet=True
    )
    assert [each.picture for each in found.result.images] == ["style-frame-0000.png", "style-frame-0001.png"]


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        ("style", {"image": "content"}, StriateError, "style needs --style"),
        ("style", {"style": "style"}, StriateError, "style needs --image"),
        ("style", {"image": "content", "style": "style", "way": "mfr"}, UnknownNameError, "way of style"),
        ("style", {"image": "content", "style": "style", "mask": "white,white"}, StriateError, "2 masks for 1 styles"),
        ("style", {"image": "content", "style": "style", "mask": "black"}, StriateError, "mask 0 is empty"),
        (
            "style",
            {"image": "content", "style": "style", "mask": "white", "way": "mrf"},
            StriateError,
            "--mask does nothing for style by patches",
        ),
        ("style", {"image": "content", "style": "none"}, ImageError, "none.png does not exist"),
        ("style", {"image": "content", "style": "style", "layer": "stemm"}, UnknownNameError, "unknown site .stemm"),
        ("texture", {"style": "style", "content": 1.0}, StriateError, "--content does nothing for texture"),
    ],
)
def test_mistakes_are_told(
    kind: str, options: dict[str, Any], error: type[StriateError], message: str, folder: Path
) -> None:
    with pytest.raises(error, match=message):
        painted(kind, folder, **options)
