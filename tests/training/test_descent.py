"""Races on surfaces: paths by hand, known edges of stability, drawings and films."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

import striate as st
from oracles import training_descent as oracle
from striate.core.errors import StriateError, UnknownNameError
from striate.page.contours import segments
from striate.page.html import render_page
from striate.page.text import render_text
from striate.training.catalog import OPTIMIZERS
from striate.training.descent.surfaces import SURFACES
from striate.training.descent.walk import RATES, arrival, descend_surface, race


def path(surface, optimizer, rate, steps=30):
    return race([surface], [optimizer], steps=steps, rate=rate).scenes[0].paths[0]


@pytest.mark.parametrize("name", ["rosenbrock", "beale"])
def test_surfaces_have_the_gradients_of_their_formulas(name):
    for place in [(-1.2, 1.0), (0.3, -0.7), (2.0, 0.5)]:
        found = torch.func.grad(SURFACES[name].loss)(torch.tensor(place, dtype=torch.float64))
        assert found.tolist() == pytest.approx(getattr(oracle, name)(*place), rel=1e-12)


@pytest.mark.parametrize("name", list(SURFACES))
def test_minima_are_where_they_are_said_to_be(name):
    surface = SURFACES[name]
    for place in surface.minima:
        here = torch.tensor(place, dtype=torch.float64)
        assert float(surface.loss(here)) == pytest.approx(surface.lowest, abs=1e-12)
        assert float(torch.func.grad(surface.loss)(here).abs().max()) < 1e-9
    assert min(min(row) for row in surface.grid(21)) >= surface.lowest


def test_paths_are_those_of_the_rules():
    start = SURFACES["valley"].start
    for name, expected in (
        ("momentum", oracle.momentum_valley(start, 0.02, 0.9, 30)),
        ("sgd", oracle.momentum_valley(start, 0.02, 0.0, 30)),
        ("adam", oracle.adam_valley(start, 0.02, 30)),
    ):
        found = path("valley", name, 0.02).places
        flat = [value for place in found for value in place]
        assert flat == pytest.approx([value for place in expected for value in place], rel=1e-5, abs=1e-9)


def test_gradient_descent_leaves_the_valley_above_two_over_its_curvature():
    assert not path("valley", "sgd", 0.99 * 2 / 25, 400).diverged
    assert path("valley", "sgd", 1.01 * 2 / 25, 2000).diverged


def test_arrival_is_for_good():
    assert float(arrival([100.0, 0.05, 3.0, 0.09, 0.01], 0.0)) == 3
    assert arrival([100.0, 50.0], 0.0).value is None


def test_lines_of_equal_height_of_a_plane_are_straight_and_of_a_bowl_round():
    plane = [[float(x) for x in range(5)] for _ in range(5)]
    assert {x for piece in segments(plane, 1.5) for x, _ in piece} == {1.5}
    bowl = [[(x - 20) ** 2 + (y - 20) ** 2 for x in range(41)] for y in range(41)]
    pieces = segments(bowl, 144.0)
    radii = [math.dist(place, (20, 20)) for piece in pieces for place in piece]
    assert max(abs(each - 12) for each in radii) < 0.05
    assert sum(math.dist(a, b) for a, b in pieces) == pytest.approx(2 * math.pi * 12, rel=0.01)


def test_the_page_draws_and_films_every_optimiser_and_says_what_cannot_run(tmp_path):
    report = st.descend(
        surface="saddle", optimizer="sgd,lion,lbfgs,muon", rate=0.05, steps=12, out=tmp_path / "out", quiet=True
    )
    assert [each.optimizer for each in report.result.scenes[0].paths] == ["sgd", "lion", "lbfgs"]
    assert "muon" in report.result.left_out[0]
    page, text = render_page(report), render_text(report)
    assert '<section id="paths"' in page
    assert "muon" in text
    assert max(map(len, text.splitlines())) <= 100
    film = Image.open(io.BytesIO((tmp_path / "out" / "saddle.gif").read_bytes()))
    assert film.n_frames == 13
    again = st.descend(surface="saddle", optimizer="sgd,lion,lbfgs,muon", rate=0.05, steps=12, quiet=True)
    assert [each.paths for each in again.result.scenes] == [each.paths for each in report.result.scenes]


def test_at_its_best_rate_nobody_is_worse_than_at_another():
    tuned = race(["quadratic"], ["sgd"], steps=40).scenes[0].paths[0]
    assert tuned.tuned
    for rate in (0.1, 1.0):
        fixed = path("quadratic", "sgd", rate, 40)
        assert fixed.diverged or float(tuned.arrived) <= (fixed.arrived.value or math.inf)


@pytest.mark.parametrize(("title", "name"), [("valley", "sgd"), ("saddle", "adam"), ("beale", "momentum")])
def test_rates_that_are_given_up_early_are_not_the_best(title, name):
    surface, spec = SURFACES[title], OPTIMIZERS.load(name)
    whole = [descend_surface(surface, replace(spec, rate=rate, weight_decay=0.0), steps=120) for rate in RATES]
    kept = [each for each in whole if not each.diverged]
    first = min(kept, key=lambda each: (each.arrived.value or math.inf, each.losses[-1]))
    found = race([title], [name], steps=120).scenes[0].paths[0]
    assert (found.rate, found.places, found.losses) == (first.rate, first.places, first.losses)


def test_all_names_every_optimiser_but_the_twin():
    report = st.descend(surface="quadratic", optimizer="all", rate=0.1, steps=2, quiet=True)
    run = {each.optimizer for each in report.result.scenes[0].paths}
    assert set(OPTIMIZERS) - run == {"adamw", "muon"}


def test_unknown_names_and_nothing_to_run_are_told():
    with pytest.raises(UnknownNameError, match="rosenbrock"):
        st.descend(surface="rosenbrok", quiet=True)
    with pytest.raises(UnknownNameError, match="nesterov"):
        st.descend(optimizer="nestrov", quiet=True)
    with pytest.raises(StriateError, match="rate is -1"):
        st.descend(rate=-1.0, quiet=True)
    assert "sgd" in OPTIMIZERS
