"""Layers removed: parameters as counted by hand, what is left joined, one training each, the net left alone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError, UnknownNameError
from striate.core.number import Number
from striate.data.load import load_splits
from striate.inside.ablation.findings import ablation_findings
from striate.inside.ablation.payload import Ablation, Effect
from striate.inside.ablation.removal import parse_removals, retrain_without
from striate.inside.ablation.without import without
from striate.nets.net import Net
from striate.training.catalog import RECIPES


def alex(size=8):
    """A small AlexNet: five convolutions, three linear layers."""
    side = size // 4
    parts = {
        "conv1": nn.Conv2d(3, 8, 3, padding=1), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(8, 12, 3, padding=1), "norm2": nn.BatchNorm2d(12), "relu2": nn.ReLU(),
        "pool2": nn.MaxPool2d(2),
        "conv3": nn.Conv2d(12, 16, 3, padding=1), "relu3": nn.ReLU(),
        "conv4": nn.Conv2d(16, 16, 3, padding=1), "relu4": nn.ReLU(),
        "conv5": nn.Conv2d(16, 10, 3, padding=1), "relu5": nn.ReLU(),
        "flat": nn.Flatten(), "fc6": nn.Linear(10 * side * side, 20), "relu6": nn.ReLU(), "drop6": nn.Dropout(),
        "fc7": nn.Linear(20, 24), "relu7": nn.ReLU(), "fc8": nn.Linear(24, 10),
    }  # fmt: skip
    return Net(nn.Sequential(OrderedDict(parts)), classes=10, size=size, name="alex")


def conv(before, after):
    return 9 * before * after + after


def linear(before, after):
    return before * after + after


WHOLE = {
    "conv1": conv(3, 8), "conv2": conv(8, 12), "norm2": 24, "conv3": conv(12, 16), "conv4": conv(16, 16),
    "conv5": conv(16, 10), "fc6": linear(40, 20), "fc7": linear(20, 24), "fc8": linear(24, 10),
}  # fmt: skip


@pytest.mark.parametrize(
    ("removed", "changed", "adapted"),
    [
        (["fc7"], {"fc8": linear(20, 10)}, ("fc8",)),
        (["fc6", "fc7"], {"fc8": linear(40, 10)}, ("fc8",)),
        (["conv3", "conv4"], {"conv5": conv(12, 10)}, ("conv5",)),
        (["conv3", "conv4", "fc6", "fc7"], {"conv5": conv(12, 10), "fc8": linear(40, 10)}, ("conv5", "fc8")),
        (["conv4"], {}, ()),
        (["conv2"], {"norm2": 0, "conv3": conv(8, 16)}, ("conv3",)),
    ],
)
def test_the_parameters_of_variants_are_those_counted_by_hand(removed, changed, adapted):
    net = alex()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    variant, rebuilt = without(net, removed)
    counts = {**WHOLE, **changed, **dict.fromkeys(removed, 0)}
    assert sum(each.numel() for each in variant.module.parameters()) == sum(counts.values())
    assert rebuilt == adapted
    assert variant(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(variant.module.conv1.weight, net.module.conv1.weight)


def test_rebuilt_layers_are_drawn_by_the_seed():
    one, same, other = (without(alex(), ["fc7"], seed=seed)[0].module.fc8.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


class Around(nn.Module):
    """A layer with a way around it, which has other channels."""

    def __init__(self):
        super().__init__()
        self.stem, self.wide, self.way = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        maps = self.stem(images)
        return self.head((self.wide(maps) + self.way(maps)).mean((2, 3)))


def test_what_cannot_be_joined_and_unknown_layers_are_refused():
    net = Net(Around(), classes=2, size=8)
    with pytest.raises(StriateError, match="cannot be joined"):
        without(net, ["wide"])
    with pytest.raises(UnknownNameError, match="fc7"):
        without(alex(), ["fc9"])
    with pytest.raises(StriateError, match="last layer must stay"):
        without(alex(), ["fc8"])
    grouped = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(StriateError, match="4 groups"):
        without(Net(grouped, classes=2, size=8), ["0"])


def test_variants_are_trained_alike_and_their_errors_compared(tmp_path):
    splits = load_splits("shapes")
    splits = replace(splits, train=splits.train.limit(60), dev=splits.dev.limit(20), test=splits.test.limit(30))
    recipe = replace(RECIPES.load("quick"), epochs=1, batch=20)
    how = {"recipe": recipe, "runs": tmp_path / "runs"}
    result = retrain_without(alex(32), splits, parse_removals("fc7; conv3, conv4"), **how)
    assert [row.removed for row in result.variants] == [(), ("fc7",), ("conv3", "conv4")]
    assert result.variants[0].change.value == 0
    for row in result.variants:
        assert row.test.n == 30
        assert row.train.n == 60
        assert row.change.value == pytest.approx(row.test.value - result.variants[0].test.value)
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == [
        "whole",
        "without-conv3-conv4",
        "without-fc7",
    ]


def test_text_names_variants_and_their_layers():
    assert parse_removals(" fc7 ;fc6,fc7;") == (("fc7",), ("fc6", "fc7"))
    with pytest.raises(StriateError, match="remove is"):
        parse_removals(" ; ")


def test_a_unit_that_a_class_hangs_on_and_idle_units_are_told():
    def effect(unit, change, classes, loss):
        return Effect("conv", (unit,), "zero", Number(0.5), Number(change, n=40), classes, Number(loss))

    effects = (effect(0, -0.3, (0.0, -0.8), 0.5), effect(1, 0.0, (0.0, 0.0), 0.0), effect(2, -0.1, (-0.2, 0.0), 0.2))
    result = Ablation("conv", 40, "zero", Number(0.9), ("cat", "dog"), (20, 20), effects)
    lost, idle = ablation_findings(result, net="a net")
    assert (lost.id, lost.severity) == ("carries/conv/0", "warning")
    assert "80 points of the recall of dog" in lost.seen
    assert idle.id == "idle/conv"
    assert "1 of 3 units" in idle.seen
