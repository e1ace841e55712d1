"""Morphs: the ends are the pictures, the middle of pixels is their mean, codes turn evenly."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from oracles.synthesis_inversion import on_the_arc
from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.data.load import load_data
from striate.imageopt.canvas import Latent
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.inverse import EXACT
from striate.synthesis.made import told
from striate.synthesis.morph import CITES, fit_codes, interpolated, morph, morph_latent

BARE = replace(EXACT, natural=None)


def shapes(*rows: int) -> Tensor:
    return load_data("shapes", split="test").images(list(rows))


def net_of_pixels() -> Net:
    """Its code is an invertible linear map of the pixels."""
    layer = nn.Linear(25, 25, bias=False).double()
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(25, 25)))[0]
    layer.weight.data = torch.from_numpy(turned * np.linspace(0.7, 1.4, 25))
    return Net(nn.Sequential(nn.Flatten(), layer), channels=1, size=5, classes=25)


def test_in_pixel_space_the_ends_are_the_pictures_and_the_middle_is_their_mean() -> None:
    start, end = shapes(0, 1)
    made = morph(load_net("striate/small"), start, end, frames=5)
    assert torch.equal(made.images[0], start)
    assert torch.equal(made.images[-1], end)
    assert float((made.images[2] - (start + end) / 2).abs().max()) < 1e-6
    assert float((made.images[1] - (0.75 * start + 0.25 * end)).abs().max()) < 1e-6


def test_in_the_code_space_of_an_invertible_linear_layer_the_straight_morph_is_that_of_pixels() -> None:
    start, end = torch.from_numpy(np.random.default_rng(2).uniform(0.2, 0.8, (2, 1, 5, 5)))
    net = net_of_pixels()
    found = morph(net, start, end, space="code", layer="1", frames=4, steps=180, way="linear", search=BARE)
    wanted = morph(net, start, end, frames=4)
    assert float((found.images - wanted.images).abs().max()) < 1e-3
    errors = [row[-1] for row in found.tables[0].rows]
    assert max(errors) < 1  # per cent, after 8 bits
    turned = morph(net, start, end, space="code", layer="1", frames=3, steps=180, search=BARE)
    assert float((turned.images[[0, -1]] - wanted.images[[0, -1]]).abs().max()) < 1e-3
    assert float((turned.images[1] - (start + end) / 2).abs().max()) > 0.01


def test_the_ends_of_a_morph_of_codes_have_the_codes_of_the_pictures_and_frames_go_evenly() -> None:
    net = load_net("striate/small")
    start, end = shapes(3, 8)
    made = morph(net, start, end, space="code", layer="stage1", frames=4, steps=45)
    table = made.tables[0]
    assert table.columns[-1] == "code error (%)"
    assert table.rows[0][-1] < 60
    assert table.rows[-1][-1] < 60
    to_end = (made.images - end).flatten(1).norm(dim=1)
    assert bool((to_end.diff() < 0).all())
    assert made.history.shape == (46, 4)


def test_codes_turn_at_an_even_pace_on_the_arc_and_their_lengths_go_straight() -> None:
    start, end = torch.from_numpy(np.random.default_rng(4).normal(size=(2, 12)))
    found = interpolated(start, end, (0.0, 0.3, 0.5, 1.0))
    for share, code in zip((0.3, 0.5), found[1:3], strict=True):
        assert np.abs(code.numpy() - on_the_arc(start.numpy(), end.numpy(), share)).max() < 1e-12
    assert torch.equal(found[0], start)
    assert torch.equal(found[-1], end)
    quarter = interpolated(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0]), (0.0, 0.5, 1.0))[1]
    assert quarter.tolist() == pytest.approx([3 / 2**0.5, 3 / 2**0.5])


def test_where_there_is_no_arc_codes_go_straight_and_opposite_codes_are_refused() -> None:
    one = torch.tensor([1.0, 2.0])
    assert interpolated(one, 3 * one, (0.0, 0.5, 1.0))[1].tolist() == [2.0, 4.0]
    assert interpolated(0 * one, one, (0.0, 0.5, 1.0))[1].tolist() == [0.5, 1.0]
    with pytest.raises(StriateError, match="opposite codes"):
        interpolated(one, -one, (0.0, 0.5, 1.0))
    assert interpolated(one, -one, (0.0, 0.5, 1.0), way="linear")[1].tolist() == [0.0, 0.0]


def test_the_table_says_what_the_net_sees_and_where_it_flips() -> None:
    class Bright(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mean = x.mean((1, 2, 3))
            return torch.stack([0.5 - mean, mean - 0.5], 1) * 20

    net = Net(Bright(), channels=1, size=4, classes=("dark", "light"))
    made = morph(net, torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.85), frames=8, names=("a", "b"))
    assert made.tables[0].title == "Where the class flips: dark to light between 0.43 and 0.57"
    columns = dict(zip(made.tables[0].columns, zip(*made.tables[0].rows, strict=True), strict=True))
    assert columns["the net sees"] == ("dark",) * 4 + ("light",) * 4
    assert columns["class of the end (%)"][7] == pytest.approx(100 / (1 + np.exp(-14)), abs=1)
    same = morph(net, torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.2), frames=2)
    assert same.tables[0].title == "The net sees dark in every frame"


def test_the_report_holds_frames_strip_film_and_judges_the_ends_alone() -> None:
    net = load_net("striate/small")
    made = morph(net, *shapes(0, 1), frames=5, names=("one", "two"))
    result, album = told(made, net, kind="morph", judge=load_net("striate/small.random"))
    assert {"frame-000.png", "frame-004.png", "one.png", "two.png", "one-to-two.png", "morph.gif"} <= set(album)
    assert Image.open(io.BytesIO(album["morph.gif"])).n_frames == 5
    assert [each is None for each in result.judge.wanted] == [False, True, True, True, False]


def test_a_morph_of_latent_codes_is_what_the_generator_makes_of_the_codes_between() -> None:
    net = load_net("striate/small")
    start, end = torch.full((3, 32, 32), 0.2), torch.full((3, 32, 32), 0.6)
    made = morph_latent(net, lambda codes: codes / 2 + 0.25, start, end, frames=3, way="linear")
    assert made.images.mean((1, 2, 3)).tolist() == pytest.approx([0.35, 0.45, 0.55])
    with pytest.raises(StriateError, match=r"codes of \(3,\) and \(4,\)"):
        morph_latent(net, lambda codes: codes, torch.zeros(3), torch.zeros(4))
    with pytest.raises(StriateError, match="images of shape"):
        morph_latent(net, lambda codes: codes[..., None, None], torch.ones(4), torch.zeros(4))


def test_codes_fitted_to_pictures_of_a_generator_make_these_pictures() -> None:
    class Generator(nn.Module):
        def forward(self, codes: Tensor) -> Tensor:
            waves = torch.linspace(0, 3, 32)
            rows = torch.stack([waves.sin(), waves.cos(), torch.ones(32) * 0.5])
            return (0.5 + 0.1 * codes @ rows)[:, None, :, None].expand(-1, 3, 32, 32)

    net, generator = load_net("striate/small"), Generator()
    wanted = generator(torch.tensor([[1.0, -0.5, 0.3], [-1.0, 0.2, 0.8]]))
    codes = fit_codes(net, Latent(generator, (3,)), wanted, steps=150, rate=0.1)
    assert float((generator(codes) - wanted).abs().max()) < 0.01


def test_methods_are_cited() -> None:
    assert all(cite(key).bibtex for key in CITES)
    assert METHODS.load("morph") is morph


def test_what_cannot_be_morphed_is_refused() -> None:
    net, (start, end) = load_net("striate/small"), shapes(0, 1)
    with pytest.raises(StriateError, match="pictures of 32 x 32 px and 30 x 32 px in one morph"):
        morph(net, start, end[..., :30])
    with pytest.raises(StriateError, match="1 frames of a morph"):
        morph(net, start, end, frames=1)
    with pytest.raises(UnknownNameError, match=r"unknown space 'codes'.*code"):
        morph(net, start, end, space="codes")
    with pytest.raises(UnknownNameError, match="unknown way 'round'"):
        morph(net, start, end, space="code", layer="stem", way="round")
    with pytest.raises(StriateError, match="code space without a layer"):
        morph(net, start, end, space="code")
    with pytest.raises(StriateError, match="layer stem for a morph in pixel space"):
        morph(net, start, end, layer="stem")
    with pytest.raises(StriateError, match="latent space needs a generator"):
        morph(net, start, end, space="latent")
    with pytest.raises(UnknownNameError, match="unknown site 'stam'"):
        morph(net, start, end, space="code", layer="stam")
