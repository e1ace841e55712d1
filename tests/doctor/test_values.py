"""Checks of inputs: each finds its fault in small hand-made tensors, with its number, and not the healthy twin."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from torch.utils.data import DataLoader

from doctor.gallery.plan import Items
from striate.core.finding import Finding
from striate.doctor.case import Case
from striate.doctor.checks.images import detail, orders, read_anew, roughness
from striate.doctor.diagnosis import Findings
from striate.doctor.entering import entering
from striate.doctor.registry import all_checks
from striate.doctor.samples import draw
from striate.doctor.setup import Setup
from striate.doctor.start import look_at_start

N = 120


def images(channels: int = 1, side: int = 16, *, n: int = N, seed: int = 0) -> Tensor:
    """Smooth random images in [0, 1], a few with fine grain."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand((n, channels, side // 2, side // 2), generator=generator)
    fine = 0.1 * torch.rand((n, channels, side, side), generator=generator)
    return (avg_pool2d(interpolate(rough, scale_factor=2), 3, 1, 1, count_include_pad=False) * 0.9 + fine).clamp(0, 1)


def labels(n: int = N) -> Tensor:
    return torch.arange(n) % 3


def linear(x: Tensor, classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), classes))


def conv(channels: int, *, norm: bool = False) -> nn.Module:
    torch.manual_seed(0)
    after = nn.BatchNorm2d(6) if norm else nn.Identity()
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), after, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3)
    )


def found(x: Any, model: nn.Module | None = None, y: Tensor | None = None, **more: Any) -> dict[str, Finding]:
    """Findings by the name of their check, of inputs before the first step."""
    if isinstance(x, Tensor):
        model, y = linear(x) if model is None else model, labels(len(x)) if y is None else y
        x = (x, y)
    assert model is not None
    case = Case(Setup(model, None, nn.CrossEntropyLoss(), x, **more))
    seen = Findings()
    for each in all_checks():
        if each.family in ("values", "images"):
            seen._ask(each, case, pictures=True)
    assert not [each for each in seen.runs.values() if each.state == "failed"]
    return {each.check: each for _, each in seen.flat()}


def value(finding: Finding) -> float:
    number = finding.evidence[0].number
    assert number is not None
    assert number.value is not None
    return number.value


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_found_with_its_row(bad: float) -> None:
    x = images()
    x[[5, 77], 0, 3, 3] = bad
    finding = found(x)["inputs-not-finite"]
    assert value(finding) == pytest.approx(2 / N)
    assert "5, 77" in finding.seen
    assert any(each.picture for each in finding.evidence)
    assert "inputs-not-finite" not in found(images())


def test_infinite_values_of_the_test_set_are_found_too() -> None:
    spoilt = images(seed=1)
    spoilt[3] = float("inf")
    assert "test inputs" in found(images(), test=(spoilt, labels()))["inputs-not-finite"].seen


def test_inputs_that_are_all_the_same_are_found() -> None:
    assert found(images()[:1].expand(N, -1, -1, -1))["inputs-constant"].severity == "error"
    assert "inputs-constant" not in found(images())


def test_a_colour_that_never_varies_is_found_and_an_opaque_fourth_channel_only_noted() -> None:
    x = images(4)
    x[:, 3] = 1
    assert found(x)["inputs-constant"].severity == "note"
    x = images(3)
    x[:, 1] = 0
    finding = found(x)["inputs-constant"]
    assert finding.severity == "warning"
    assert "Channel 1 of 3" in finding.seen


def test_empty_images_are_found_by_their_share_and_noted_where_they_are_a_class_of_their_own() -> None:
    x, y = images(), labels()
    x[::5] = 0
    finding = found(x, y=y)["inputs-constant"]
    assert finding.severity == "warning"
    assert value(finding) == pytest.approx(1 / 5)
    y[::5] = 0
    assert found(x, y=y)["inputs-constant"].severity == "note"


def test_bytes_are_named_where_the_model_takes_floats_only() -> None:
    x = (images() * 255).to(torch.uint8)
    assert "uint8" in found(x)["input-type"].seen

    class Scaled(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x / 255)

    assert "input-type" not in found(x, Scaled(*linear(x)))
    assert found(images().double())["input-type"].severity == "note"
    assert "input-type" not in found(images().double(), linear(images()).double())


