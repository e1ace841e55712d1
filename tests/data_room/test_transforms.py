"""Random changes depend on the image, never on its neighbours, and make no new pixels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.transforms import RandomCrop, RandomFlip, transformed

IMAGES = torch.rand(64, 3, 9, 12, generator=torch.Generator().manual_seed(0))
IDS = torch.arange(64) * 7919


@pytest.mark.parametrize("change", [RandomFlip(), RandomCrop(3), RandomCrop(2, "black"), RandomCrop(8, "edge")])
def test_an_image_is_changed_alike_alone_and_in_any_batch(change: RandomFlip | RandomCrop) -> None:
    together = change(IMAGES, IDS, Rng(0, "x"), step=5)
    assert together.shape == IMAGES.shape
    assert torch.equal(change(IMAGES[[40, 3]], IDS[[40, 3]], Rng(0, "x"), step=5), together[[40, 3]])
    assert not torch.equal(change(IMAGES, IDS, Rng(0, "x"), step=6), together)
    assert not torch.equal(change(IMAGES, IDS, Rng(1, "x"), step=5), together)


def test_flips_are_mirror_images_in_the_stated_share() -> None:
    ids = torch.arange(4000)
    images = torch.arange(12.0).view(1, 1, 3, 4).expand(4000, 1, 3, 4)
    done = RandomFlip(0.3)(images, ids, Rng(0, "x"))
    mirrored = (done == images.flip(3)).flatten(1).all(1)
    assert bool((mirrored | (done == images).flatten(1).all(1)).all())
    assert abs(float(mirrored.float().mean()) - 0.3) < 4 * (0.21 / 4000) ** 0.5
    assert torch.equal(RandomFlip(0.0)(IMAGES, IDS, Rng(0)), IMAGES)
    assert torch.equal(RandomFlip(1.0)(IMAGES, IDS, Rng(0)), IMAGES.flip(3))
    large = torch.rand(4, 3, 120, 100, generator=torch.Generator().manual_seed(2))
    drawn = {"swapped": torch.tensor([True, False, True, False])}
    for vertical, axis in ((False, 3), (True, 2)):
        done = RandomFlip(vertical=vertical).apply(large, drawn)
        assert torch.equal(done, torch.where(drawn["swapped"][:, None, None, None], large.flip(axis), large))


@pytest.mark.parametrize(("fill", "mode"), [("black", "constant"), ("edge", "replicate"), ("reflect", "reflect")])
def test_crops_are_windows_of_the_padded_image_and_every_move_occurs(fill: str, mode: str) -> None:
    image = torch.rand(1, 1, 5, 6, generator=torch.Generator().manual_seed(1))
    padded = F.pad(image, (2, 2, 2, 2), mode=mode)[0]
    windows = [padded[:, top : top + 5, left : left + 6] for top in range(5) for left in range(5)]
    done = RandomCrop(2, fill)(image.expand(1000, 1, 5, 6), torch.arange(1000), Rng(0, "x"))
    match = torch.stack([(done == window).flatten(1).all(1) for window in windows])
    assert bool(match.any(0).all())
    assert bool(match.any(1).all())


def test_several_changes_follow_each_other_with_draws_of_their_own() -> None:
    both = transformed(IMAGES, IDS, [RandomFlip(), RandomFlip()], seed=0)
    first = RandomFlip()(IMAGES, IDS, Rng(0, "transform 0"))
    assert torch.equal(both, RandomFlip()(first, IDS, Rng(0, "transform 1")))
    assert not torch.equal(both, IMAGES)
    assert torch.equal(transformed(IMAGES, IDS, [], seed=0), IMAGES)


def test_numbers_that_make_no_sense_are_refused() -> None:
    for make in (lambda: RandomFlip(1.5), lambda: RandomCrop(-1), lambda: RandomCrop(2, "wood")):  # type: ignore[arg-type]
        with pytest.raises(StriateError):
            make()
    with pytest.raises(StriateError, match="padding 9"):
        RandomCrop(9)(IMAGES, IDS, Rng(0))
