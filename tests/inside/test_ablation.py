"""Ablation: as a hand-edited forward, exact on a linear net, one pass for many units, the net left alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.inside.ablation.branches import Branches
from striate.inside.ablation.effects import ablate, ablate_layers, ablate_one_by_one, layers_with_weights, site_of
from striate.inside.ablation.stand_ins import StandIns
from striate.measure.table import predict
from striate.nets.net import Net
from striate.nets.passes import counting


@pytest.fixture
def data(net, photos):
    """Thirty images, most with the label that the net gives them."""
    ids = torch.arange(30)
    images = (photos[ids % 4] + 0.5 * (Rng(1, "noise").uniform(ids, (3, 16, 16)) - 0.5)).clamp(0, 1)
    images = Dataset.of(images, [0] * 30, classes=net.classes).images()
    with torch.no_grad():
        labels = net(images).argmax(1)
    labels[::5] = (labels[::5] + 1) % 5
    return Dataset.of(images, labels, classes=net.classes)


class Straight(nn.Module):
    """Two linear layers without anything between."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(12, 6), nn.Linear(6, 3)

    def forward(self, images):
        return self.last(self.first(images.flatten(1)))


@pytest.fixture
def straight():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net(Straight(), classes=3, channels=3, size=2)


def logits_without(net, data, site, sets, how):
    place = site_of(net, data, site)
    rows, images = torch.arange(len(data)), data.images()
    stand_in = StandIns(net, data, place, how=how, seed=0, count=7)(rows)
    return Branches(net, images, place).logits(images, sets, stand_in)


