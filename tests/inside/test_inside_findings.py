"""Maps that fail their check are given notice of, and only those."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from striate.core.number import Number
from striate.inside.explain import explain
from striate.inside.findings import explanation_findings
from striate.inside.payload import Explanation, MeasureMean, MethodSummary
from striate.nets.net import Net


class Restless(nn.Module):
    """Draws noise in every pass."""

    def __init__(self):
        super().__init__()
        self.linear, self.generator = nn.Linear(3, 2), torch.Generator().manual_seed(0)

    def forward(self, images):
        means = images.mean((2, 3))
        return self.linear(means + torch.randn(means.shape, generator=self.generator))


def test_a_sound_net_gives_none(net, photos):
    result, _, _ = explain(net, photos, list("abcd"), methods=["gradient", "grad_cam", "occlusion"])
    assert explanation_findings(result, net="small") == ()


def test_a_net_that_draws_noise_is_named_once_a_method(photos):
    result, album, _ = explain(Net(Restless(), channels=3), photos, list("abcd"), methods=["gradient", "occlusion"])
    findings = explanation_findings(result, net="restless")
    assert [finding.id for finding in findings] == ["map-check/gradient", "map-check/occlusion"]
    assert "of 4 gradient maps" in findings[0].seen
    assert findings[0].evidence[0].picture in album
    assert findings[0].evidence[0].number.value > 0.02
    assert "kink" in findings[0].mend  # flat photographs make sound nets fail: they are not called random outright


def test_a_path_too_short_asks_for_more_points_and_too_few_draws_for_more_samples(net, photos):
    methods = ["integrated_gradients", "rise", "extremal_perturbation", "grad_cam", "deconvnet", "lrp"]
    result, _, _ = explain(net, photos[:1], ["a"], methods=methods, steps=12, samples=8)
    failed = tuple(replace(row, check=replace(row.check, holds=False)) for row in result.maps)
    found = {each.id.partition("/")[2]: each.mend for each in explanation_findings(Explanation(failed), net="small")}
    assert "more steps first: --steps 48." in found["integrated_gradients"]
    assert "more steps first: --steps 48." in found["extremal_perturbation"]
    assert "more samples first: --samples 32." in found["rise"]
    assert "kink" in found["grad_cam"]
    assert "no signal" in found["deconvnet"]
    assert "relevance" in found["lrp"]
    assert not any("kink" in found[name] for name in methods[:3])


def test_a_method_that_is_clearly_worse_than_noise_is_warned_of_and_one_that_is_not_better_than_edges_noted():
    def summary(method, random, edge):
        mean = MeasureMean("deletion", Number(0.2), random, edge, Number(0.1, n=9), False)
        return MethodSummary(method, (mean,), Number(1.0, n=9), 9, 9, 8)

    gains = Number(0.2, 0.1, 0.3, 9), Number(-0.2, -0.3, -0.1, 9), Number(-0.1, -0.3, 0.1, 9)
    made = [("good", 0, 0), ("noisy", 1, 0), ("edgy", 0, 1), ("unsure", 2, 2)]
    explanation = Explanation((), tuple(summary(name, gains[a], gains[b]) for name, a, b in made))
    found = {each.id: (each.severity, each.sure) for each in explanation_findings(explanation, net="net")}
    assert found == {
        "map-faithfulness/noisy/random": ("warning", 0.975),
        "map-faithfulness/edgy/edge": ("note", 0.975),
        "map-faithfulness/unsure/random": ("note", 0.6),
    }
