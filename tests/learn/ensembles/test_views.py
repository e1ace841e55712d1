"""Views: mirrored twice is the image, corners are those of the paper, each net sees what it takes."""

from __future__ import annotations

import pytest
import torch

from oracles.learn_ensembles import window as window_by_pixel
from striate.core.errors import StriateError
from striate.data.load import load_data
from striate.learn.ensembles.views import mirror, scaled, view_logits, views_of, window
from striate.measure.table import predict
from striate.nets.load import load_net


def test_the_mirror_of_the_mirror_is_the_image() -> None:
    images = torch.rand(2, 3, 7, 9)
    assert torch.equal(mirror(mirror(images)), images)
    assert torch.equal(mirror(images)[..., 0], images[..., -1])


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -1), (-3, 2), (4, 4)])
@pytest.mark.parametrize("size", [(6, 5), (9, 8), (10, 12)])
def test_a_window_is_that_of_a_loop_over_pixels(size: tuple[int, int], down: int, right: int) -> None:
    image = torch.rand(9, 8, dtype=torch.float64)
    top, left = (9 - size[0]) // 2 + down, (8 - size[1]) // 2 + right
    expected = torch.tensor(window_by_pixel(image.tolist(), *size, top, left), dtype=torch.float64)
    assert torch.equal(window(image[None, None], size, down=down, right=right)[0, 0], expected)


def test_ten_crops_are_the_corners_and_the_middle_mirrored_too() -> None:
    images = torch.rand(1, 1, 256, 256)
    views = views_of(["flip", "crops"])
    assert len(views) == 10
    seen = {view.name: view.see(images, (224, 224)) for view in views}
    assert torch.equal(seen["whole"], images[..., 16:240, 16:240])
    assert torch.equal(seen["top left"], images[..., :224, :224])
    assert torch.equal(seen["bottom right"], images[..., 32:, 32:])
    assert torch.equal(seen["top right, mirrored"], images[..., :224, 32:].flip(-1))


def test_small_images_are_moved_by_a_fourteenth_with_black_beside_them() -> None:
    images = torch.rand(1, 1, 28, 28) + 0.1
    seen = {view.name: view.see(images, (28, 28)) for view in views_of(["crops"])}
    assert torch.equal(seen["whole"], images)
    assert torch.equal(seen["top left"][..., 2:, 2:], images[..., :26, :26])
    assert float(seen["top left"][..., :2, :].abs().max()) == 0


def test_scales_keep_the_middle_and_the_size() -> None:
    images = torch.full((1, 1, 28, 28), 0.5)
    assert torch.equal(scaled(images, (28, 28), 8 / 7), images)
    far = scaled(images, (28, 28), 7 / 8)
    assert far.shape == images.shape
    assert float(far[..., 0, 0]) < 0.5
    torch.testing.assert_close(far[..., 4:24, 4:24], images[..., 4:24, 4:24])


def test_unknown_views_are_refused() -> None:
    with pytest.raises(StriateError, match="views are turn"):
        views_of(["turn"])
    with pytest.raises(StriateError, match="each once"):
        views_of(["flip", "flip"])


def test_the_whole_view_is_what_the_net_says_of_the_images() -> None:
    net, data = load_net("striate/small"), load_data("shapes").limit(70)
    logits = view_logits(net, data, views_of(["flip"]), size=(32, 32))
    torch.testing.assert_close(logits[0], predict(net, data).logits, rtol=1e-4, atol=1e-4)
    assert not torch.equal(logits[0], logits[1])
