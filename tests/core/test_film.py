"""Films hold the frames that were given: as many, in order, at their rate and size."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence

import pytest
import torch
from PIL import Image
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.film import encode_film, encode_gif, encode_mp4


def ramp(count: int = 6, channels: int = 3, height: int = 24, width: int = 32) -> list[Tensor]:
    """Frames of one colour each, the brighter the later."""
    return [torch.full((channels, height, width), k / count) for k in range(count)]


def check_shows(film: bytes, given: Sequence[Tensor], *, rate: float) -> None:
    """An MP4 holds these frames of one colour each, even sides of them, at this rate."""
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(film)) as opened:
        (stream,) = opened.streams.video
        assert stream.average_rate == rate
        shown = [frame.to_ndarray(format="rgb24") for frame in opened.decode(stream)]
    assert len(shown) == len(given)
    for frame, array in zip(given, shown, strict=True):
        height, width = frame.shape[-2:]
        assert array.shape == (height - height % 2, width - width % 2, 3)
        assert abs(array.mean() - 255 * float(frame.mean())) < 3


@pytest.mark.parametrize("channels", [1, 3])
def test_an_mp4_holds_every_frame_in_order_at_its_rate(channels: int) -> None:
    given = ramp(channels=channels, height=25, width=33)
    check_shows(encode_mp4(given, rate=10), given, rate=10)


def test_an_mp4_keeps_colour_and_place() -> None:
    av = pytest.importorskip("av")
    frame = torch.zeros(3, 32, 48)
    frame[0, :, :24] = 1.0
    frame[2, :16, 24:] = 1.0
    with av.open(io.BytesIO(encode_mp4([frame, frame]))) as film:
        array = torch.from_numpy(next(film.decode(video=0)).to_ndarray(format="rgb24")).permute(2, 0, 1) / 255
    inner = torch.ones(32, 48, dtype=torch.bool)
    inner[14:18], inner[:, 22:26] = False, False
    assert float((array - frame)[:, inner].abs().max()) < 0.1


def test_a_gif_holds_every_frame_and_bytes_count_as_pixels() -> None:
    given = ramp()
    film = encode_gif(given, rate=10)
    assert film == encode_gif([(frame * 255).round().to(torch.uint8) for frame in given], rate=10)
    with Image.open(io.BytesIO(film)) as opened:
        assert opened.n_frames == len(given)
        for k, frame in enumerate(given):
            opened.seek(k)
            assert opened.info["duration"] == (100 if k + 1 < len(given) else 1000)
            assert abs(opened.convert("L").getpixel((3, 4)) - 255 * float(frame[0, 0, 0])) <= 2


def test_a_film_is_an_mp4_with_pyav_and_a_gif_without(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    ending, film = encode_film(ramp(), rate=20)
    assert ending == "mp4"
    check_shows(film, ramp(), rate=20)  # not byte for byte: x264 does not promise the same bytes twice
    monkeypatch.setattr("striate.core.film.importlib.util.find_spec", lambda name: None)
    assert encode_film(ramp()) == ("gif", encode_gif(ramp()))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(StriateError, match=r"MP4 without the package av; accepted: av installed, or a GIF; try: pip"):
        encode_mp4(ramp())


@pytest.mark.parametrize("encode", [encode_gif, encode_mp4])
@pytest.mark.parametrize(
    ("frames", "rate", "message"),
    [
        ([], 10, "a film of no frames"),
        ([torch.zeros(3, 8, 8), torch.zeros(3, 8, 10)], 10, "frames have the shapes"),
        ([torch.zeros(2, 8, 8)], 10, r"frames of shape \(2, 8, 8\); accepted: .* 1 or 3 channels"),
        (ramp(), 0, "rate is 0 frames a second; accepted: above 0, at most 50"),
        (ramp(), 51, "rate is 51"),
    ],
)
def test_what_is_no_film_is_refused(
    encode: Callable[..., bytes], frames: Sequence[Tensor], rate: float, message: str
) -> None:
    with pytest.raises(StriateError, match=message):
        encode(frames, rate=rate)


def test_frames_of_one_row_are_no_mp4() -> None:
    with pytest.raises(StriateError, match="sides of at least 2 pixels"):
        encode_mp4([torch.zeros(3, 1, 8)])


def test_grey_frames_stay_grey() -> None:
    with Image.open(io.BytesIO(encode_gif([torch.rand(1, 9, 9), torch.rand(1, 9, 9)]))) as film:
        red, green, blue = film.convert("RGB").split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()
