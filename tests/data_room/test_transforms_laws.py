"""Laws that every registered transform keeps: per image, in range, still at zero strength, differentiable."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from striate.core.cite import cite
from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.data.transforms import (
    TRANSFORMS,
    Autocontrast,
    Blur,
    Brightness,
    Chain,
    ColourCast,
    ColourPCA,
    Contrast,
    CutMix,
    Cutout,
    Elastic,
    Equalise,
    Grey,
    Hue,
    MotionBlur,
    Noise,
    Perspective,
    Posterise,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    ResizedCrop,
    Rotation,
    Saturation,
    Scale,
    Sharpness,
    Shear,
    Solarise,
    Transform,
    Translation,
    described,
    is_mixer,
)

SINGLE = [name for name in TRANSFORMS if not is_mixer(name)]
MIXERS = [name for name in TRANSFORMS if is_mixer(name)]
MADE = torch.Generator().manual_seed(0)
IMAGES = (torch.rand(24, 3, 20, 26, generator=MADE) * 255).round() / 255
IDS = torch.arange(24) * 104729 - 5
ZERO: dict[str, Transform] = {
    "crop": RandomCrop(0),
    "resized_crop": ResizedCrop((1.0, 1.0), (1.0, 1.0)),
    "flip": RandomFlip(0.0),
    "flip_vertical": RandomFlip(0.0, vertical=True),
    "rotation": Rotation(0.0),
    "scale": Scale(1.0, 1.0),
    "stretch": Scale(1.0, 1.0, aspect=1.0),
    "translation": Translation(0.0),
    "shear": Shear(0.0),
    "perspective": Perspective(0.0),
    "elastic": Elastic(alpha=0.0),
    "brightness": Brightness(0.0),
    "contrast": Contrast(0.0),
    "saturation": Saturation(0.0),
    "hue": Hue(0.0),
    "colour_pca": ColourPCA(0.0),
    "colour_cast": ColourCast(0.0),
    "grey": Grey(0.0),
    "noise": Noise(0.0),
    "blur": Blur(0.0),
    "motion_blur": MotionBlur(0.0),
    "sharpness": Sharpness(0.0),
    "posterise": Posterise(8, 8),
    "solarise": Solarise(0.0),
    "equalise": Equalise(0.0),
    "autocontrast": Autocontrast(0.0),
    "cutout": Cutout(0.0),
    "random_erasing": RandomErasing(0.0),
    "rand_augment": RandAugment(magnitude=0.0),
}


def load(name: str) -> Any:
    """The transform of this name with its usual numbers."""
    return TRANSFORMS.load(name)


@pytest.mark.parametrize("name", SINGLE)
def test_an_image_is_changed_alike_alone_and_in_any_batch(name: str) -> None:
    change = load(name)
    together = change(IMAGES, IDS, Rng(0, "x"), step=5)
    assert together.shape == IMAGES.shape
    assert together.dtype == IMAGES.dtype
    rows = torch.tensor([17, 3, 11])
    apart = change(IMAGES[rows], IDS[rows], Rng(0, "x"), step=5)
    torch.testing.assert_close(apart, together[rows], atol=1e-6, rtol=0)
    alone = torch.cat([change(IMAGES[row : row + 1], IDS[row : row + 1], Rng(0, "x"), step=5) for row in range(6)])
    torch.testing.assert_close(alone, together[:6], atol=1e-6, rtol=0)
    assert torch.equal(change(IMAGES, IDS, Rng(0, "x"), step=5), together)


@pytest.mark.parametrize("name", SINGLE)
def test_other_steps_and_seeds_give_other_draws_unless_nothing_is_drawn(name: str) -> None:
    change, shape = load(name), (3, 20, 26)
    drawn = change.draw(IDS, Rng(0, "x"), step=1, shape=shape)
    others = change.draw(IDS, Rng(0, "x"), step=2, shape=shape), change.draw(IDS, Rng(1, "x"), step=1, shape=shape)
    still = name in {"equalise", "autocontrast"}
    for other in others:
        assert all(torch.equal(drawn[key], other[key]) for key in drawn) == still
    assert all(len(value) == len(IDS) for value in drawn.values())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SINGLE)
def test_values_stay_in_range_for_black_white_and_noise_in_grey_and_colour(name: str, channels: int) -> None:
    change = load(name)
    images = torch.cat([IMAGES[:6], torch.zeros(6, 3, 20, 26), torch.ones(6, 3, 20, 26)])[:, :channels]
    if name == "colour_pca" and channels == 1:
        with pytest.raises(StriateError, match="in colour"):
            change(images, IDS[:18], Rng(2, "x"))
        return
    done = change(images, IDS[:18], Rng(2, "x"))
    assert float(done.min()) >= 0.0
    assert float(done.max()) <= 1.0
    assert bool(done.isfinite().all())
    assert change(images[:0], IDS[:0], Rng(0)).shape == images[:0].shape


@pytest.mark.parametrize("name", sorted(ZERO))
def test_at_zero_strength_the_image_is_as_it_was(name: str) -> None:
    assert isinstance(ZERO[name], type(load(name)))
    drawn = ZERO[name].draw(IDS, Rng(0, "x"), shape=(3, 20, 26))
    off = {"operation": drawn["operation"].clamp(max=0), "amount": drawn["amount"]} if "operation" in drawn else drawn
    torch.testing.assert_close(ZERO[name].apply(IMAGES, off), IMAGES, atol=1e-5, rtol=0)


def test_every_single_transform_has_a_zero_but_the_one_of_random_strength() -> None:
    assert set(SINGLE) - set(ZERO) == {"trivial_augment"}


@pytest.mark.parametrize("operation", range(14))
def test_operations_of_policies_do_nothing_at_zero_strength_but_the_two_that_have_none(operation: int) -> None:
    from striate.data.transforms.policies import OPERATIONS, RandAugment

    drawn = {"operation": torch.full((24, 1), operation), "amount": torch.zeros(24, 1)}
    done = RandAugment().apply(IMAGES, drawn)
    near = float((done - IMAGES).abs().max()) < 1e-5
    assert near == (OPERATIONS[operation] not in {"equalise", "autocontrast"})


@pytest.mark.parametrize("name", [name for name in SINGLE if load(name).differentiable])
def test_gradients_reach_the_pixels_and_agree_with_differences(name: str) -> None:
    change = load(name)
    images = 0.15 + 0.7 * torch.rand(3, 3, 8, 9, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    drawn = change.draw(IDS[:3], Rng(3, "x"), shape=(3, 8, 9))
    leaf = images.clone().requires_grad_(True)
    weights = torch.rand(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (grad,) = torch.autograd.grad((change.apply(leaf, drawn) * weights).sum(), leaf)
    assert float(grad.abs().sum()) > 0
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    small = 1e-7
    ahead, behind = (change.apply(images + sign * small * direction, drawn) for sign in (1.0, -1.0))
    slope = float(((ahead - behind) * weights).sum()) / (2 * small)
    assert float((grad * direction).sum()) == pytest.approx(slope, rel=2e-3, abs=2e-3)


def test_float64_images_stay_float64_and_devices_are_followed() -> None:
    for name in SINGLE:
        assert load(name)(IMAGES[:2].double(), IDS[:2], Rng(0, "x")).dtype == torch.float64, name


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_entry_says_what_it_is_what_it_may_harm_and_where_it_comes_from(name: str) -> None:
    entry = described(name)
    assert len(entry.summary) > 10
    assert entry.harms
    assert all(cite(key).year.isdigit() for key in entry.cites)
    assert load(name).words
    assert not re.search(r"object at 0x", load(name).words)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="rotation"):
        described("rotatoin")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rotation(-1.0),
        lambda: Scale(0.0, 1.0),
        lambda: Scale(aspect=0.5),
        lambda: ResizedCrop((0.0, 1.0)),
        lambda: ResizedCrop(aspect=(2.0, 1.0)),
        lambda: Perspective(1.0),
        lambda: Elastic(sigma=0.0),
        lambda: Posterise(0, 4),
        lambda: RandomErasing(area=(0.5, 0.1)),
        lambda: RandAugment(count=0),
        lambda: RandAugment(magnitude=11.0),
        lambda: ColourPCA(variances=(1.0,)),
        lambda: Noise(-0.1),
        lambda: Cutout(value=2.0),
        lambda: CutMix(1.5),
        lambda: Brightness(1.5),
        lambda: Rotation()(IMAGES, IDS[:3], Rng(0)),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(StriateError):
        make()


def test_a_chain_mixes_pixels_once_and_draws_its_parts_apart() -> None:
    smooth = torch.linspace(0, 1, 40)[None, None, None].expand(4, 1, 40, 40).contiguous()
    there = Chain((Rotation(40.0, "edge"), Scale(0.6, 0.6, fill="edge"), Scale(1 / 0.6, 1 / 0.6, fill="edge")))
    drawn = there.draw(IDS[:4], Rng(0, "x"), shape=(1, 40, 40))
    (motion,) = there.motions(drawn, (40, 40))
    back = Rotation(40.0, "edge").apply(smooth, {"angle": drawn["0/angle"]})
    torch.testing.assert_close(there.apply(smooth, drawn), back, atol=1e-5, rtol=0)
    assert torch.equal(motion.sample(smooth), there.apply(smooth, drawn))
    twice = Chain((Rotation(), Rotation()))
    angles = twice.draw(IDS, Rng(0, "x"), shape=(1, 40, 40))
    assert not torch.equal(angles["0/angle"], angles["1/angle"])
    assert len(twice.motions(angles, (40, 40))) == 1
    mixed = Chain((RandomCrop(2), Rotation(), RandomFlip(), Noise(), Shear(), Scale(fill="edge"), Perspective()))
    assert len(mixed.motions(mixed.draw(IDS, Rng(0), shape=(1, 40, 40)), (40, 40))) == 6
    assert mixed(IMAGES, IDS, Rng(0)).shape == IMAGES.shape


def test_whole_pixel_moves_in_a_chain_stay_exact() -> None:
    exact = Chain((RandomFlip(1.0), RandomCrop(3, "edge")))
    values = set(IMAGES.flatten().tolist())
    assert set(exact(IMAGES, IDS, Rng(0)).flatten().tolist()) <= values


@pytest.mark.parametrize("name", MIXERS)
def test_mixers_draw_by_image_whatever_the_order_and_leave_one_image_alone(name: str) -> None:
    mixer, labels = load(name), torch.eye(24)
    images, soft = mixer(IMAGES, labels, IDS, Rng(0, "x"), step=3)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    again, softer = mixer(IMAGES[order], labels[order], IDS[order], Rng(0, "x"), step=3)
    assert torch.equal(again, images[order])
    assert torch.equal(softer, soft[order])
    torch.testing.assert_close(soft.sum(1), torch.ones(24))
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    alone, label = mixer(IMAGES[:1], labels[:1], IDS[:1], Rng(0, "x"), step=3)
    torch.testing.assert_close(alone, IMAGES[:1], atol=1e-6, rtol=0)
    torch.testing.assert_close(label, labels[:1], atol=1e-6, rtol=0)
    none, empty = mixer(IMAGES[:0], labels[:0], IDS[:0], Rng(0))
    assert len(none) == len(empty) == 0
    with pytest.raises(StriateError, match="one_hot"):
        mixer(IMAGES, torch.arange(24), IDS, Rng(0))


def test_partners_are_other_images_and_all_others_come_up() -> None:
    from striate.data.transforms.mixers import partners

    seen: set[tuple[int, int]] = set()
    for step in range(60):
        found: Tensor = partners(IDS[:5], Rng(0, "p"), step=step)
        assert bool((found != torch.arange(5)).all())
        seen |= set(enumerate(found.tolist()))
    assert len(seen) == 20
