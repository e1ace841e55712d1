"""Objects cut out from maps: a planted one is found, its box and overlap are right, a flat map is refused."""

from __future__ import annotations

import io
import sys

import pytest
import torch
from PIL import Image

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.inside.explain import explain
from striate.inside.objects import cut_out, draw_cut, overlap

pytest.importorskip("cv2")


@pytest.fixture
def planted():
    """A red square on a blue ground, both with grain, and a map that is high on part of it alone."""
    noise = 0.1 * Rng(0, "objects").uniform(torch.arange(1), (3, 48, 64))[0]
    image = noise + torch.tensor([0.1, 0.2, 0.7])[:, None, None]
    mask = torch.zeros(48, 64, dtype=torch.bool)
    mask[10:30, 20:45] = True
    image[:, mask] = noise[:, mask] + torch.tensor([0.8, 0.1, 0.1])[:, None]
    heat = 0.1 * Rng(0, "heat").uniform(torch.arange(1), (48, 64))[0]
    heat[12:22, 22:40] = 1.0
    heat[10:30, 20:45] += 0.2
    return image, heat, mask


def test_the_object_is_found_from_a_map_of_a_part_of_it(planted):
    image, heat, mask = planted
    state = torch.get_rng_state()
    cut = cut_out(image, heat)
    assert overlap(cut.mask, mask) > 0.95
    assert cut.box == (20, 10, 45, 30)
    assert cut.mask.equal(cut_out(image, heat).mask)
    assert torch.get_rng_state().equal(state)
    assert Image.open(io.BytesIO(draw_cut(image, cut))).size == (192, 144)


def test_overlap_counts_pixels():
    one, other = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    assert overlap(one, other) == 1
    one[:2], other[1:3] = True, True
    assert overlap(one, other) == pytest.approx(4 / 12)


def test_a_flat_map_and_a_missing_opencv_are_said(planted, monkeypatch):
    image, heat, _ = planted
    with pytest.raises(StriateError, match="flat"):
        cut_out(image, torch.zeros_like(heat))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(StriateError, match=r"opencv-python-headless.*striate\[classical\]"):
        cut_out(image, heat)


def test_explain_cuts_by_its_first_method_and_compares_with_a_mask(net, photos):
    masks = photos[:, 0] > 0.5
    result, album, _ = explain(net, photos, list("abcd"), methods=["gradient", "grad_cam"], objects=True, masks=masks)
    assert [(row.image, row.method) for row in result.objects] == [(name, "gradient") for name in "abcd"]
    for row in result.objects:
        assert row.picture in album
        assert 0 <= row.iou.value <= 1
    result, _, _ = explain(net, photos, list("abcd"), methods=["gradient"], objects=True)
    assert all(row.iou.value is None for row in result.objects)
