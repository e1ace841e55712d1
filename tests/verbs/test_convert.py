"""`striate convert`: there and back, from the command line's own function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate as st
from striate.core.errors import StriateError


def drawn(folder: Path) -> Path:
    """Images with masks of two classes and a void edge."""
    for number in range(6):
        for part, values in (("images", None), ("masks", number)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            if values is None:
                pixels = np.full((12, 16, 3), 30 * number, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / f"{number}.png")
            else:
                mask = np.zeros((12, 16), dtype=np.uint8)
                mask[2 : 4 + number, 3:9] = 1
                mask[:, 15] = 255
                Image.fromarray(mask).save(folder / part / f"{number}.png")
    return folder


def regions(data: str) -> dict[str, list[list[int]]]:
    splits = st.load_splits(data)
    found = {}
    for part in splits:
        for row in range(len(part)):
            known = part.annotations(row).regions
            assert known is not None
            found[Path(part.name_of(row)).stem] = known.tolist()
    return found


@pytest.mark.parametrize("to", ["voc", "coco"])
def test_masks_go_there_and_back_pixel_by_pixel(tmp_path: Path, to: str) -> None:
    source = drawn(tmp_path / "source")
    report = st.convert(source, to=to, out=tmp_path / "there", quiet=True)
    assert report.result.images == 6
    st.convert(tmp_path / "there", to="masks", out=tmp_path / "back", quiet=True)
    assert regions(str(tmp_path / "back")) == regions(str(source))


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="one label an image"):
        st.convert("shapes:train=20", to="coco", out=tmp_path / "x", limit=5, quiet=True)
    source = drawn(tmp_path / "source")
    with pytest.raises(StriateError, match="--draw with --to voc"):
        st.convert(source, to="voc", out=tmp_path / "x", draw=True, quiet=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(StriateError, match=r"not empty|no converter wrote"):
            st.convert(source, to="coco", out=tmp_path / "full", overwrite=overwrite, quiet=True)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
