"""Where captum and zennit are right, maps by rules are theirs (values written by benchmarks/expected_rules.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from oracles.peers_net import TARGETS, fixed_images, sequential
from striate.inside.attribution import METHODS
from striate.nets.net import Net

EXPECTED = json.loads((Path(__file__).parents[1] / "expected" / "rules.json").read_text(encoding="utf-8"))
CASES = {
    ("captum", "guided_backprop"): {},
    ("captum", "deconvnet"): {},
    ("captum", "deep_lift"): {"baseline": 0.5},
    ("zennit", "lrp_epsilon"): {"epsilon": 0.0},
    ("zennit", "lrp_gamma"): {"gamma": 0.25},
    ("zennit", "lrp_z_plus"): {"biases": "absorb"},
    ("zennit", "lrp_z_plus share"): {},
    ("zennit", "lrp_epsilon share"): {"epsilon": 0.0, "biases": "share"},
    ("zennit", "lrp_alpha_beta"): {},
    ("zennit", "lrp box"): {"epsilon": 0.0, "gamma": 0.25, "biases": "absorb"},
    ("zennit", "lrp flat"): {"epsilon": 0.0, "first": "flat", "gamma": 0.25, "biases": "absorb"},
}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_maps_by_rules_are_those_of_the_peer(case):
    peer, name = case
    pool = torch.nn.AvgPool2d(2) if name == "deep_lift" else None
    net = Net(sequential(pool)[1:], mean=0.5, std=0.25, size=16, channels=3)
    maps = METHODS.load(name.split()[0])(net, fixed_images()[:1], torch.tensor(TARGETS[:1]), **CASES[case])
    right = torch.tensor(EXPECTED[peer][name]).view(maps.values.shape)
    assert (maps.values - right).abs().max() <= 2e-5 * right.abs().max()
    assert all(check.holds for check in maps.checks)
