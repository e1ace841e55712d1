"""Heat-map pictures: zero is white or dark, limits hold, the picture is what was said."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from striate.inside import heatmap
from striate.inside.colours import OPACITY, SIGNED, UNSIGNED, stops


def pixels(png):
    return torch.from_numpy(np.array(Image.open(io.BytesIO(png)).convert("RGB"))).permute(2, 0, 1) / 255


def test_zero_is_white_and_the_ends_are_blue_and_red():
    row = heatmap.colour(torch.tensor([[-2.0, 0.0, 2.0]]), (-2.0, 2.0), signed=True)[:, 0]
    assert row[:, 1].tolist() == [1, 1, 1]
    assert row[2, 0] > row[0, 0]
    assert row[0, 2] > row[2, 2]


def test_unsigned_colours_are_the_anchors_at_even_distances_and_lines_between():
    places = torch.linspace(0, 3, len(UNSIGNED))[None]
    found = (heatmap.colour(places, (0.0, 3.0), signed=False)[:, 0].T * 255).round()
    assert found.tolist() == [list(each) for each in UNSIGNED]
    half = heatmap.colour(torch.tensor([[3 / 18]]), (0.0, 3.0), signed=False)[:, 0, 0] * 255
    assert half.tolist() == pytest.approx([(a + b) / 2 for a, b in zip(UNSIGNED[0], UNSIGNED[1], strict=True)])


def test_unsigned_lightness_rises_all_the_way():
    ramp = heatmap.colour(torch.linspace(0, 1, 200)[None], (0.0, 1.0), signed=False)
    assert (heatmap.grey(ramp)[0, 0].diff() > 0).all()


def test_signed_lightness_falls_from_the_middle_to_both_ends():
    ramp = heatmap.grey(heatmap.colour(torch.linspace(-1, 1, 201)[None], (-1.0, 1.0), signed=True))[0, 0]
    assert (ramp[:101].diff() > 0).all()
    assert (ramp[100:].diff() < 0).all()


def test_values_beyond_the_limits_have_the_colour_of_the_end():
    row = heatmap.colour(torch.tensor([[-9.0, 1.0, 9.0]]), (0.0, 1.0), signed=False)[:, 0] * 255
    assert row[:, 0].round().tolist() == list(UNSIGNED[0])
    assert row[:, 1].equal(row[:, 2])


def test_limits_are_symmetric_where_signed_and_start_at_zero_where_not():
    values = torch.tensor([[-3.0, 1.0], [2.0, 0.0]])
    assert heatmap.limits_of(values, signed=True) == (-3.0, 3.0)
    assert heatmap.limits_of(values, signed=False) == (0.0, 3.0)


def test_limits_hold_the_share_asked_for():
    values = torch.arange(1, 1001.0).view(20, 50)
    low, high = heatmap.limits_of(values, signed=False, share=0.9)
    assert low == 0
    assert (values <= high).float().mean() == pytest.approx(0.9, abs=2e-3)


def test_limits_of_a_sparse_map_and_of_zeros_are_never_empty():
    sparse = torch.zeros(100, 100)
    sparse[3, 4] = -7
    assert heatmap.limits_of(sparse, signed=True, share=0.99) == (-7.0, 7.0)
    assert heatmap.limits_of(torch.zeros(4, 4), signed=True) == (-1.0, 1.0)


def test_a_gradient_is_drawn_by_its_largest_absolute_value_over_channels():
    values = torch.tensor([[[1.0]], [[-5.0]], [[2.0]]])
    assert heatmap.plane(values).tolist() == [[5.0]]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_is_the_map_then_a_hairline_then_the_map_over_the_grey_image(channels):
    values = torch.tensor([[0.0, 1.0], [-1.0, 0.5]])
    image = torch.rand(channels, 2, 2, generator=torch.Generator().manual_seed(0))
    strip = pixels(heatmap.draw(values, image, (-1.0, 1.0), signed=True))
    assert strip.shape == (3, 128, 2 * 128 + heatmap.HAIRLINE)
    alone, over = strip[:, ::64, :128:64], strip[:, ::64, 128 + heatmap.HAIRLINE :: 64]
    colours = heatmap.colour(values, (-1.0, 1.0), signed=True)
    assert torch.allclose(alone, colours, atol=0.003)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None] if channels == 3 else torch.ones(1, 1, 1)
    expected = OPACITY * colours + (1 - OPACITY) * (image * weights).sum(0)
    assert torch.allclose(over, expected, atol=0.003)


def test_large_images_are_not_enlarged():
    assert pixels(heatmap.draw_input(torch.zeros(3, 130, 200))).shape == (3, 130, 200)


def test_stops_write_the_anchors_for_a_page():
    assert stops(True)[len(SIGNED) // 2] == "#ffffff"
    assert stops(False)[0] == "#440154"
