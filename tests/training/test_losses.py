from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from oracles.train_rules import loss_of, smoothed_cross_entropy
from striate.core.errors import StriateError, UnknownNameError
from striate.training.catalog import LOSSES
from striate.training.losses import Loss, balanced_weights, cross_entropy, expected_at_start
from striate.training.recipe import Augment, Lbfgs, Recipe, Sgd
from striate.training.request import load_loss

LOGITS = [[0.5, -1.0, 2.0, 0.0], [3.0, 3.0, -2.0, 1.0], [-4.0, 0.1, 0.2, 0.3]]


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.5])
def test_cross_entropy_is_the_sum_over_the_smoothed_target(smoothing):
    labels = [2, 3, 0]
    losses = cross_entropy(torch.tensor(LOGITS, dtype=torch.float64), torch.tensor(labels), smoothing=smoothing)
    expected = [smoothed_cross_entropy(row, label, smoothing) for row, label in zip(LOGITS, labels, strict=True)]
    assert losses.tolist() == pytest.approx(expected, rel=1e-12)


def test_each_image_has_its_own_loss():
    logits, labels = torch.tensor(LOGITS, dtype=torch.float64), torch.tensor([2, 3, 0])
    alone = cross_entropy(logits[1:2], labels[1:2], smoothing=0.1)
    assert cross_entropy(logits, labels, smoothing=0.1)[1].item() == pytest.approx(alone.item(), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("numbers", [{}, {"margin": 0.5}, {"gamma": 0.5, "alpha": 0.25}])
def test_every_loss_is_its_papers_term_by_term(name, numbers):
    taken = {"margin": ("hinge", "squared_hinge"), "gamma": ("focal",), "alpha": ("focal",)}
    if any(name not in taken[key] for key in numbers):
        return
    labels = [2, 3, 0]
    found = Loss(name, numbers)(torch.tensor(LOGITS, dtype=torch.float64), torch.tensor(labels))
    expected = [loss_of(name, row, label, **numbers) for row, label in zip(LOGITS, labels, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_every_loss_are_its_differences(name):
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Loss(name)(x, torch.tensor([2, 3, 0])), logits)


def test_focal_without_its_exponent_is_cross_entropy_and_shares_are_taken_where_said():
    logits, labels = torch.tensor(LOGITS, dtype=torch.float64), torch.tensor([2, 3, 0])
    assert torch.allclose(Loss("focal", {"gamma": 0.0})(logits, labels), cross_entropy(logits, labels))
    shares = torch.nn.functional.one_hot(labels, 4).double()
    for name in ("cross_entropy", "squared_error"):
        assert torch.allclose(Loss(name)(logits, shares, smoothing=0.1), Loss(name)(logits, labels, smoothing=0.1))


def test_the_loss_at_the_start_is_that_of_equal_logits():
    expected = {
        "cross_entropy": math.log(10), "hinge": 9.0, "squared_hinge": 9.0, "squared_error": 1.0,
        "focal": 0.81 * math.log(10),
    }  # fmt: skip
    assert {name: expected_at_start(Loss(name), 10) for name in LOSSES} == pytest.approx(expected)


def test_balanced_weights_make_every_class_weigh_alike():
    counts = torch.tensor([60, 30, 10])
    weights = balanced_weights(counts)
    assert (weights * counts).tolist() == pytest.approx([100 / 3] * 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Loss("focal", {"gamma": -1.0}), "gamma of loss focal is -1"),
        (lambda: Loss("hinge", {"gamma": 1.0}), "does not take"),
        (lambda: load_loss("focal+gamma=x"), "numbers"),
        (lambda: replace(PLAIN, loss=Loss("hinge"), label_smoothing=0.1), "label smoothing 0.1 with the loss hinge"),
        (lambda: replace(PLAIN, loss=Loss("focal"), augment=Augment(mixer="mixup")), "mixup mixes labels.*focal"),
        (lambda: replace(PLAIN, optimizer=Lbfgs(), l1=0.1), "l1 with the optimizer lbfgs"),
        (lambda: replace(PLAIN, optimizer=Lbfgs(), accumulate=2), "accumulate with the optimizer lbfgs"),
    ],
)
def test_parts_that_do_not_go_together_are_both_named(make, words):
    with pytest.raises(StriateError, match=words):
        make()


def test_an_unknown_loss_gives_the_nearest():
    with pytest.raises(UnknownNameError, match="hinge"):
        Loss("hingr")


PLAIN = Recipe("plain", Sgd(0.1))
