"""Transforms against Pillow, torchvision, scipy, slow loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage, stats
from torch import Tensor
from torchvision.transforms.v2 import functional as published

from oracles.data_transforms import colour_axes, elastic, hue_turned, warped
from striate.core.errors import StriateError
from striate.core.image import to_bytes
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.data.transforms import (
    Blur,
    Brightness,
    ColourCast,
    ColourPCA,
    Contrast,
    CutMix,
    Cutout,
    Elastic,
    Hue,
    Mixup,
    Motion,
    MotionBlur,
    Noise,
    Perspective,
    RandomErasing,
    ResizedCrop,
    Rotation,
    Saturation,
    Scale,
    Sharpness,
    Shear,
)
from striate.data.transforms.levels import equalised, posterised, solarised, stretched
from striate.data.transforms.mixers import betas
from striate.data.transforms.motion import middle, quadrangles
from striate.data.transforms.policies import OPERATIONS, RandAugment, Ranges, TrivialAugment

MADE = torch.Generator().manual_seed(0)
SMOOTH = torch.nn.functional.interpolate(torch.rand(6, 3, 5, 6, generator=MADE), size=(24, 30), mode="bicubic")
IMAGES = (SMOOTH.clamp(0, 1) * 255).round() / 255
IDS = torch.arange(6)


def pillow(image: Tensor) -> Image.Image:
    """The image in Pillow."""
    return Image.fromarray(to_bytes(image).permute(1, 2, 0).numpy())


def back(picture: Image.Image) -> Tensor:
    """The picture as a tensor."""
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1) / 255.0


def one(value: float) -> Tensor:
    """The same number for every image."""
    return torch.full((len(IMAGES),), value)


@pytest.mark.parametrize("angle", [-170.0, -30.0, 12.5, 90.0])
def test_rotation_is_that_of_torchvision_and_of_a_loop(angle: float) -> None:
    done = Rotation(180.0).apply(IMAGES, {"angle": one(angle)})
    theirs = published.rotate(IMAGES, angle, interpolation=published.InterpolationMode.BILINEAR)
    torch.testing.assert_close(done[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], atol=2e-4, rtol=0)
    (motion,) = Rotation(180.0).motions({"angle": one(angle)}, (24, 30))
    slow = warped(IMAGES[0, 0].double().numpy(), motion.matrices[0].numpy())
    torch.testing.assert_close(done[0, 0].double(), torch.from_numpy(slow), atol=1e-5, rtol=0)


def test_perspective_takes_corners_to_corners_and_is_that_of_torchvision() -> None:
    drawn = Perspective(0.6).draw(IDS, Rng(0, "x"), shape=(3, 24, 30))
    (motion,) = Perspective(0.6).motions(drawn, (24, 30))
    square = torch.tensor([[0.0, 0.0], [30.0, 0.0], [30.0, 24.0], [0.0, 24.0]], dtype=torch.float64)
    torch.testing.assert_close(motion.forward(square.expand(6, 4, 2)), drawn["corners"], atol=1e-9, rtol=0)
    done = Perspective(0.6).apply(IMAGES, drawn)
    slow = warped(IMAGES[2, 1].double().numpy(), motion.matrices[2].numpy())
    torch.testing.assert_close(done[2, 1].double(), torch.from_numpy(slow), atol=1e-5, rtol=0)
    # torchvision solves for whole pixels' corners that lie half a pixel inside: the same map, given such points
    start = [[0, 0], [29, 0], [29, 23], [0, 23]]
    end = [[3, 2], [27, 1], [25, 20], [2, 22]]
    ours = quadrangles(torch.tensor([start]).double(), torch.tensor([end]).double())
    theirs = published.perspective(IMAGES[:1], start, end, interpolation=published.InterpolationMode.BILINEAR)
    half = torch.eye(3, dtype=torch.float64)
    half[:2, 2] = 0.5
    # it also adds its half pixel before the map, not after
    moved = Motion(ours @ half @ half.inverse(), (24, 30)).sample(IMAGES[:1])
    inner = (slice(None), slice(None), slice(6, 18), slice(6, 22))
    assert float((moved[inner] - theirs[inner]).abs().max()) < 0.03


@pytest.mark.parametrize("factors", [(0.6, 0.6), (1.7, 0.8)])
def test_scaling_is_that_of_a_loop_and_leaves_the_middle(factors: tuple[float, float]) -> None:
    drawn = {"factors": torch.tensor([factors] * 6, dtype=torch.float64)}
    (motion,) = Scale().motions(drawn, (24, 30))
    centre = torch.tensor([middle((24, 30))], dtype=torch.float64)
    torch.testing.assert_close(motion.forward(centre.expand(6, 1, 2))[0], centre)
    edge = torch.tensor([[15.0 + 5.0, 12.0 - 4.0]], dtype=torch.float64).expand(6, 1, 2)
    moved = motion.forward(edge)[0, 0].tolist()
    assert moved == pytest.approx([15.0 + 5.0 * factors[0], 12.0 - 4.0 * factors[1]])
    slow = warped(IMAGES[1, 0].double().numpy(), motion.matrices[1].numpy())
    torch.testing.assert_close(Scale().apply(IMAGES, drawn)[1, 0].double(), torch.from_numpy(slow), atol=1e-5, rtol=0)


def test_shear_slants_by_its_slopes() -> None:
    (motion,) = Shear().motions({"slopes": torch.tensor([[0.25, 0.0]] * 6)}, (24, 30))
    point = torch.tensor([[[15.0, 20.0]]], dtype=torch.float64).expand(6, 1, 2)
    assert motion.forward(point)[0, 0].tolist() == pytest.approx([15.0 - 0.25 * 8.0, 20.0])


def test_resized_crops_have_the_stated_areas_and_shapes() -> None:
    drawn = ResizedCrop().draw(torch.arange(20_000), Rng(0, "x"), shape=(3, 24, 30))
    width, height = drawn["sides"].unbind(1)
    area = width * height
    assert float(area.min()) >= 0.08
    assert float(area.max()) <= 1.0 + 1e-9
    assert float((width / height).max()) <= 4 / 3 + 1e-6
    small = area[area < 0.5]  # below, every shape fits, and the area is even
    assert stats.kstest(small.numpy(), stats.uniform(0.08, 0.42).cdf).pvalue > 1e-3
    assert bool((drawn["corner"] + drawn["sides"] <= 1 + 1e-9).all())
    (motion,) = ResizedCrop().motions({name: value[:6] for name, value in drawn.items()}, (24, 30))
    corner = motion.matrices[0] @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    assert corner[:2].tolist() == pytest.approx((drawn["corner"][0] * torch.tensor([30.0, 24.0])).tolist())


@pytest.mark.parametrize("strength", [-0.7, -0.2, 0.3, 0.9])
def test_light_is_that_of_torchvision(strength: float) -> None:
    by, factor = {"by": one(strength)}, 1 + strength
    pairs = [
        (Brightness(1.0).apply(IMAGES, by), published.adjust_brightness(IMAGES, factor), 1e-6),
        (Contrast(1.0).apply(IMAGES, by), published.adjust_contrast(IMAGES, factor), 2e-4),
        (Saturation(1.0).apply(IMAGES, by), published.adjust_saturation(IMAGES, factor), 2e-4),
        (Sharpness(1.0).apply(IMAGES, by), published.adjust_sharpness(IMAGES, factor), 1e-3),
        (Hue(0.5).apply(IMAGES, {"by": one(strength / 2)}), published.adjust_hue(IMAGES, strength / 2), 1e-5),
    ]
    for ours, theirs, slack in pairs:
        torch.testing.assert_close(ours, theirs, atol=slack, rtol=0)


def test_hue_is_that_of_python_pixel_by_pixel_and_keeps_greys() -> None:
    done = Hue(0.5).apply(IMAGES, {"by": one(0.3)})
    for row, column in ((0, 0), (5, 9), (23, 29)):
        expected = hue_turned(IMAGES[3, :, row, column].double().tolist(), 0.3)
        assert done[3, :, row, column].tolist() == pytest.approx(expected, abs=2e-6)
    grey = torch.rand(2, 1, 4, 4, generator=MADE).expand(2, 3, 4, 4)
    torch.testing.assert_close(Hue(0.5).apply(grey, {"by": torch.tensor([0.2, 0.4])}), grey)
    single = grey[:, :1]
    assert Hue(0.5).apply(single, {"by": torch.tensor([0.2, 0.4])}) is single


def test_levels_are_those_of_pillow() -> None:
    for row, image in enumerate(IMAGES):
        picture, alone = pillow(image), image[None]
        for bits in range(1, 9):
            assert torch.equal(
                to_bytes(posterised(alone, torch.tensor([bits])))[0], to_bytes(back(ImageOps.posterize(picture, bits)))
            )
        for threshold in (0, 77, 128, 256):
            done = solarised(alone, torch.tensor([threshold / 255 - 1e-6]))
            torch.testing.assert_close(done[0], back(ImageOps.solarize(picture, threshold)), atol=1e-6, rtol=0)
        torch.testing.assert_close(equalised(alone)[0], back(ImageOps.equalize(picture)), atol=1e-6, rtol=0)
        apart = (stretched(alone)[0] - back(ImageOps.autocontrast(picture))).abs().max()
        assert float(apart) <= 1 / 255 + 1e-6, row
    flat = torch.full((1, 1, 5, 5), 0.4)
    torch.testing.assert_close(equalised(flat), (flat * 255).round() / 255)
    assert torch.equal(stretched(flat), flat)


@pytest.mark.parametrize("sigma", [0.4, 1.3, 3.0])
def test_blur_is_that_of_scipy(sigma: float) -> None:
    done = Blur(5.0).apply(IMAGES, {"sigma": one(sigma)})
    slow = ndimage.gaussian_filter(IMAGES.double().numpy(), (0, 0, sigma, sigma), mode="reflect", truncate=8.0)
    torch.testing.assert_close(done.double(), torch.from_numpy(slow), atol=1e-5, rtol=0)


def test_elastic_distortion_is_that_of_scipy() -> None:
    bent = Elastic(alpha=20.0, sigma=3.0)
    images = torch.rand(2, 1, 29, 34, generator=MADE)
    ids = torch.tensor([4, 9])
    noise = Rng(1, "x").child("elastic").uniform(ids, (2, 29, 34), step=2, low=-1.0, high=1.0)
    done = bent(images, ids, Rng(1, "x"), step=2)
    for image, field, ours in zip(images, noise, done, strict=True):
        slow = elastic(image[0].double().numpy(), field.double().numpy(), 20.0, 3.0)
        torch.testing.assert_close(ours[0].double(), torch.from_numpy(slow), atol=2e-4, rtol=0)


def test_a_streak_spreads_a_dot_evenly_along_its_line() -> None:
    dot = torch.zeros(1, 1, 21, 21)
    dot[0, 0, 10, 10] = 1.0
    drawn = MotionBlur(0.5).draw(torch.tensor([3]), Rng(0, "x"), shape=(1, 21, 21))
    done = MotionBlur(0.5).apply(dot, drawn)[0, 0]
    assert float(done.sum()) == pytest.approx(1.0, abs=1e-5)
    draws = Rng(0, "x").child("motion_blur").uniform(torch.tensor([3]), (2,)).double()[0]
    length, angle = float(draws[0]) * 0.5 * 21, float(draws[1]) * math.pi
    rows, columns = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(21.0) - 10, indexing="ij")
    along = columns * math.cos(angle) - rows * math.sin(angle)
    across = columns * math.sin(angle) + rows * math.cos(angle)
    assert float((done * along**2).sum()) == pytest.approx(length**2 / 12, abs=0.4)
    assert float((done * across**2).sum()) < 0.4
    assert float(done[(along.abs() > length / 2 + 1.5) | (across.abs() > 1.5)].sum()) == 0.0


def test_noise_has_the_drawn_spread() -> None:
    grey = torch.full((400, 1, 16, 16), 0.5)
    spread = Noise(0.1)(grey, torch.arange(400), Rng(0, "x")).std((1, 2, 3))
    assert stats.kstest(spread.numpy(), stats.uniform(0, 0.1).cdf).pvalue > 1e-3


def test_colour_axes_are_those_of_all_training_pixels_and_move_colours_by_their_variance() -> None:
    pixels = (torch.rand(40, 3, 6, 7, generator=MADE) * 200).to(torch.uint8)
    pixels[:, 1] = pixels[:, 0] // 2 + pixels[:, 1] // 4
    train = Dataset.of(pixels, [0, 1] * 20, split="train", name="made")
    found = ColourPCA.of(train)
    flat = pixels.permute(0, 2, 3, 1).reshape(-1, 3).double().numpy() / 255
    variances, axes = colour_axes(flat)
    assert list(found.variances) == pytest.approx(variances.tolist(), abs=1e-12)
    for ours, theirs in zip(found.axes, axes, strict=True):
        assert abs(float(np.dot(ours, theirs))) == pytest.approx(1.0, abs=1e-9)
    assert found.source == "made"
    colour = found.draw(torch.arange(4000), Rng(0, "x"), shape=(3, 6, 7))["colour"].double()
    for variance, axis in zip(found.variances, found.axes, strict=True):
        along = colour @ torch.tensor(axis, dtype=torch.float64)
        assert float(along.std()) == pytest.approx(0.1 * variance, rel=0.05)
    for split in ("dev", "test"):
        with pytest.raises(StriateError, match="train split"):
            ColourPCA.of(Dataset.of(pixels, [0, 1] * 20, split=split))
    krizhevsky = np.array(ColourPCA().axes)
    assert np.abs(krizhevsky @ krizhevsky.T - np.eye(3)).max() < 2e-3


def test_a_colour_cast_is_one_gain_a_channel() -> None:
    drawn = ColourCast(0.3).draw(IDS, Rng(0, "x"), shape=(3, 24, 30))
    dim = IMAGES * 0.5
    done = ColourCast(0.3).apply(dim, drawn)
    torch.testing.assert_close(done, dim * (1 + drawn["by"])[:, :, None, None])


def test_cutouts_are_squares_whose_middle_lies_anywhere() -> None:
    drawn = Cutout(0.5).draw(torch.arange(3000), Rng(0, "x"), shape=(3, 24, 30))
    left, top, right, bottom = drawn["boxes"].unbind(1)
    inside = (left > 0) & (right < 30) & (top > 0) & (bottom < 24)
    assert bool(((right - left)[inside] == 12).all())
    assert bool(((bottom - top)[inside] == 12).all())
    assert float(inside.float().mean()) == pytest.approx((30 - 13) / 30 * (24 - 13) / 24, abs=0.04)
    white = torch.ones(3000, 1, 24, 30)
    done = Cutout(0.5).apply(white, drawn)
    assert torch.equal((done == 0.5).sum((1, 2, 3)), (right - left) * (bottom - top))
    hidden = Cutout(0.5).hidden(drawn, (24, 30))
    assert torch.equal(hidden, done[:, 0] == 0.5)


def test_random_erasing_keeps_to_its_areas_and_shapes() -> None:
    drawn = RandomErasing().draw(torch.arange(1200), Rng(0, "x"), shape=(1, 100, 100))
    left, top, right, bottom = drawn["boxes"].double().unbind(1)
    made = right > left
    assert float(made.double().mean()) == pytest.approx(0.5, abs=0.06)
    area = ((right - left) * (bottom - top))[made] / 100**2
    assert float(area.min()) > 0.015
    assert float(area.max()) < 0.41
    aspect = ((bottom - top) / (right - left))[made]
    assert float(aspect.min()) > 0.25
    assert float(aspect.max()) < 3.8
    assert float(aspect.mean()) == pytest.approx((0.3 + 1 / 0.3) / 2, abs=0.3)
    done = RandomErasing().apply(torch.full((1200, 1, 100, 100), 2.0), drawn)
    hidden = RandomErasing().hidden(drawn, (100, 100))
    assert torch.equal(done[:, 0] < 2.0, hidden)
    assert stats.kstest(done[:, 0][hidden][:100_000].numpy(), stats.uniform(0, 1).cdf).pvalue > 1e-3


def torchvisions(name: str, amount: float, ranges: Ranges) -> Tensor:
    """What torchvision makes of `IMAGES` by one operation of a policy."""
    mode = published.InterpolationMode.BILINEAR
    slant, factor = math.degrees(math.atan(ranges.slope * amount)), 1 + ranges.amount * amount
    moves = {"x": 30, "y": 24}
    if name.startswith(("shear", "translate")):
        axis = name[-1]
        most = ranges.moves * moves[axis] if ranges.share else ranges.moves
        shear, translate = [0.0, 0.0], [0, 0]
        if name.startswith("shear"):
            shear[axis == "y"] = slant
        else:
            translate[axis == "y"] = round(most * amount)
        corner = [0, 0] if name.startswith("shear") else None
        return published.affine(IMAGES, 0.0, translate, 1.0, shear, interpolation=mode, center=corner)
    simple = {
        "identity": lambda: IMAGES,
        "autocontrast": lambda: published.autocontrast(IMAGES),
        "equalise": lambda: published.equalize(to_bytes(IMAGES)) / 255.0,
        "rotate": lambda: published.rotate(IMAGES, ranges.degrees * amount, interpolation=mode),
        "solarise": lambda: published.solarize(IMAGES, (1 - amount) * 256 / 255),
        "colour": lambda: published.adjust_saturation(IMAGES, factor),
        "posterise": lambda: published.posterize(to_bytes(IMAGES), round(8 - ranges.bits * amount)) / 255.0,
        "contrast": lambda: published.adjust_contrast(IMAGES, factor),
        "brightness": lambda: published.adjust_brightness(IMAGES, factor),
        "sharpness": lambda: published.adjust_sharpness(IMAGES, factor),
    }
    return simple[name]()


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("amount", [0.5, 1.0])
@pytest.mark.parametrize("policy", [RandAugment(), TrivialAugment()], ids=["rand", "trivial"])
def test_operations_are_those_that_torchvision_publishes(
    name: str, amount: float, policy: RandAugment | TrivialAugment
) -> None:
    drawn = {"operation": torch.full((6, 1), OPERATIONS.index(name)), "amount": torch.full((6, 1), amount)}
    done = policy.apply(IMAGES, drawn)
    # its black mixes with edge pixels over another half pixel; what lies inside is the same
    apart = (done - torchvisions(name, amount, policy.ranges)).abs()[..., 3:-3, 3:-3]
    edge = 0.08 if name in {"rotate", "shear_x", "shear_y"} else 1e-6
    assert float((apart > 1e-3).float().mean()) < edge


def test_policies_draw_every_operation_evenly_and_at_their_strengths() -> None:
    ids = torch.arange(28_000)
    trivial = TrivialAugment().draw(ids, Rng(0, "x"), shape=(3, 8, 8))
    counts = torch.bincount(trivial["operation"][:, 0], minlength=14)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert sorted({round(30 * abs(each)) for each in trivial["amount"][:, 0].tolist()}) == list(range(31))
    both = RandAugment().draw(ids, Rng(0, "x"), shape=(3, 8, 8))
    assert both["operation"].shape == (28_000, 2)
    assert {round(abs(each), 6) for each in both["amount"].flatten().tolist()} == {0.9}
    turned = both["amount"][both["operation"] == OPERATIONS.index("rotate")]
    assert float((turned > 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    dark = both["amount"][both["operation"] == OPERATIONS.index("solarise")]
    assert bool((dark > 0).all())


def test_mixup_is_the_weighted_mean_of_images_and_of_labels() -> None:
    labels = torch.eye(6)
    mixer = Mixup(0.8)
    drawn = mixer.draw(IDS, Rng(0, "x"), step=1, shape=(3, 24, 30))
    images, soft = mixer(IMAGES, labels, IDS, Rng(0, "x"), step=1)
    for row in range(6):
        share, other = float(drawn["share"][row]), int(drawn["partner"][row])
        torch.testing.assert_close(images[row], share * IMAGES[row] + (1 - share) * IMAGES[other], atol=1e-6, rtol=0)
        expected = torch.zeros(6)
        expected[row], expected[other] = share, 1 - share
        torch.testing.assert_close(soft[row], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5, 1.0])
def test_proportions_follow_their_beta_law(alpha: float) -> None:
    shares = betas(torch.arange(20_000), Rng(3, "x"), alpha)
    assert float(shares.min()) >= 0
    assert float(shares.max()) <= 1
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.015)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.04)
    inner = shares[(shares > 1e-3) & (shares < 1 - 1e-3)].numpy()
    law = stats.beta(alpha, alpha)
    low, high = law.cdf(1e-3), law.cdf(1 - 1e-3)
    assert stats.kstest(inner, lambda x: (law.cdf(x) - low) / (high - low)).pvalue > 1e-3
    with pytest.raises(StriateError, match="alpha"):
        Mixup(alpha + 1)


def test_cutmix_labels_are_the_area_that_each_image_keeps() -> None:
    count = 500
    images = (torch.arange(count) / count)[:, None, None, None].expand(count, 1, 13, 17).contiguous()
    labels = torch.eye(count)
    mixer, ids = CutMix(), torch.arange(count) * 3
    drawn = mixer.draw(ids, Rng(0, "x"), shape=(1, 13, 17))
    done, soft = mixer(images, labels, ids, Rng(0, "x"))
    for row in range(count):
        other = int(drawn["partner"][row])
        own = float((done[row] == images[row]).double().mean())
        pasted = float((done[row] == images[other]).double().mean())
        assert own + pasted == pytest.approx(1.0)
        assert float(soft[row, row]) == pytest.approx(own, abs=1e-6)
        assert float(soft[row, other]) == pytest.approx(pasted, abs=1e-6)
    whole = CutMix().draw(torch.arange(20_000), Rng(1, "x"), shape=(1, 400, 400))
    left, top, right, bottom = whole["boxes"].double().unbind(1)
    inside = (left > 0) & (right < 400) & (top > 0) & (bottom < 400)
    # of squares that lie inside, side s is as likely as (1 - s)^2 times the law of the side, 2 s for an even area
    sides = ((right - left) / 400)[inside].numpy()
    assert stats.kstest(sides, stats.beta(2, 3).cdf).pvalue > 1e-3


def test_enhancements_are_those_of_pillow_to_a_grey_level() -> None:
    for image in IMAGES[:2]:
        picture = pillow(image)
        for factor in (0.4, 1.6):
            by = torch.tensor([factor - 1])
            pairs = [
                (Brightness(1.0), ImageEnhance.Brightness),
                (Contrast(1.0), ImageEnhance.Contrast),
                (Saturation(1.0), ImageEnhance.Color),
                (Sharpness(1.0), ImageEnhance.Sharpness),
            ]
            for ours, theirs in pairs:
                apart = ours.apply(image[None], {"by": by})[0] - back(theirs(picture).enhance(factor))
                assert float(apart.abs().max()) < 2.5 / 255, theirs.__name__
