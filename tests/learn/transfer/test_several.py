"""Several heads on one trunk, and distillation: losses and gradients against closed forms, and small runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from oracles import transfer as oracle
from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.learn.transfer.distil import Distilling, soft_loss
from striate.learn.transfer.several import SeveralTasks, head_for, targets_of, weigh
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipe import AdamW, Recipe
from striate.training.task import Classification

RECIPE = Recipe("test", AdamW(rate=3e-3, weight_decay=0.0), epochs=6, batch=25)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_gradient_of_soft_targets_is_the_temperature_times_the_gap(temperature: float) -> None:
    rng = np.random.default_rng(0)
    mine, taught = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    logits = torch.from_numpy(mine).requires_grad_()
    (slope,) = torch.autograd.grad(soft_loss(logits, torch.from_numpy(taught), temperature).sum(), logits)
    expected = temperature * (oracle.softmax(mine / temperature) - oracle.softmax(taught / temperature))
    assert np.allclose(slope.numpy(), expected, atol=1e-12)


def test_at_a_high_temperature_the_gradient_is_the_gap_of_centred_logits() -> None:
    # Hinton et al. 2015, equation 4: (z - v) / (N T^2) for logits of zero mean, here times T^2
    z, v = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    z, v = z - z.mean(1, keepdim=True), v - v.mean(1, keepdim=True)
    given = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad(soft_loss(given, v, 1e4).sum(), given)
    assert torch.allclose(slope, (z - v) / 5, atol=1e-3)


def test_a_taught_student_says_more_nearly_what_its_teacher_says(tmp_path: Path) -> None:
    splits = load_splits("digits")
    few = replace(splits, train=splits.train.limit(200), dev=splits.dev.limit(50))
    teacher = load_net("striate/linear.random", classes=splits.train.classes, size=splits.train.size, channels=1)
    fit(Classification(teacher), few, out=tmp_path / "teacher", recipe=RECIPE)
    teacher.eval()
    said = predict(teacher, few.dev).probabilities
    gaps = []
    for task in (Classification, lambda net: Distilling(net, teacher, share=1.0)):
        net = load_net("striate/mlp.random", classes=splits.train.classes, size=splits.train.size, channels=1)
        fit(task(net), few, out=tmp_path / f"run{len(gaps)}", recipe=RECIPE)
        own = predict(net.eval(), few.dev).probabilities
        gaps.append(float((said * (said / own).log()).sum(1).mean()))
    assert gaps[1] < 0.7 * gaps[0]


def test_learnt_weights_are_those_at_which_the_loss_is_least() -> None:
    losses = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    best = (2 * losses[0]).log()  # where exp(-s) L + s/2 has no slope
    at = weigh(losses, best)
    for moved in (best + 0.1, best - 0.1, best + torch.tensor([0.1, -0.1])):
        assert float(weigh(losses, moved)) > float(at)
    assert torch.allclose(weigh(losses, torch.zeros(2)), losses.sum(1))


@pytest.mark.parametrize("weighing", ["fixed", "uncertainty"])
def test_heads_learn_what_attributes_say(weighing: str, tmp_path: Path) -> None:
    splits = load_splits("shapes")
    few = replace(splits, train=splits.train.limit(100), dev=splits.dev.limit(50))
    targets = targets_of(("label", "bar", "ground"), few.train, few.dev)
    assert [len(each.values) for each in targets] == [10, 2, 5]
    net = head_for(load_net("striate/small.random"), targets)
    task = SeveralTasks(net, targets, weighing=weighing)  # type: ignore[arg-type]
    run = fit(task, few, out=tmp_path / "run", recipe=RECIPE)
    assert run.history[-1].more["train_accuracy_ground"] > run.history[0].more["train_accuracy_ground"]
    moved = task.nets["net"].log_variances.detach().abs().sum()  # type: ignore[union-attr, operator]
    assert (float(moved) > 0) == (weighing == "uncertainty")


def test_bad_tasks_are_refused() -> None:
    data = load_splits("shapes").dev.limit(20)
    with pytest.raises(StriateError, match="no attribute 'mood'"):
        targets_of(("mood",), data)
    with pytest.raises(StriateError, match="not a word"):
        targets_of(("gain",), data)
    targets = targets_of(("label", "bar"), data)
    with pytest.raises(StriateError, match="10 outputs"):
        SeveralTasks(load_net("striate/small.random"), targets)
    with pytest.raises(StriateError, match="2 classes"):
        Distilling(load_net("striate/small.random"), load_net("striate/small.random", classes=2))
    with pytest.raises(StriateError, match="temperature"):
        Distilling(load_net("striate/small.random"), load_net("striate/small.random"), temperature=0.0)


def test_a_student_is_taught_from_the_command_line_and_is_a_net(tmp_path: Path) -> None:
    import striate as st

    few = {"epochs": 1, "limit": 100, "quiet": True}
    st.train("digits", net="striate/linear", out=tmp_path / "teacher", **few)  # type: ignore[arg-type]
    made = st.train("digits", net="striate/mlp", task="distil", teacher=tmp_path / "teacher", temperature=3.0,
                    out=tmp_path / "student", **few)  # type: ignore[arg-type]  # fmt: skip
    assert made.result.about["temperature"] == "3"
    assert load_net(tmp_path / "student").name == "striate/mlp"
    with pytest.raises(StriateError, match="needs --teacher"):
        st.train("digits", task="distil", out=tmp_path / "none", **few)  # type: ignore[arg-type]
    with pytest.raises(StriateError, match="teacher does nothing"):
        st.train("digits", teacher=tmp_path / "teacher", out=tmp_path / "none", **few)  # type: ignore[arg-type]