def few(count=9):
    images = Rng(0, "few").uniform(torch.arange(count), (3, 2, 2))
    return Dataset.of(images, [0, 1, 2] * (count // 3))


def test_zero_mean_and_resample_are_exact_on_a_linear_net(straight):
    data = few()
    images = data.images()
    weight, hidden = straight.module.last.weight, straight.module.first(images.flatten(1))
    clean, drawn = (
        straight(images),
        StandIns(straight, data, site_of(straight, data, "first"), how="resample", seed=0, count=4),
    )
    others = drawn.others
    assert bool((others != torch.arange(9)).all())
    for how, stand_in in (
        ("zero", torch.zeros(9, 6)),
        ("mean", hidden.mean(0).expand(9, 6)),
        ("resample", hidden[others]),
    ):
        found = logits_without(straight, data, "first", [(2,), (0, 5), ()], how)
        for row, units in enumerate([[2], [0, 5], [0, 1, 2, 3, 4, 5]]):
            expected = clean + (stand_in - hidden)[:, units] @ weight[:, units].T
            assert torch.allclose(found[row], expected, atol=1e-5), how


def test_what_stands_in_for_an_image_does_not_depend_on_its_neighbours(straight):
    data = few(9)
    place = site_of(straight, data, "first")
    drawn = StandIns(straight, data, place, how="resample", seed=3, count=4)
    assert torch.equal(drawn(torch.tensor([4, 1]))[0], drawn(torch.arange(9))[4])
    again = StandIns(straight, data, place, how="resample", seed=4, count=4)
    assert not torch.equal(drawn.others, again.others)


@pytest.mark.parametrize("site", ["conv1", "relu", "relu#1", "conv2", "norm"])
@pytest.mark.parametrize("how", ["zero", "mean"])
def test_effects_are_those_of_a_hand_edited_forward(net, data, site, how):
    effects = ablate(net, data, site, units=[0, (1, 3), ()], how=how)
    images = data.images()
    with net.look(read=[site]) as look:
        values = look(images)[site]
    for one, units in zip(effects, [[0], [1, 3], list(range(values.shape[1]))], strict=True):
        instead = values.mean((0, 2, 3)) if how == "mean" else torch.zeros(values.shape[1])

        def edit(_site, output, _rows, units=units, instead=instead):
            output = output.clone()
            output[:, units] = instead[units].view(1, -1, 1, 1)
            return output

        with net.look(edits={site: edit}) as look, torch.no_grad():
            logits = look(images).output
        right, before = logits.argmax(1) == data.labels, net(images).argmax(1) == data.labels
        assert one.accuracy.value == pytest.approx(float(right.float().mean()))
        assert one.change.value == pytest.approx(float(right.float().mean() - before.float().mean()))
        losses = [nn.functional.cross_entropy(each, data.labels) for each in (logits, net(images))]
        assert one.loss.value == pytest.approx(float((losses[0] - losses[1]).detach()), abs=1e-5)
        for label in range(5):
            own = data.labels == label
            change = float((right[own].float() - before[own].float()).mean()) if own.any() else 0.0
            assert one.classes[label] == pytest.approx(change, abs=1e-6)


def test_the_front_of_the_net_is_passed_once_for_many_units(net, data):
    ran = []
    handle = net.module.conv1.register_forward_hook(lambda module, args, output: ran.append(len(output)))
    place = site_of(net, data, "conv2")
    branches = Branches(net, data.images(range(2)), place)
    ran.clear()
    with counting() as passes:
        branches.logits(data.images(range(3)), [(unit,) for unit in range(12)], torch.zeros(1, 1, 1, 1))
    handle.remove()
    assert branches.fork == "conv2"
    assert ran == [3]
    assert passes.forward == 36


class Counted(nn.Module):
    """Notes the number of images before the fork, so that no copies can join there; a branch goes around a layer."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)

    def forward(self, images):
        many = len(images)
        maps = self.one(images)
        maps = maps + nn.functional.relu(self.two(maps), inplace=True)
        return self.head(maps.reshape(many, 4, -1).mean(2))


def test_nets_that_bear_no_fork_and_layers_with_a_way_around_give_the_same(photos):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(Counted(), classes=2, size=16)
    data = Dataset.of(photos, [0, 1, 0, 1])
    for site in ("one", "two", "relu"):
        place = site_of(net, data, site)
        branches = Branches(net, data.images(), place)
        assert branches.fork == ""

        def edit(_site, output, _rows):
            return torch.cat([output[:, :1], torch.zeros_like(output[:, 1:2]), output[:, 2:]], 1)

        with net.look(edits={site: edit}) as look, torch.no_grad():
            expected = look(data.images()).output
        found = branches.logits(data.images(), [(1,), (0,)], torch.zeros(1, 1, 1, 1))
        assert torch.allclose(found[0], expected, atol=1e-6)


def test_the_net_is_left_as_found_and_memory_changes_nothing(net, data):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one, two = (ablate(net, data, "conv2", how="resample", memory=memory) for memory in (1 << 30, 60_000))
    assert [each.accuracy for each in one] == [each.accuracy for each in two]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.module.training is False


def test_layers_are_switched_off_as_a_whole(net, data):
    assert [site.name for site in layers_with_weights(net, data)] == ["conv1", "conv2"]
    found = ablate_layers(net, data)
    assert [(one.site, one.units) for one in found] == [("conv1", ()), ("conv2", ())]
    bias = (5 * net.module.head.bias).argmax()
    assert found[1].accuracy.value == pytest.approx(float((data.labels == bias).float().mean()))


def test_units_fall_one_after_the_other_from_all_to_none(net, data):
    table = predict(net, data)
    curves = ablate_one_by_one(net, data, "conv2", points=4, table=table)
    whole = ablate(net, data, "conv2", units=[()], table=table)[0]
    assert [curve.order for curve in curves] == ["harm", "size", "random"]
    for curve in curves:
        assert curve.removed == (0, 3, 6, 9, 12)
        assert curve.accuracy[0].value == pytest.approx(float(table.correct.float().mean()))
        assert curve.accuracy[-1].value == whole.accuracy.value
        assert 0 <= curve.mean <= 1
    assert curves[0].mean <= curves[2].mean


def test_wrong_units_layers_and_ways_are_refused(net, data):
    with pytest.raises(StriateError, match="unit 12"):
        ablate(net, data, "conv2", units=[12])
    with pytest.raises(UnknownNameError, match="conv2"):
        ablate(net, data, "conv3")
    with pytest.raises(StriateError, match="noise"):
        ablate(net, data, "conv2", how="noise")
    with pytest.raises(StriateError, match="no units"):
        ablate(net, data, "conv2", units=[])
