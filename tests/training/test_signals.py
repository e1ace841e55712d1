"""What `init-stats` measures, against the chain rule in float64, and what its findings say."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import striate as st
from oracles.training_signals import chain
from striate.core.errors import StriateError, UnknownNameError
from striate.data.dataset import Dataset, Splits
from striate.nets.net import Net
from striate.page.html import render_page
from striate.page.text import render_text
from striate.training.init import initialise
from striate.training.signals.measure import measure_start


def deep(layers=6, width=40, squash=nn.ReLU):
    parts = [nn.Flatten()]
    sizes = [48, *[width] * layers, 5]
    for inward, outward in pairwise(sizes):
        parts += [nn.Linear(inward, outward, bias=False), squash()]
    return Net(nn.Sequential(*parts[:-1]), classes=5, channels=3, size=4)


def probe(count=64):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, 4, 4, generator=generator), torch.randint(0, 5, (count,), generator=generator)


def test_numbers_are_those_of_the_chain_rule():
    net, (images, labels) = deep(), probe()
    initialise(net, "he_normal", seed=1)
    weights = [each.weight.detach().numpy() for each in net.modules() if isinstance(each, nn.Linear)]
    loss, responses, gradients, slopes = chain(weights, images.flatten(1).numpy(), labels.numpy())
    start = measure_start(net, images, labels, init="he_normal")
    assert float(start.loss) == pytest.approx(loss, rel=1e-5)
    layers = [each for each in start.sites if each.response]
    assert len(layers) == len(weights) == 7
    for each, response, gradient, slope in zip(layers, responses, gradients, slopes, strict=True):
        assert float(each.activation.mean) == pytest.approx(response.mean(), rel=1e-4, abs=1e-6)
        assert float(each.activation.std) == pytest.approx(response.std(), rel=1e-5)
        assert float(each.activation.high) == pytest.approx(response.max(), rel=1e-5)
        assert float(each.gradient.std) == pytest.approx(gradient.std(), rel=1e-4)
        assert float(each.gradient.norm) == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
        assert float(each.weight.std) == pytest.approx(slope.std(), rel=1e-4)
        assert sum(each.histogram) == response.size
    assert float(start.forward) == pytest.approx(responses[-2].std() / responses[0].std(), rel=1e-5)
    assert float(start.backward) == pytest.approx(
        np.linalg.norm(gradients[0]) / np.linalg.norm(gradients[-2]), rel=1e-4
    )
    rectified = next(each for each in start.sites if each.op == "relu")
    assert float(rectified.activation.zeros) == pytest.approx((responses[0] <= 0).mean(), abs=1e-6)
    assert float(rectified.dead) == pytest.approx((responses[0] <= 0).all(0).mean(), abs=1e-6)


def test_the_net_is_left_as_it_was_found():
    net = Net(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5)), size=4)
    before, training = net.fingerprint(), [each.training for each in net.modules()]
    start = measure_start(net, *probe(), init="built")
    assert net.fingerprint() == before
    assert [each.training for each in net.modules()] == training
    assert all(each.grad is None and each.requires_grad for each in net.parameters())
    normed = next(each for each in start.sites if each.op == "batch_norm")
    assert float(normed.activation.std) == pytest.approx(1, abs=1e-3)  # the statistics are the batch's


def found(squash, init, layers=20):
    net = deep(layers, squash=squash)
    data = Dataset.of(*probe(), classes=list("abcde"), split="train")
    splits = Splits(data, data, data, "made here")
    return {each.check: each for each in st.init_stats(net, splits, init=init, quiet=True).findings}


def test_findings_name_what_vanishes_explodes_and_stays_alike():
    assert not {"signal_forward", "signal_backward"} & set(found(nn.ReLU, "he_normal"))
    small = found(nn.ReLU, "normal_01")["signal_forward"]
    assert "vanish" in small.seen
    assert small.severity == "error"
    assert "he_normal" in small.mend
    assert "explode" in found(nn.ReLU, "sparse")["signal_forward"].seen
    assert found(nn.ReLU, "sparse")["loss_at_start"].severity == "error"
    assert set(found(nn.ReLU, "constant")) == {"symmetric_units"}
    assert "saturated_units" in found(nn.Tanh, "sparse")


def test_zeros_start_at_the_loss_of_knowing_nothing():
    report = st.init_stats("striate/mlp", "digits", init="zeros,he_normal", limit=40, quiet=True)
    assert float(report.result.starts[0].loss) == pytest.approx(math.log(10), abs=1e-6)
    text, page = render_text(report), render_page(report)
    assert "ln 10" in text
    assert max(map(len, text.splitlines())) <= 100
    for part in ("signal", "spread", "sites", "method"):
        assert f'<section id="{part}"' in page


def test_a_name_starts_as_training_starts_it(tmp_path):
    from dataclasses import replace

    from striate.training.prepare import build_task
    from striate.training.recipes import QUICK

    splits = st.load_splits("digits")
    task = build_task("striate/lenet5", splits, recipe=replace(QUICK, init="he_uniform"), seed=3)
    rows = torch.arange(20)
    images, labels = splits.train.images(rows), splits.train.labels[rows]
    built = build_task("striate/lenet5", splits, recipe=QUICK, seed=3).nets["net"]
    initialise(built, "he_uniform", seed=3)
    ours, theirs = (measure_start(each, images, labels, init="a") for each in (built, task.nets["net"]))
    assert ours == theirs


def test_an_unknown_scheme_and_none_are_told():
    with pytest.raises(UnknownNameError, match="he_normal"):
        st.init_stats("striate/mlp", "digits", init="he_norml", quiet=True)
    with pytest.raises(StriateError, match="no scheme"):
        st.init_stats("striate/mlp", "digits", init="", quiet=True)
