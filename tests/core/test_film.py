from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from striate.core.errors import StriateError
from striate.core.film import encode_gif


def test_a_gif_holds_every_frame_at_its_time() -> None:
    frames = [torch.full((3, 20, 30), shade) for shade in (0.0, 0.5, 1.0)]
    with Image.open(io.BytesIO(encode_gif(frames, rate=10))) as film:
        assert (film.size, film.n_frames, film.info["loop"]) == ((30, 20), 3, 0)
        seen = []
        for k in range(3):
            film.seek(k)
            seen.append((film.convert("L").getpixel((5, 5)), film.info["duration"]))
    assert seen == [(0, 100), (128, 100), (255, 1000)]


def test_grey_frames_stay_grey() -> None:
    with Image.open(io.BytesIO(encode_gif([torch.rand(1, 9, 9), torch.rand(1, 9, 9)]))) as film:
        red, green, blue = film.convert("RGB").split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


def test_what_is_no_film_is_refused() -> None:
    with pytest.raises(StriateError, match="no frames"):
        encode_gif([])
    with pytest.raises(StriateError, match="accepted: one shape"):
        encode_gif([torch.zeros(1, 4, 4), torch.zeros(1, 4, 5)])
    with pytest.raises(StriateError, match="rate is 0"):
        encode_gif([torch.zeros(1, 4, 4)], rate=0)
