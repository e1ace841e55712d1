from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.inside.ablation.effects import ablate
from striate.inside.units.evidence import with_effects
from striate.inside.units.findings import unit_findings
from striate.inside.units.layers import unit_layer
from striate.inside.units.payload import Units
from striate.inside.units.pictures import activation_grid, kernel_slices
from striate.inside.units.sheets import with_sheets
from striate.inside.units.watch import pixels_of, watch_units
from striate.measure.table import predict
from striate.nets.net import Net
from striate.page.html import render_page
from striate.page.text import render_text


@pytest.fixture
def photos_of_two():
    images = Rng(3, "data").uniform(torch.arange(9), (3, 16, 16))
    return Dataset.of(images, [0, 1] * 4 + [0], classes=("cat", "dog"), name="two")


@pytest.fixture
def twins(net):
    """The small net with two equal units and one that never fires."""
    with torch.no_grad():
        conv = net.module.conv1
        conv.weight[1], conv.bias[1] = conv.weight[0], conv.bias[0]
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(net.module.norm, part)[1] = getattr(net.module.norm, part)[0]
        net.module.norm.weight[5], net.module.norm.bias[5] = 0.0, -1.0
    return net


def test_all_that_is_told_of_units_fits_together(twins, photos_of_two) -> None:
    before = twins.fingerprint()
    result, album = watch_units(twins, photos_of_two, layers=["relu", "relu#1"], units=[0, 1, 5], occluded=1)
    assert twins.fingerprint() == before
    first, second = result.layers
    assert (first.site, first.units, first.dead, first.listed) == ("relu", 8, (5,), (0, 1, 5))
    assert first.duplicates[0].units == (0, 1)
    assert first.duplicates[0].correlation == pytest.approx(1.0)
    assert first.duplicates[0].cosine == pytest.approx(1.0)
    assert first.field == (3, 3)
    assert float(second.effective) <= max(second.field)
    zero, one, dead = (each for each in result.units if each.site == "relu")
    assert [each.box for each in zero.top] == [each.box for each in one.top]
    assert zero.neighbours[0].unit == 1
    assert zero.field.empirical.value is not None
    assert one.field.empirical.value is None
    assert dead.dead
    assert dead.top == dead.least == dead.neighbours == ()
    assert dead.picture == ""
    assert all(name in album for each in result.units for name in (each.picture, each.random_picture) if name)
    values = [each.value for each in zero.top]
    assert values == sorted(values, reverse=True)
    assert min(values) > max(each.value for each in zero.least)
    ids = [finding.id for finding in unit_findings(result, net="small", data="two")]
    assert ids[0] == "dead-units/relu"
    assert "duplicate-units/relu" in ids


def test_units_read_back_and_have_a_page(twins, photos_of_two) -> None:
    result, album = watch_units(twins, photos_of_two, layers=["relu"], top=3)
    assert from_json(to_json(result), Units) == result
    report = Report("units", result, unit_findings(result, net="small", data="two"), album=album)
    page = render_page(report)
    assert 'id="unit-relu-0"' in page
    assert "It never fires on these 9 images" in page
    assert "never fire" in render_text(report)


def test_a_unit_that_is_not_there_is_refused(twins, photos_of_two) -> None:
    with pytest.raises(StriateError, match="0 to 7"):
        watch_units(twins, photos_of_two, layers=["relu"], units=[8])
    assert watch_units(twins, photos_of_two, units=[0], pictures=False)[1] == {}


def test_a_net_without_convolutions_has_units_that_see_whole_images(photos_of_two) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(768, 7), nn.ReLU(), nn.Linear(7, 2))
    result, _ = watch_units(Net(module, channels=3, size=16), photos_of_two)
    assert [layer.field for layer in result.layers] == [(16, 16)]
    assert all(each.box == (0, 0, 16, 16) for unit in result.units for each in unit.top)


def test_kernels_and_activations_are_drawn_on_one_scale(net, photos) -> None:
    grid, limits = activation_grid(net, photos[0], unit_layer(net, (16, 16), "relu"))
    assert limits[0] == 0.0 < limits[1]
    _, signed = activation_grid(net, photos[0], unit_layer(net, (16, 16), "conv1"))
    assert signed[0] == -signed[1]
    kernel, ends = kernel_slices(net.module.conv2.weight, 3)
    assert grid[:4] == kernel[:4] == b"\x89PNG"
    assert ends[1] == float(net.module.conv2.weight[3].detach().abs().max())


def test_maps_kernels_and_losses_are_told_of_the_right_units(twins) -> None:
    images = Rng(3, "data").uniform(torch.arange(9), (3, 16, 16))
    photos_of_two = Dataset.of(images, [0, 1] * 4 + [0], classes=twins.classes, name="two")
    result, _ = watch_units(twins, photos_of_two, layers=["relu", "relu#1"], units=[0, 5], top=1, filters=False)
    result, album = with_sheets(result, twins, photos_of_two)
    first, second = result.layers
    assert (first.maps.tiles, first.maps.of, first.maps.limits[0]) == (8, 8, 0.0)
    assert first.kernel is None  # its kernels look at pixels
    assert second.kernel.what == "unit 0"
    assert second.kernel.limits[1] == float(twins.module.conv2.weight[0].detach().abs().max())
    assert {first.maps.picture, second.maps.picture, second.kernel.picture} == set(album)
    table = predict(twins, photos_of_two)
    result = with_effects(result, twins, photos_of_two, table)
    dead = next(each for each in result.units if (each.site, each.unit) == ("relu", 5))
    assert dead.effect.change.value == dead.effect.loss.value == 0.0  # what never fires is not missed
    (alone,) = ablate(twins, photos_of_two, "relu#1", units=[5], table=table)
    assert next(each for each in result.units if (each.site, each.unit) == ("relu#1", 5)).effect == alone
    assert from_json(to_json(result), Units) == result


def test_filters_say_what_their_weights_are_multiplied_with(net) -> None:
    plain = Net(net.module, channels=3, size=16)
    normal = Net(net.module, channels=3, size=16, mean=(0.5, 0.4, 0.3), std=0.25)
    found = [pixels_of(each) for each in (plain, normal)]
    assert found == [
        "pixel values from 0 to 1 as they are",
        "pixel values from 0 to 1 less (0.5, 0.4, 0.3), divided by 0.25",
    ]
