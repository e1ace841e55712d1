"""Figures on units and layers: the variants' weights by hand, and what is missing is said."""

from __future__ import annotations

import pytest

from striate.core.errors import StriateError
from striate.figures.inner import REMOVED, parameters_without, small_alexnet, unit_labels
from striate.inside.ablation.without import without


def test_the_variants_of_the_small_alexnet_have_the_weights_counted_by_hand():
    net = small_alexnet()
    counted = [sum(each.numel() for each in net.module.parameters())]
    counted += [sum(each.numel() for each in without(net, removed)[0].module.parameters()) for removed in REMOVED]
    assert counted == [parameters_without(*removed) for removed in ((), *REMOVED)]
    # by hand: conv 416 + 4,640 + 13,872 + 20,784 + 13,856; linear 36,992 + 16,512 + 1,290
    assert counted[0] == 108_362


def test_street_scenes_that_are_not_here_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("STRIATE_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StriateError, match="STRIATE_DATA"):
        unit_labels()
