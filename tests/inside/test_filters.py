"""First-layer filters: every one drawn, with limits that they share."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.inside.filters import MOST, filter_pictures
from striate.nets.net import Net


def drawn(png):
    return np.array(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_colour_filters_are_drawn_in_colour_with_zero_as_mid_grey():
    conv = nn.Conv2d(3, 4, 2)
    conv.weight.data.zero_()
    conv.weight.data[1, 0, 0, 1] = 0.5
    conv.weight.data[2, :, 1, 0] = torch.tensor([-0.5, 0.25, 0])
    found, album = filter_pictures(Net(nn.Sequential(conv, nn.ReLU()), size=8))
    assert (found.site, found.shape, found.limits, found.signed) == ("0", (4, 3, 2, 2), (-0.5, 0.5), True)
    assert found.pictures == tuple(album)
    pictures = [drawn(album[name])[::32, ::32] for name in found.pictures]
    assert pictures[0].shape == (2, 2, 3)
    assert set(pictures[0].flatten()) == {128}
    assert pictures[1][0, 1].tolist() == [255, 128, 128]
    assert pictures[2][1, 0].tolist() == pytest.approx([0, 191, 128], abs=1)


def test_filters_over_one_channel_are_signed_maps_with_zero_as_white():
    conv = nn.Conv2d(1, 1, 3)
    conv.weight.data.zero_()
    conv.weight.data[0, 0, 1, 1] = 2
    found, album = filter_pictures(Net(nn.Sequential(conv), size=8))
    picture = drawn(album[found.pictures[0]])
    assert found.limits == (-2, 2)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[33, 33].tolist() == [103, 0, 31]


def test_rows_of_a_linear_net_are_its_templates():
    linear = nn.Linear(12, 2, bias=False)
    found, album = filter_pictures(Net(nn.Sequential(nn.Flatten(), linear), channels=3, size=2))
    assert found.shape == (2, 3, 2, 2)
    end = linear.weight.abs().max().item()
    expected = (0.5 + linear.weight[1].detach().view(3, 2, 2) / (2 * end)) * 255
    assert drawn(album[found.pictures[1]])[::32, ::32].transpose(2, 0, 1) == pytest.approx(expected.numpy(), abs=0.51)


def test_nets_whose_first_layer_looks_at_no_picture_have_none():
    assert filter_pictures(Net(nn.Conv2d(5, 2, 1), size=4)) == (None, {})


def test_hundreds_of_filters_are_drawn_in_part_and_counted_in_whole():
    found, album = filter_pictures(Net(nn.Conv2d(3, 300, 2), size=8))
    assert len(album) == MOST
    assert found.shape[0] == 300
