from __future__ import annotations

import pytest
import torch
from torch import nn

from oracles.inside_units import iou, top_places
from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.inside.units.layers import unit_layer, unit_layers
from striate.inside.units.patches import top_patches
from striate.nets.net import Net

COUNT = 23


@pytest.fixture
def data():
    """Images of 24 x 20 pixels with ids out of order."""
    images = Rng(3, "data").uniform(torch.arange(COUNT), (3, 24, 20))
    ids = torch.arange(COUNT).flip(0) * 7 % 101
    return Dataset.of((images * 255).to(torch.uint8), [0] * COUNT, ids=ids)


@pytest.fixture
def deep():
    """A net in float64 whose fields are clipped at the border, with a unit that never fires and one that saturates."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        module = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1, stride=2),
            nn.ReLU6(), nn.Conv2d(8, 5, 3, padding=2), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(5, 3),
        )  # fmt: skip
    with torch.no_grad():
        module[3].bias[0] = -1e3
        module[3].weight[1] *= 1e4  # saturates at 6: ties
        module[0].weight[3] = module[0].weight[2]
        module[0].bias[3] = module[0].bias[2]
    return Net(module.double(), size=(24, 20))


NAMES = ("0", "1", "4", "6")


def floats(data):
    return data.images().double()


@pytest.mark.parametrize(("batch", "top"), [(1, 4), (5, 7), (COUNT, 1)])
def test_top_patches_are_those_of_a_search_through_every_place(deep, data, batch, top) -> None:
    data = data.limit(11)
    found = top_patches(deep, data, NAMES, top=top, batch=batch)
    with deep.look(read=NAMES) as see:
        seen = see(floats(data))
    for each in found:
        field = each.layer.field
        axes = [(f.size, f.stride, f.offset, n) for f, n in zip(field, (24, 20), strict=True)]
        floor = 0.0 if each.layer.rectified else float("-inf")
        for unit, maps in enumerate(seen[each.layer.name].transpose(0, 1)):
            expected = top_places(maps.tolist(), data.ids.tolist(), axes, k=top, floor=floor)
            taken = int(each.top.filled[unit].sum())
            assert taken == len(expected)
            places = each.top.places[unit, :taken]
            grid = each.layer.grid[1]
            assert [(p // grid, p % grid) for p in places.tolist()] == [place for _, _, place, _ in expected]
            assert each.top.ids[unit, :taken].tolist() == [number for _, number, _, _ in expected]
            assert each.top.value[unit, :taken].tolist() == pytest.approx([value for value, *_ in expected], abs=1e-12)
            assert each.layer.boxes(places).tolist() == [list(box) for *_, box in expected]


def test_no_two_boxes_of_a_unit_in_one_image_overlap_too_far(deep, data) -> None:
    for each in top_patches(deep, data.limit(2), NAMES, top=9):
        boxes = each.layer.boxes(each.top.places.clamp_min(0))
        for unit in range(each.layer.units):
            for one in range(9):
                for other in range(one):
                    same = each.top.rows[unit, one] == each.top.rows[unit, other] >= 0
                    assert not same or iou(boxes[unit, one].tolist(), boxes[unit, other].tolist()) <= 0.3


def test_a_box_holds_just_the_pixels_that_can_move_its_unit(deep) -> None:
    generous = Net(nn.Sequential(*list(deep.module)[:7]).double(), size=(24, 20))
    for part in generous.module:  # all weights positive and no unit off: every pixel of the field counts
        if isinstance(part, nn.Conv2d):
            part.weight.data, part.bias.data = part.weight.data.abs() + 0.1, part.bias.data * 0
    generous.module[4] = nn.ReLU()
    generous.module[2] = nn.AvgPool2d(2)
    for name in ("0", "4", "6"):
        layer = unit_layer(generous, (24, 20), name)
        for place in (0, layer.middle(), layer.places - 1, layer.grid[1] - 1):
            image = torch.rand(1, 3, 24, 20, dtype=torch.float64).requires_grad_()
            with generous.look(read=[name]) as see:
                value = see(image)[name].flatten(2)[0, 2, place]
            (gradient,) = torch.autograd.grad(value, image)
            rows, columns = (gradient[0].abs().sum((0, axis)).nonzero().flatten() for axis in (2, 1))
            seen = [int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1]
            assert layer.boxes(torch.tensor(place)).tolist() == seen


def test_controls_are_the_weakest_images_and_seeded_draws_whatever_the_chunks(deep, data) -> None:
    (one,), (other,) = (top_patches(deep, data, ["1"], controls=4, batch=batch) for batch in (3, COUNT))
    with deep.look(read=["1"]) as see:
        maps = see(floats(data))["1"].flatten(2)
    for name in ("top", "least", "random"):
        for part in ("ids", "places", "rows"):
            assert torch.equal(getattr(getattr(one, name), part), getattr(getattr(other, name), part))
    for unit in range(one.layer.units):
        order = sorted(range(COUNT), key=lambda row: (float(maps[row, unit].max()), int(data.ids[row])))
        assert one.least.rows[unit].tolist() == order[:4]
        assert one.random.rows[unit].unique().numel() == 4
        for row, place, value in zip(
            one.random.rows[unit], one.random.places[unit], one.random.value[unit], strict=True
        ):
            assert float(value) == pytest.approx(float(maps[row, unit, place]), abs=1e-12)
    assert not torch.equal(one.random.rows[0], one.random.rows[1])  # each unit draws for itself
    (again,) = top_patches(deep, data, ["1"], controls=4, seed=1)
    assert not torch.equal(one.random.rows, again.random.rows)


def test_units_that_never_fire_have_no_patches_and_are_named(deep, data) -> None:
    (found,) = top_patches(deep, data, ["4"])
    with deep.look(read=["4"]) as see:
        silent = (see(floats(data))["4"].amax((0, 2, 3)) == 0).nonzero().flatten().tolist()
    assert 0 in silent
    assert found.dead() == silent
    assert found.top.filled.any(1).logical_not().nonzero().flatten().tolist() == silent


def test_what_is_kept_does_not_grow_with_the_images(deep, data) -> None:
    def bytes_of(found) -> int:
        parts = [getattr(best, name) for best in (found.top, found.least, found.random) for name in vars(best)]
        return sum(each.nbytes for each in [*parts, found.moments.correlations()])

    few, many = (top_patches(deep, data.limit(count), ["4"])[0] for count in (2, COUNT))
    assert bytes_of(few) == bytes_of(many)


def test_units_that_do_the_same_correlate_fully(deep, data) -> None:
    (found,) = top_patches(deep, data, ["1"])
    table = found.moments.correlations()
    assert table[2, 3] == pytest.approx(1.0, abs=1e-9)
    with deep.look(read=["1"]) as see:
        maps = see(floats(data))["1"]
    rows, columns = ([int((k + 0.5) * n / 4) for k in range(4)] for n in (24, 20))
    sample = maps[:, :, rows][:, :, :, columns].transpose(0, 1).flatten(1)
    assert torch.allclose(table, torch.corrcoef(sample), atol=1e-9)


def test_a_net_without_maps_shows_whole_images(data) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(1440, 7), nn.ReLU(), nn.Linear(7, 2))
    net = Net(module, channels=3, size=(24, 20))
    layers = unit_layers(net, (24, 20))
    assert [layer.name for layer in layers] == ["2"]
    (found,) = top_patches(net, data, top=3)
    assert found.layer.boxes(found.top.places[0].clamp_min(0)).tolist() == [[0, 0, 24, 20]] * 3


class Tokens(nn.Module):
    """Patches of 4 x 5 pixels as tokens of six numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.cut, self.mix = nn.Conv2d(3, 6, (4, 5), stride=(4, 5)), nn.Linear(6, 6)

    def forward(self, images):
        return self.mix(self.cut(images).flatten(2).transpose(1, 2)).mean(1)


def test_tokens_are_places_that_see_the_whole_image(data) -> None:
    net = Net(Tokens(), classes=6, size=(24, 20))
    (found,) = top_patches(net, data, ["mix"], top=4)
    assert (found.layer.units, found.layer.places, found.layer.field) == (6, 24, None)
    assert all(len(set(rows)) == 4 for rows in found.top.rows.tolist())  # boxes are the same: one an image


def test_bad_input_gets_a_sentence(deep, data) -> None:
    with pytest.raises(UnknownNameError):
        top_patches(deep, data, ["conv9"])
    with pytest.raises(StriateError, match="24 x 20"):
        top_patches(deep, Dataset.of(torch.rand(2, 3, 10, 10), [0, 0]))
    with pytest.raises(StriateError, match="channels"):
        top_patches(deep, Dataset.of(torch.rand(2, 1, 24, 20), [0, 0]))
    with pytest.raises(StriateError, match="no images"):
        top_patches(deep, Dataset.of(torch.rand(0, 3, 24, 20), []))
