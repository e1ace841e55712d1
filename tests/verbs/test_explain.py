"""`explain` goes on past files of a folder that cannot be read, and names them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import striate as st
from striate.core.errors import ImageError
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
