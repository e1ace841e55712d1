from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.objective import layer_energy
from striate.imageopt.score import scores_of
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.dream import Dreaming, dream
from striate.synthesis.octaves import enlarged
from striate.synthesis.watch import Watch
from striate.synthesis.zoom import with_zoom, zoom_frames

HOW = Dreaming(octaves=2, steps=4)
STILL = replace(HOW, rate=0.0)


@pytest.fixture(scope="module")
def small() -> Net:
    return load_net("striate/small")


@pytest.fixture(scope="module")
def shapes() -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 0.5 + 0.25


def test_without_steps_a_frame_is_the_one_before_enlarged(small: Net, shapes: Tensor) -> None:
    made = dream(small, shapes, layer="stage1.relu", how=STILL)
    frames = zoom_frames(small, made, 4, how=STILL)
    assert torch.equal(frames[0], made.images)
    for before, after in pairwise(frames):
        torch.testing.assert_close(after, enlarged(before, 1.05), atol=1e-6, rtol=0)


def test_every_frame_is_dreamt_on_and_an_image_is_alike_alone_and_in_a_batch(small: Net, shapes: Tensor) -> None:
    energy = layer_energy("stage1.relu")
    made = dream(small, shapes, layer="stage1.relu", how=HOW)
    frames = zoom_frames(small, made, 4, how=HOW)
    for before, after in pairwise(frames):
        assert bool((scores_of(small, energy, after) > scores_of(small, energy, enlarged(before, 1.05))).all())
    assert all(torch.equal(one, other) for one, other in zip(frames, zoom_frames(small, made, 4, how=HOW), strict=True))
    alone = dream(small, shapes[1:], layer="stage1.relu", how=HOW)
    alone = replace(alone, images=made.images[1:])
    for one, other in zip(zoom_frames(small, alone, 4, how=HOW), frames, strict=True):
        torch.testing.assert_close(one[0], other[1], atol=1e-5, rtol=0)


def test_the_film_is_an_mp4_with_pyav_and_a_gif_without_one_for_each_image(
    small: Net, shapes: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av")
    made = dream(small, shapes, layer="stage1.relu", how=HOW)
    frames = zoom_frames(small, made, 3, how=HOW, watch=Watch())
    both = with_zoom(made, frames)
    assert tuple(both.films) == ("zoom-dream-0.mp4", "zoom-dream-1.mp4")
    with av.open(io.BytesIO(both.films["zoom-dream-1.mp4"])) as film:
        assert len(list(film.decode(video=0))) == 3
    monkeypatch.setattr("striate.core.film.importlib.util.find_spec", lambda name: None)
    one = dream(small, shapes[:1], layer="stage1.relu", how=HOW)
    assert tuple(with_zoom(one, frames).films) == ("zoom.gif",)


def test_what_is_no_zoom_is_refused(small: Net, shapes: Tensor) -> None:
    made = dream(small, shapes, layer="stage1.relu", how=STILL)
    with pytest.raises(StriateError, match="zoom is 0; accepted: at least 1 frame"):
        zoom_frames(small, made, 0)
    with pytest.raises(StriateError, match="without an objective"):
        zoom_frames(small, replace(made, objective=None), 2)
    with pytest.raises(StriateError, match=r"factor is 0\.9"):
        zoom_frames(small, made, 2, how=replace(STILL, zoom=0.9))
