from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles import synthesis_style as slow
from striate.core.cite import cite
from striate.core.errors import StriateError
from striate.core.image import to_channels
from striate.synthesis.catalog import METHODS
from striate.synthesis.film_style import CITES, _Film, style_film
from striate.synthesis.flow import warped_errors
from striate.synthesis.made import told
from striate.synthesis.style import style_images

from .test_style import net, pictures

PAN = (2, 1)
SIDE = 20


def flow(one: int, two: int) -> Tensor:
    """Of a window that moves over a picture."""
    return torch.tensor(PAN).view(2, 1, 1).expand(2, SIDE, SIDE) * float(one - two)


def seen(frame: int) -> Tensor:
    del frame
    inside = torch.zeros(1, SIDE, SIDE)
    inside[:, : SIDE - PAN[1], : SIDE - PAN[0]] = 1
    return inside


def panned(count: int) -> Tensor:
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(5))
    wide = torch.nn.functional.interpolate(coarse, size=(40, 40), mode="bilinear")[0]
    return torch.stack([wide[:, k * PAN[1] :, k * PAN[0] :][:, :SIDE, :SIDE] for k in range(count)])


def test_a_film_flickers_at_most_half_as_much_as_its_frames_by_themselves() -> None:
    model, frames, style = net(), panned(4), pictures(1, seed=1)[0]
    film = style_film(model, frames, [style], flow=flow, steps=30)
    alone = style_images(model, frames, [style], steps=30)
    assert float(warped_errors(frames, flow, seen).mean()) < 1e-12
    held, apart = (float(warped_errors(each.images, flow, seen).mean()) for each in (film, alone))
    assert held <= apart / 2
    assert film.tables[0].rows[1][3] == pytest.approx(float(warped_errors(film.images[:2], flow, seen)[0]), rel=0.3)


def test_the_more_a_film_is_held_the_less_it_flickers() -> None:
    model, frames, style = net(), panned(3), pictures(1, seed=1)[0]
    films = [
        style_film(model, frames, [style], flow=flow, steps=12, later=12, steady=weight) for weight in (0.0, 20.0, 2000)
    ]
    errors = [float(warped_errors(each.images, flow, seen).mean()) for each in films]
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]


def test_the_first_frame_is_a_picture_by_itself_and_all_is_the_same_again() -> None:
    model, frames, style = net(), panned(2), pictures(1, seed=1)[0]
    film = style_film(model, frames, [style], flow=flow, steps=6)
    assert torch.equal(film.images[:1], style_images(model, frames[:1], [style], steps=6).images)
    assert torch.equal(style_film(model, frames, [style], flow=flow, steps=6).images, film.images)
    assert film.history.shape == (7, 2)
    assert bool(film.history[3:, 1].isnan().all())
    shorter = style_film(model, frames[:1], [style], flow=flow, steps=6)
    assert torch.equal(shorter.images, film.images[:1])


def test_a_frame_is_held_to_the_nearest_one_that_shows_the_place() -> None:
    frames = panned(3)
    hidden = torch.zeros(1, SIDE, SIDE)
    hidden[:, 8:12, 8:12] = 1

    class Film(_Film):
        def seen(self, frame: int, before: int = 1) -> Tensor:
            own = super().seen(frame, before)
            return own * (1 - hidden) if before == 1 else own

    film = Film(frames, flow, (1, 2))
    painted = [pictures(1, side=SIDE)[0][:, :, :SIDE], pictures(1, side=SIDE, seed=1)[0][:, :, :SIDE]]
    goal, where = film.held(painted)
    masks = [film.seen(2, before)[0].double().numpy() for before in (1, 2)]
    shares = slow.long_term(masks)
    exact = sum(
        share * slow.warped(painted[2 - before].double().numpy(), flow(2, 2 - before).double().numpy())
        for before, share in zip((1, 2), shares, strict=True)
    )
    np.testing.assert_allclose(goal.double(), exact, atol=1e-6)
    np.testing.assert_array_equal(where[0].double(), sum(shares))
    assert float(shares[1].sum()) == 16


def test_estimated_flow_serves_where_none_is_given_and_colours_can_be_kept() -> None:
    pytest.importorskip("cv2")
    model, frames, style = net(), panned(2), pictures(1, seed=1)[0]
    film = style_film(model, frames, [style], colours="content", steps=4, names=["a", "b"])
    own, given = (each - to_channels(each, 1) for each in (film.images, frames))
    cross = (own * given).sum(1).square() - own.square().sum(1) * given.square().sum(1)
    assert float(cross.abs().max()) < 1e-5
    result, album = told(film, model, kind="style_film")
    assert {"style-a.png", "style-b.png"} <= set(album)
    assert result.films[0] in {"style.mp4", "style.gif"}
    assert album[result.films[0]]
    assert METHODS.load("style_film") is style_film
    assert all(cite(key).bibtex for key in CITES)


def test_what_does_not_fit_is_refused() -> None:
    model, style = net(), pictures(1)[0]
    with pytest.raises(StriateError, match="steady is -1"):
        style_film(model, panned(2), [style], steady=-1, flow=flow)
    with pytest.raises(StriateError, match=r"back \[0\]"):
        style_film(model, panned(2), [style], back=(0,), flow=flow)
    with pytest.raises(StriateError, match="no style"):
        style_film(model, panned(2), [], flow=flow)
