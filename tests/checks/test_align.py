"""A copy is laid on its original wherever it was cut; other pictures are not confirmed."""

from __future__ import annotations

import torch

from checks.drawn import photographs
from striate.checks.align import GRID, align, flat, same_colours

FRAME = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    """Grey ones of 64 x 64, levels to 255."""
    return 255 * photographs(count, side=64, seed=seed).mean(1)


def cut(image: torch.Tensor, box: tuple[float, float, float, float]) -> torch.Tensor:
    """The part of a 64 x 64 picture that a box shows, at 64 x 64, by sampling a smooth field exactly at the points."""
    left, top, right, bottom = box
    ramp = (torch.arange(64) + 0.5) / 64
    across, down = left + (right - left) * ramp, top + (bottom - top) * ramp
    grid = torch.stack([across.expand(64, 64), down[:, None].expand(64, 64)], dim=-1)[None]
    seen = torch.nn.functional.grid_sample(image[None, None], 2 * grid - 1, mode="bicubic", align_corners=False,
                                           padding_mode="border")  # fmt: skip
    return seen[0, 0]


def test_the_box_that_a_copy_was_cut_from_is_found() -> None:
    images = pictures(6)
    box = (0.07, 0.03, 0.93, 0.88)
    copies = torch.stack([cut(image, box) for image in images])
    found = align(copies, images, torch.tensor([[0.1, 0.0, 0.9, 0.9]]).repeat(6, 1))
    assert bool(found.same().all())
    assert torch.allclose(found.box, torch.tensor([box]).expand(6, -1), atol=0.01)


def test_gain_and_offset_do_not_count_as_a_difference() -> None:
    images = pictures(3)
    found = align(0.9 * images + 20, images, FRAME.repeat(3, 1), steps=0)
    assert torch.allclose(found.gain, torch.full((3,), 0.9), atol=1e-4)
    assert torch.allclose(found.rest, torch.zeros(3), atol=1e-4)
    assert bool(found.same().all())


def test_a_strong_change_of_contrast_or_one_changed_block_is_not_the_same() -> None:
    images = pictures(2)
    assert not bool(align(0.4 * images, images, FRAME.repeat(2, 1), steps=0).same().any())
    changed = images.clone()
    changed[:, 20:36, 20:36] += 60
    found = align(changed, images, FRAME.repeat(2, 1), steps=0)
    assert bool((found.likeness > 0.9).all())
    assert not bool(found.same().any())


def test_other_pictures_are_not_confirmed_from_any_start() -> None:
    images = pictures(40)
    starts = torch.tensor([[0.1, 0.1, 1.0, 0.9]]).repeat(39, 1)
    assert not bool(align(images[:1].expand(39, -1, -1), images[1:], starts).same().any())


def test_likeness_is_the_correlation_of_the_two_at_the_grid() -> None:
    first, second = pictures(1)[0], pictures(1, seed=4)[0]
    means = [torch.nn.functional.avg_pool2d(each[None], 2)[0].double().flatten() for each in (first, second)]
    expected = torch.corrcoef(torch.stack(means))[0, 1]
    found = align(first[None], second[None], FRAME, steps=0)
    assert means[0].numel() == GRID**2
    assert torch.allclose(found.likeness.double(), expected, atol=1e-5)


def test_a_pair_gives_the_same_alone_and_among_others() -> None:
    images = pictures(5)
    copies = torch.stack([cut(image, (0.0, 0.1, 0.85, 1.0)) for image in images])
    together = align(copies, images, FRAME.repeat(5, 1))
    alone = align(copies[3:4], images[3:4], FRAME)
    assert torch.allclose(together.box[3], alone.box[0], atol=1e-4)


def test_a_fading_sky_is_flat_and_a_photograph_is_not() -> None:
    fading = torch.linspace(0, 255, 64).expand(1, 64, 64)
    assert flat(torch.cat([fading, fading.transpose(1, 2), pictures(2)])).tolist() == [True, True, False, False]


def test_colours_decide_where_the_luma_agrees() -> None:
    blue, red = torch.full((1, 2, 8, 8), 128.0), torch.full((1, 2, 8, 8), 128.0)
    red[:, 1] += 50
    assert same_colours(blue, blue, FRAME).tolist() == [True]
    assert same_colours(blue, red, FRAME).tolist() == [False]