def test_normalising_in_place_is_found_with_its_factor() -> None:
    def spoils(x: Tensor) -> Tensor:
        return x.sub_(0.25).div_(0.5)

    data = DataLoader(Items(images().clone(), labels(), spoils), batch_size=8)  # type: ignore[arg-type]
    finding = found(data, linear(images()))["inputs-changed-in-place"]
    assert value(finding) == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x - 0.25) / 0.5,
        lambda x: x + 0.1 * torch.randn_like(x),
        lambda x: x * (0.5 + torch.rand(())),
        lambda x: x.flip(2) if torch.rand(()) < 0.5 else x,
    ],
    ids=["normalised", "noise", "brightness", "flip"],
)
def test_transforms_that_leave_the_stored_sample_alone_are_not(change: Any) -> None:
    data = DataLoader(Items(images(), labels(), change), batch_size=8)  # type: ignore[arg-type]
    assert "inputs-changed-in-place" not in found(data, linear(images()))


def test_images_of_two_scales_are_found_and_dim_ones_are_not() -> None:
    x = images()
    mixed = torch.where((torch.arange(N) % 6 == 0)[:, None, None, None], x * 255, x)
    assert value(found(mixed)["inputs-range-mixed"]) == pytest.approx(255, rel=0.1)
    dim = x * torch.logspace(0, -3, N)[:, None, None, None]
    assert "inputs-range-mixed" not in found(dim)
    empty = x.clone()
    empty[::6] = (torch.rand(empty[::6].shape) * 3).floor() / 255  # black, with the last bits flickering
    assert "inputs-range-mixed" not in found(empty)


def test_images_divided_twice_are_found_before_and_after_normalising() -> None:
    twice = images() / 255
    assert found(twice)["inputs-decoded-twice"].severity == "warning"
    assert "inputs-decoded-twice" in found((twice - 0.45) / 0.25)
    assert "inputs-decoded-twice" in found((images() - 120) / 60)  # [0, 1] with the statistics of bytes
    assert not {"inputs-decoded-twice", "input-scale"} & set(found((images() - 0.45) / 0.25))


