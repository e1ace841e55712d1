"""Images under filters made by hand, and learnt filters beside them."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from striate.core.errors import StriateError
from striate.inside.filtering.classical import canny_edges, cut_regions, filtered, templates
from striate.inside.filtering.pairing import pair_filters
from striate.inside.filtering.show import show_filters
from striate.nets.load import load_net


def halves(side: int = 32) -> torch.Tensor:
    """Dark at the left, light at the right."""
    image = torch.full((3, side, side), 0.2)
    image[:, :, side // 2 :] = 0.8
    return image


def test_an_edge_is_a_slope_to_the_right_where_it_stands_and_nothing_elsewhere() -> None:
    made = {each.name: each.values for each in filtered(halves())}
    slope = made["Sobel right"]
    assert torch.allclose(slope[:, 15:17], torch.full((32, 2), 0.3), atol=1e-6)
    assert float(slope[:, :14].abs().max()) < 1e-6
    assert float(made["Sobel down"].abs().max()) < 1e-6
    assert torch.allclose(made["Sobel size"], slope.abs(), atol=1e-6)
    assert torch.allclose(made["Laplacian"][:, 15], torch.full((32,), 0.6), atol=1e-6)


def test_canny_draws_the_edge_once_and_cuts_find_the_two_halves() -> None:
    edges = canny_edges(halves()).values
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert bool((edges[4:-4].sum(1) == 1).all())
    regions = cut_regions(halves())
    assert regions.said == "2 regions"
    assert float((regions.values[:, 5, 5] - 0.2).abs().max()) < 0.01


def test_a_template_in_any_colour_and_sign_finds_itself() -> None:
    names, kernels = templates(7)
    chosen = [4, 50, 200]
    colour = torch.tensor([0.3, -1.0, 0.2])
    weight = -kernels[chosen][:, None] * colour[None, :, None, None]
    found, correlation, hand = pair_filters(weight)
    assert found == [names[each] for each in chosen]
    assert torch.allclose(correlation, torch.ones(3).double(), atol=1e-5)
    assert hand.shape == (3, 7, 7)
    assert math.isnan(float(pair_filters(torch.ones(1, 3, 7, 7))[1]))


def test_a_net_of_gabor_filters_is_most_like_gabor_filters() -> None:
    net = load_net("striate/filters.random", channels=3, size=32)
    result, album = show_filters([halves()], ["edge"], net=net, seen=halves()[None], layer="complex")
    assert result.first is not None
    assert result.first.filters == 32
    assert float(result.first.median) > 0.8
    assert all(pair.nearest.startswith("Gabor") for pair in result.first.pairs[:8])
    assert len(result.first.maps) == 16
    assert {pair.picture for pair in result.first.pairs} <= set(album)


def test_a_net_that_takes_no_image_apart_is_refused() -> None:
    net = load_net("striate/vit_tiny.random", channels=3, size=32)
    with pytest.raises(StriateError):
        show_filters([halves()], ["edge"], net=net, seen=halves()[None], layer="no.such.layer")


def test_without_scikit_image_edges_and_cuts_say_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(StriateError) as caught:
        canny_edges(halves())
    assert "striate[classical]" in str(caught.value)
    assert show_filters([halves()], ["edge"])[0].left_out
