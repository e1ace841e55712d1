from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from striate.core.errors import ImageError, StriateError
from striate.core.film import encode_mp4
from striate.core.footage import read_film


def test_a_film_gives_back_its_frames_and_rate(tmp_path: Path) -> None:
    pytest.importorskip("av")
    frames = [torch.full((3, 32, 48), value) for value in (0.1, 0.5, 0.9)]
    path = tmp_path / "film.mp4"
    path.write_bytes(encode_mp4(frames, rate=10))
    found = read_film(path)
    assert found.frames.dtype == torch.uint8
    assert found.frames.shape == (3, 3, 32, 48)
    assert found.rate == pytest.approx(10)
    means = found.frames.float().mean((1, 2, 3)) / 255
    torch.testing.assert_close(means, torch.tensor([0.1, 0.5, 0.9]), atol=0.03, rtol=0)
    assert len(read_film(path, limit=2).frames) == 2


def test_what_is_no_film_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    with pytest.raises(ImageError, match="does not exist"):
        read_film(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(ImageError, match=r"text.mp4 cannot be read as a film"):
        read_film(tmp_path / "text.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(StriateError, match=r"without the package av.*striate\[video\]"):
        read_film(tmp_path / "text.mp4")