def test_a_model_that_scales_its_inputs_itself_is_left_alone() -> None:
    class Scaled(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return super().forward((x - 0.5 / 255) * 800)

    x = images() / 255
    assert not {"inputs-decoded-twice", "input-scale"} & set(found(x, Scaled(*linear(x))))


@pytest.mark.parametrize(
    ("change", "what", "number"),
    [
        (lambda x: x * 255, "root mean square", 132.0),
        (lambda x: x * 0.01, "range", 0.0099),
        (lambda x: x + 9, "mean over deviation", 65.0),
    ],
    ids=["large", "small", "far"],
)
def test_inputs_of_a_wrong_scale_are_found_with_their_number(change: Any, what: str, number: float) -> None:
    x = change(images()[:, :, :6, :6])  # of 6 x 6: not taken for decoded twice
    finding = found(x.flatten(1))["input-scale"]
    assert finding.evidence[0].what == what
    assert value(finding) == pytest.approx(number, rel=0.15)


def test_a_batch_norm_right_after_the_first_layer_makes_a_note_of_it() -> None:
    assert found(images(3) * 255, conv(3))["input-scale"].severity == "warning"
    assert found(images(3) * 255, conv(3, norm=True))["input-scale"].severity == "note"
    assert found(images(3) / 255, conv(3, norm=True))["inputs-decoded-twice"].severity == "warning"  # below epsilon


def test_rows_of_one_hot_columns_and_token_numbers_have_no_wrong_scale() -> None:
    words = torch.nn.functional.one_hot(torch.arange(N) * 7 % 400, 400).float()
    assert not {"input-scale", "inputs-not-normalised"} & set(found(words))
    model = nn.Sequential(nn.Embedding(900, 4), nn.Flatten(), nn.Linear(32, 3))
    assert not {"input-scale", "input-type"} & set(found(torch.randint(900, (N, 8)), model))


def test_what_enters_is_what_the_first_weighted_layer_gets() -> None:
    x = images(3) * 255
    model = nn.Sequential(nn.BatchNorm2d(3), *conv(3))
    come = entering(look_at_start(Setup(model, None, nn.CrossEntropyLoss()), draw((x, labels()))))
    assert come is not None
    assert come.name == "1"
    assert float(come.x.std()) < 200
    assert not come.normed
    assert entering(look_at_start(Setup(nn.Embedding(9, 3)), draw((torch.zeros(9, dtype=torch.long), None)[0]))) is None


def test_channels_on_the_last_axis_of_a_convolution_are_found() -> None:
    x = images(3).permute(0, 2, 3, 1)
    finding = found(x, conv(16))["inputs-channels-last"]
    assert "permute(0, 3, 1, 2)" in finding.code
    assert "inputs-channels-last" in found(x, conv(3))  # where the convolution stops with an error
    assert "inputs-channels-last" not in found(x)  # a linear layer does not mind
    assert "inputs-channels-last" not in found(images(3), conv(3))

    class Turned(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x.permute(0, 3, 1, 2))

    assert "inputs-channels-last" not in found(x, Turned(*conv(3)))


def test_signals_of_many_leads_in_a_plane_are_not_taken_for_channels_last() -> None:
    assert "inputs-channels-last" not in found(torch.randn(N, 12, 100, 1), conv(12))
    assert "inputs-channels-last" not in found(torch.randn(N, 64, 10, 3), conv(64))


def test_reading_anew_undoes_a_reshape() -> None:
    x = images(3)
    for spoil, order in (((0, 2, 3, 1), "height, width, channel"), ((0, 3, 2, 1), "width, height, channel")):
        spoilt = x.permute(spoil).contiguous().reshape(x.shape)
        assert torch.equal(read_anew(spoilt, order), x)
    tall = x[..., :-6]  # 16 high, 10 wide, reshaped to 10 high, 16 wide
    spoilt = tall.reshape(N, 3, 10, 16)
    assert torch.equal(read_anew(spoilt, "channel, width, height"), tall.permute(0, 1, 3, 2))
    assert orders(images(1)) == ()


def test_roughness_is_1_of_noise_and_0_of_a_plane() -> None:
    assert roughness(torch.randn(50, 3, 16, 16)) == pytest.approx(1, abs=0.05)
    assert roughness(torch.linspace(0, 1, 64)[None, None, :, None].expand(4, 1, 64, 64)) < 0.05


def test_scrambled_pictures_are_found_under_a_convolution_only() -> None:
    x = images(3)
    spoilt = x.permute(0, 2, 3, 1).contiguous().reshape(x.shape)
    finding = found(spoilt, conv(3))["inputs-scrambled"]
    assert "(16, 16, 3)" in finding.seen
    assert value(finding) < 0.75
    assert "inputs-scrambled" not in found(spoilt)
    for healthy in (x, torch.randn(N, 3, 16, 16), x.expand(-1, 3, -1, -1)):
        assert "inputs-scrambled" not in found(healthy, conv(3))


def test_pictures_enlarged_from_four_pixels_are_found_at_four() -> None:
    for mode in ("nearest", "bilinear", "bicubic"):
        small = interpolate(torch.rand(N, 1, 4, 4), (16, 16), mode=mode)
        assert detail(small, 4) < 1e-5
        assert detail(small, 3) > 0.01
        assert "4 x 4" in found(small)["pictures-without-detail"].seen
    assert "pictures-without-detail" not in found(images())
    assert "pictures-without-detail" not in found(interpolate(images(side=16), (32, 32), mode="bilinear"))


def test_equal_channels_and_grey_pictures_of_two_values_are_noted() -> None:
    grey = images(1).expand(-1, 3, -1, -1)
    assert found(grey)["channels-alike"].severity == "note"
    assert "channels-alike" not in found(images(3))
    assert found((grey > 0.5).float())["inputs-of-two-values"].severity == "note"
    assert found((images(3) > 0.5).float())["inputs-of-two-values"].severity == "warning"
    assert "inputs-of-two-values" not in found(images(3))


def test_pixels_from_0_to_1_are_at_most_noted() -> None:
    assert all(each.severity == "note" for each in found(1 - images()).values())
