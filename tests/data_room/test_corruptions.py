"""The common corruptions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import Tensor

from oracles.data_corruptions import brightened, disc_mean, smeared
from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.data.corruptions import CORRUPTIONS, SEVERITIES, constants_of, corrupted, corruption
from striate.data.corruptions.blur import defocus_blur, glass_blur, zoomed
from striate.data.corruptions.blur import smeared as ours_smeared
from striate.data.corruptions.digital import contrast, elastic_transform, pixelate
from striate.data.corruptions.noise import impulse_noise, poisson
from striate.data.corruptions.weather import brightness, fog, frost, plasma, snow

every = pytest.mark.parametrize("name", list(CORRUPTIONS))
RNG = Rng(0, "t")


def scene(count: int = 2, channels: int = 3, size: tuple[int, int] = (24, 20)) -> Tensor:
    """Smooth coloured shapes on the 8-bit grid."""
    y, x = torch.meshgrid(torch.linspace(0, 3, size[0]), torch.linspace(0, 4, size[1]), indexing="ij")
    made = [
        0.5 + 0.35 * torch.sin(x * (k + 1) + channel) * torch.cos(y + k)
        for k in range(count)
        for channel in range(channels)
    ]
    return (torch.stack(made).view(count, channels, *size) * 255).round() / 255


@every
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_damaged_alike_alone_and_in_any_batch(name: str, channels: int) -> None:
    x, ids = scene(3, channels), torch.tensor([7, -9, 7])
    x[2] = x[0]
    whole = corrupted(x, name, 3, ids=ids)
    assert whole.shape == x.shape
    assert torch.equal(whole[0], whole[2])
    assert torch.equal(corrupted(x[1:2], name, 3, ids=ids[1:2]), whole[1:2])
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1
    assert torch.equal((whole * 255).round() / 255, whole)
    assert not torch.equal(whole, x)


@every
def test_a_large_image_changes_at_every_severity_and_in_the_end_more_than_at_first(name: str) -> None:
    x, ids = scene(1, 3, (96, 80)), torch.tensor([3])
    torch.manual_seed(0)
    x = ((x + 0.2 * torch.rand_like(x)).clamp(0, 1) * 255).round() / 255  # detail, which blur takes away
    away = [float((corrupted(x, name, severity, ids=ids) - x).square().mean()) for severity in SEVERITIES]
    assert min(away) > 0
    if name != "elastic_transform":  # its first two pull far, its last three bend finely
        assert away[4] > away[0]


def test_there_are_15_of_four_families_with_five_strengths_each() -> None:
    entries = [corruption(name) for name in CORRUPTIONS]
    assert [entry.family for entry in entries] == ["noise"] * 3 + ["blur"] * 4 + ["weather"] * 4 + ["digital"] * 4
    assert all(len(entry.photographs) == len(entry.small) == 5 for entry in entries)
    assert constants_of((224, 224)) == "ImageNet-C"
    assert constants_of((32, 32)) == "CIFAR-10-C"


def test_shot_noise_has_poisson_counts() -> None:
    uniform = RNG.uniform(torch.arange(4), (50,))
    means = torch.tensor([[0.0], [0.7], [30.0], [480.0]]).expand(4, 50)
    ours = poisson(means, uniform)
    right = stats.poisson.ppf(uniform.double().numpy() + 2**-25, means.numpy())
    right[0] = 0
    np.testing.assert_array_equal(ours.numpy(), right)


def test_impulses_are_as_often_black_as_white() -> None:
    x = torch.full((1, 3, 100, 100), 0.5)
    hit = impulse_noise(x, 0.2, torch.tensor([1]), RNG)
    assert float((hit == 0).double().mean()) == pytest.approx(0.1, abs=0.01)
    assert float((hit == 1).double().mean()) == pytest.approx(0.1, abs=0.01)


def test_defocus_is_the_mean_over_a_disc() -> None:
    x = torch.rand(1, 1, 30, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = defocus_blur(x, (6, 0.01), torch.zeros(1), RNG)
    for y, column in ((10, 12), (15, 20)):
        assert float(ours[0, 0, y, column]) == pytest.approx(disc_mean(x[0, 0].tolist(), 6, y, column), rel=1e-9)


@pytest.mark.parametrize("degrees", [-45.0, 10.0, -135.0])
def test_motion_is_half_a_gaussian_along_a_line(degrees: float) -> None:
    x = torch.rand(1, 1, 9, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = ours_smeared(x, 3, 2.0, torch.tensor([degrees]))
    right = torch.tensor(smeared(x[0, 0].tolist(), 3, 2.0, degrees), dtype=torch.float64)
    torch.testing.assert_close(ours[0, 0], right, atol=1e-12, rtol=0)


def test_glass_only_moves_pixels_and_none_further_than_the_swaps_allow() -> None:
    x = (torch.arange(40 * 40).float() / 1600).view(1, 1, 40, 40)
    ours = glass_blur(x.repeat(2, 1, 1, 1), (1e-6, 2, 1), torch.tensor([1, 2]), RNG)
    level = (x * 255).floor() / 255
    torch.testing.assert_close(ours[0].flatten().sort().values, level.flatten().sort().values)
    assert not torch.equal(ours[0], ours[1])
    moved = (ours[0] - level[0]).abs()
    assert float((moved > 0).double().mean()) > 0.2
    assert torch.equal(ours[0, 0, 0], level[0, 0, 0])  # the outermost rows have no neighbours to swap with


def test_zooming_is_about_the_middle_and_linear() -> None:
    ramp = torch.linspace(0, 1, 21).expand(1, 1, 21, 21)
    ours = zoomed(ramp, 2.0)
    torch.testing.assert_close(ours[0, 0, 10], 0.5 + (ramp[0, 0, 10] - 0.5) / 2, atol=1e-6, rtol=0)


def test_snow_whitens_and_falls_on_a_plane() -> None:
    black = torch.zeros(1, 3, 80, 80)
    fallen = snow(black, corruption("snow").photographs[0], torch.tensor([5]), RNG)
    assert float(fallen.min()) == pytest.approx(0.2 * 0.5)
    assert float(fallen.max()) > 0.4
    torch.testing.assert_close(fallen[:, 0], fallen[:, 1])


def test_fog_keeps_the_largest_value_and_its_fractal_spans_0_to_1() -> None:
    cloud = plasma(torch.arange(3), 32, 2.0, RNG)
    assert cloud.amin((1, 2)).tolist() == [0.0] * 3
    assert cloud.amax((1, 2)).tolist() == [1.0] * 3
    flat = torch.full((1, 3, 32, 32), 0.6)
    fogged = fog(flat, (1.5, 2.0), torch.tensor([1]), RNG)
    assert float(fogged.max()) == pytest.approx(0.6, abs=1e-6)
    assert float(fogged.min()) == pytest.approx(0.6 * 0.6 / 2.1, abs=1e-6)


def test_a_slower_decay_of_the_fractal_is_rougher() -> None:
    rough, smooth = (plasma(torch.arange(8), 64, decay, RNG) for decay in (1.4, 3.0))
    assert float(rough.diff(dim=1).abs().mean()) > 2 * float(smooth.diff(dim=1).abs().mean())


def test_frost_is_laid_over_a_share_of_the_image() -> None:
    black, grey = torch.zeros(1, 3, 70, 70), torch.full((1, 3, 70, 70), 0.5)
    laid, over = (frost(x, (0.8, 0.6), torch.tensor([2]), RNG) for x in (black, grey))
    torch.testing.assert_close(over - laid, torch.full_like(laid, 0.4))
    assert 0.1 < float(laid.mean()) < 0.5
    assert float(laid.std()) > 0.05


@pytest.mark.parametrize("pixel", [(0.2, 0.5, 0.7), (0.9, 0.8, 0.1), (0.0, 0.0, 0.0), (0.4, 0.4, 0.4)])
def test_brightness_is_value_in_hsv(pixel: tuple[float, float, float]) -> None:
    ours = brightness(torch.tensor(pixel, dtype=torch.float64).view(1, 3, 1, 1), 0.3, torch.zeros(1), RNG)
    np.testing.assert_allclose(ours.flatten().numpy(), brightened(pixel, 0.3), atol=1e-12)


def test_contrast_goes_to_the_mean_of_each_channel() -> None:
    x = scene(1)
    none = contrast(x, 0.0, torch.zeros(1), RNG)
    torch.testing.assert_close(none, x.mean((2, 3), keepdim=True).expand_as(x))


def test_pixels_are_those_of_pillows_box_filter() -> None:
    x = scene(1, 3, (32, 32))
    array = (x[0] * 255).round().byte().permute(1, 2, 0).numpy()
    for share in (0.95, 0.65, 0.3):
        few = Image.fromarray(array).resize((int(32 * share),) * 2, Image.Resampling.BOX)
        right = np.asarray(few.resize((32, 32), Image.Resampling.BOX)).transpose(2, 0, 1)
        ours = pixelate(x, share, torch.zeros(1), RNG)[0] * 255
        assert float((ours - torch.tensor(right).float()).abs().max()) <= 1.0


def test_elastic_without_pull_and_field_is_the_image() -> None:
    x = scene(2)
    still = elastic_transform(x, (0.0, 1.0, 0.0), torch.arange(2), RNG)
    torch.testing.assert_close(still, x, atol=1e-5, rtol=0)
    pulled = elastic_transform(x, (0.0, 1.0, 3.0), torch.arange(2), RNG)
    assert float((pulled - x).abs().mean()) > 0.01


def test_what_there_is_not_is_refused() -> None:
    x, ids = scene(), torch.arange(2)
    with pytest.raises(UnknownNameError, match="frost"):
        corrupted(x, "frosst", 1, ids=ids)
    with pytest.raises(StriateError, match="severity is 6; accepted: 1 to 5"):
        corrupted(x, "snow", 6, ids=ids)
    with pytest.raises(StriateError, match="images of shape"):
        corrupted(x[:, :2], "snow", 1, ids=ids)
