"""Sanity: random weights change maps that show the net, and leave alone those that show the image."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.errors import StriateError
from striate.inside.attribution import METHODS
from striate.inside.attribution.maps import Maps
from striate.inside.explain import explain
from striate.inside.faithfulness.controls import edge_maps
from striate.inside.findings import explanation_findings
from striate.inside.sanity import cascade, layers_with_weights, randomised
from striate.nets.net import Net

TARGETS = torch.tensor([0, 3, 1, 4])


def test_layers_are_those_with_weights_in_the_order_in_which_they_run(net):
    assert layers_with_weights(net, (16, 16)) == ("conv1", "norm", "conv2", "head")


def test_weights_are_shuffled_on_a_copy_layer_by_layer(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    other = randomised(net, ("conv2", "head"), seed=3)
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    for name, value in other.state_dict().items():
        moved = name.startswith(("module.conv2", "module.head"))
        assert value.equal(before[name]) != moved, name
        assert value.flatten().sort().values.equal(before[name].flatten().sort().values)
    assert randomised(net, ("head",), seed=3).module.head.weight.equal(other.module.head.weight)
    assert not randomised(net, ("head",), seed=4).module.head.weight.equal(other.module.head.weight)


def edges(_net, images, _targets):
    return Maps(edge_maps(images), "edges", False, ())


def test_a_method_that_shows_the_image_fails_and_the_gradient_does_not(net, photos):
    makers = {"gradient": METHODS.load("gradient"), "blind": edges}
    originals = {name: maker(net, photos, TARGETS) for name, maker in makers.items()}
    state = torch.get_rng_state()
    rows = cascade(net, photos, TARGETS, makers, originals=originals)
    assert torch.get_rng_state().equal(state)
    assert [(row.method, row.holds) for row in rows] == [("gradient", True), ("blind", False), ("edge", False)]
    for row in rows:
        assert row.depths == (0.25, 0.5, 0.75, 1.0)
        assert len(row.spearman) == len(row.ssim) == 4
    assert all(number.value == pytest.approx(1) for row in rows[1:] for number in (*row.spearman, *row.ssim))
    assert rows == cascade(net, photos, TARGETS, makers, originals=originals)


def test_explain_carries_it_and_gives_notice(net, photos):
    result, _, _ = explain(net, photos, list("abcd"), methods=["gradient"], sanity=True)
    assert [row.method for row in result.sanity] == ["gradient", "edge"]
    assert explanation_findings(result, net="small") == ()  # that the control fails is as it should be


def test_a_net_without_weights_and_depths_that_are_no_shares_are_refused(net, photos):
    with pytest.raises(StriateError, match="no weights"):
        layers_with_weights(Net(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels=3, classes=3), (8, 8))
    with pytest.raises(StriateError, match="shares of the layers"):
        cascade(net, photos, TARGETS, {}, originals={}, depths=(2.0,))
