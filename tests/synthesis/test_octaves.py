from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from oracles import synthesis_dream as slow
from striate.core.errors import StriateError
from striate.synthesis.octaves import enlarged, octave_sizes, resized

IMAGES = torch.rand(2, 3, 20, 27, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_octaves_are_the_published_sizes_and_stop_at_the_least() -> None:
    assert octave_sizes((575, 1024), 4) == ((210, 373), (293, 522), (411, 731), (575, 1024))
    assert octave_sizes((32, 32), 4, least=16) == ((16, 16), (23, 23), (32, 32))
    assert octave_sizes((32, 40), 4, least=17) == ((23, 29), (32, 40))
    assert octave_sizes((8, 8), 6, least=9) == ((8, 8),)
    assert octave_sizes((2, 2), 9)[0] == (1, 1)


@pytest.mark.parametrize("size", [(14, 19), (28, 30), (20, 9)])
def test_resizing_is_a_triangle_filter_between_pixel_centres(size: tuple[int, int]) -> None:
    expected = np.stack([slow.resized(image.numpy(), size) for image in IMAGES])
    torch.testing.assert_close(resized(IMAGES - 0.5, size), torch.from_numpy(expected) - 0.5, atol=1e-10, rtol=0)


def test_at_their_own_size_maps_come_back_as_they_are() -> None:
    assert torch.equal(resized(IMAGES, (20, 27)), IMAGES)
    torch.testing.assert_close(enlarged(IMAGES, 1.0), IMAGES, atol=1e-12, rtol=0)


@pytest.mark.parametrize("factor", [1.05, 1.5, 3.0])
def test_an_enlargement_is_scipys_affine_transform_about_the_centre(factor: float) -> None:
    near = enlarged(IMAGES, factor)
    share = 1 / factor
    offset = [(side - 1) / 2 * (1 - share) for side in IMAGES.shape[-2:]]
    for image, ours in zip(IMAGES.flatten(0, 1), near.flatten(0, 1), strict=True):
        expected = ndimage.affine_transform(image.numpy(), [share, share], offset, order=1, mode="nearest")
        torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-10, rtol=0)


def test_the_centre_stays_where_it_is() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 4] = 1.0
    near = enlarged(image, 1.5)
    assert near.argmax() == 40
    torch.testing.assert_close(near, near.flip(2).flip(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: octave_sizes((9, 9), 0), "octaves is 0; accepted: at least 1"),
        (lambda: octave_sizes((9, 9), 2, scale=1.0), "scale is 1; accepted: above 1"),
        (lambda: enlarged(IMAGES, 0.5), "factor is 0.5; accepted: at least 1"),
    ],
)
def test_what_is_no_octave_is_refused(make: object, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        make()
