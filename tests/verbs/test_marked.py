"""Images whose objects are marked, for the measures that ask where a map lies."""

from __future__ import annotations

import pytest
import torch

from striate.core.errors import StriateError
from striate.data.annotations import Annotations
from striate.nets.load import load_net
from striate.verbs.marked import mask_of, open_marked


def test_drawn_pictures_bring_the_masks_of_their_objects():
    names, pixels, masks = open_marked("shapes:test=4", load_net("striate/small.random"), limit=3)
    assert len(names) == 3
    assert pixels.shape == (3, 3, 32, 32)
    assert masks.shape == (3, 32, 32)
    assert masks.dtype == torch.bool
    inside = masks.float().mean((1, 2))
    assert ((inside > 0.02) & (inside < 0.9)).all()


def test_a_box_marks_the_pixels_whose_centres_it_holds():
    known = Annotations(boxes=torch.tensor([[1.0, 0.0, 3.0, 2.0], [3.0, 2.0, 4.0, 3.0]]))
    assert mask_of(known, (3, 4), ()).int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_regions_mark_all_but_the_background_and_the_void():
    known = Annotations(regions=torch.tensor([[0, 1], [2, 255]], dtype=torch.uint8))
    assert mask_of(known, (2, 2), ("background", "cat", "dog")).tolist() == [[False, True], [True, False]]
    with pytest.raises(StriateError, match="none of sky, cat, dog is the background"):
        mask_of(known, (2, 2), ("sky", "cat", "dog"))


def test_data_that_mark_nothing_are_refused_with_what_would_do():
    with pytest.raises(StriateError, match=r"digits has one label an image, and marks no object.*masks or boxes"):
        open_marked("digits", load_net("striate/lenet5.random"), limit=2)
    with pytest.raises(StriateError, match="files of images mark none"):
        open_marked(["one.png", "two.png"], load_net("striate/lenet5.random"), limit=2)
