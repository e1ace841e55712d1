"""Modes, gradients, which data were measured, and outcomes: on models made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import striate
from doctor.test_splits import pictures
from striate.core.finding import Finding
from striate.doctor.checks.evaluation import two_faced

TRAIN, TEST = pictures(320, 0), pictures(160, 1)
Loop = Callable[[nn.Module, Callable[[Any], None], Callable[[Any], None]], None]


def net(*, norm: bool = True, drop: float = 0.0) -> nn.Module:
    """A small net of 12 x 12 pixels to 4 classes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(144, 32), nn.BatchNorm1d(32) if norm else nn.Identity(), nn.ReLU(), nn.Dropout(drop),
        nn.Linear(32, 4),
    )  # fmt: skip


def seen(
    loop: Loop,
    model: nn.Module | None = None,
    train: Any = TRAIN,
    test: Any = TEST,
    *,
    grad: bool = False,
    told: Any = None,
) -> dict[str, Finding]:
    """What is found when ``loop(model, fit, measure)`` runs; ``fit`` and ``measure`` go once through a split."""
    model = net() if model is None else model
    optimizer, loss_fn = torch.optim.Adam(model.parameters(), lr=0.003), nn.CrossEntropyLoss()

    def fit(split: tuple[Tensor, Tensor]) -> None:
        order = torch.randperm(len(split[0]))
        for rows in order.split(32):
            optimizer.zero_grad()
            loss_fn(model(split[0][rows]), split[1][rows]).backward()
            optimizer.step()

    def measure(split: tuple[Tensor, Tensor]) -> None:
        with torch.set_grad_enabled(grad):
            for rows in torch.arange(len(split[0])).split(64):
                model(split[0][rows])

    given = {"train": train, "test": test} if told is None else told
    with striate.watch(model, optimizer, loss_fn, **given, quiet=True) as doctor:
        loop(model, fit, measure)
    assert not [each for each in doctor.result.checks_run if each.state == "failed"]
    assert not doctor.faults
    return {finding.check: finding for _, finding in doctor._checked.flat()}


def healthy(model: nn.Module, fit: Any, measure: Any, epochs: int = 6) -> None:
    """Epochs with a test after each."""
    for _ in range(epochs):
        model.train()
        fit(TRAIN)
        model.eval()
        measure(TEST)


MINE = (
    "evaluated-in-train-mode", "trained-in-eval-mode", "evaluated-with-gradients", "trained-on-test", "metric-on-train",
    "predictions-collapsed", "train-eval-gap", "memorisation", "overfitting", "underfitting", "too-good",
)  # fmt: skip


def test_a_healthy_loop_is_silent() -> None:
    for model in (net(), net(drop=0.2), net(norm=False)):
        assert not set(seen(healthy, model)) & set(MINE)


def test_a_test_in_training_mode_is_found_where_layers_have_two() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        for _ in range(3):
            fit(TRAIN)
            measure(TEST)

    assert seen(loop)["evaluated-in-train-mode"].severity == "error"
    assert "1 dropout" in seen(loop, net(norm=False, drop=0.5))["evaluated-in-train-mode"].seen
    assert "evaluated-in-train-mode" not in seen(loop, net(norm=False))
    assert "evaluated-in-train-mode" in seen(loop, told={"train": TRAIN})


def test_statistics_that_are_measured_anew_are_no_test() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        healthy(model, fit, measure)
        model.train()
        fit(TRAIN)
        measure(TRAIN)

    assert "evaluated-in-train-mode" not in seen(loop)
    assert "evaluated-in-train-mode" not in seen(loop, told={"train": TRAIN})


def test_scores_of_each_step_in_training_mode_are_no_test() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        for low in range(0, 320, 32):
            measure((TRAIN[0][low : low + 32], TRAIN[1][low : low + 32]))
            fit((TRAIN[0][low : low + 32], TRAIN[1][low : low + 32]))

    for told in (None, {"train": TRAIN}):
        found = seen(loop, told=told)
        assert "evaluated-in-train-mode" not in found
        assert "metric-on-train" not in found


def test_training_in_eval_mode_is_found_from_the_epoch_on_where_it_begins() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        model.train()
        for _ in range(3):
            fit(TRAIN)
            model.eval()
            measure(TEST)

    found = seen(loop)["trained-in-eval-mode"]
    assert "step 10" in found.seen
    number = found.evidence[0].number
    assert number is not None
    assert number.value == pytest.approx(2 / 3)
    assert seen(loop, net(norm=False, drop=0.3))["trained-in-eval-mode"].severity == "warning"
    assert "trained-in-eval-mode" not in seen(loop, net(norm=False))


def test_norms_that_stay_frozen_while_the_model_trains_are_no_fault() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        for _ in range(3):
            model.train()
            model[2].eval()  # type: ignore[index, operator]
            fit(TRAIN)
            model.eval()
            measure(TEST)

    assert "trained-in-eval-mode" not in seen(loop)


def test_a_test_with_gradients_is_a_note() -> None:
    assert seen(healthy, grad=True)["evaluated-with-gradients"].severity == "note"


def test_a_test_over_training_data_is_found_unless_test_data_are_measured_too() -> None:
    def wrong(model: nn.Module, fit: Any, measure: Any) -> None:
        for _ in range(3):
            model.train()
            fit(TRAIN)
            model.eval()
            measure(TRAIN)

    def both(model: nn.Module, fit: Any, measure: Any) -> None:
        wrong(model, fit, lambda split: (measure(TRAIN), measure(TEST)))

    def other(model: nn.Module, fit: Any, measure: Any) -> None:
        held = pictures(100, 7)
        wrong(model, fit, lambda split: measure(held))

    assert "metric-on-train" in seen(wrong)
    assert "metric-on-train" not in seen(both)
    assert "metric-on-train" not in seen(other)


def test_training_on_test_samples_is_found() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        for _ in range(4):
            model.train()
            fit(TEST)
            model.eval()
            measure(TRAIN)

    assert "trained-on-test" in seen(loop)


def test_statistics_of_other_inputs_show_as_a_gap_between_the_modes() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        healthy(model, fit, measure)
        model.train()
        for _ in range(40):
            measure((TRAIN[0] * 50 + 300, TRAIN[1]))
        model.eval()

    found = seen(loop)["train-eval-gap"]
    number = found.evidence[0].number
    assert number is not None
    assert float(number) > 0.3


def test_one_class_for_all_is_a_collapse() -> None:
    model = net(norm=False)
    with torch.no_grad():
        model[5].bias[2] = 1e4  # type: ignore[index, union-attr, operator]

    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        healthy(model, fit, measure)

    assert "class 2" in seen(loop, model)["predictions-collapsed"].seen


def test_labels_that_say_nothing_end_in_memorisation_and_overfitting_leads_nowhere_else() -> None:
    numbers = torch.Generator().manual_seed(3)
    train = (TRAIN[0][:96], torch.randint(4, (96,), generator=numbers))
    test = (TEST[0], torch.randint(4, (160,), generator=numbers))

    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        for _ in range(60):
            model.train()
            fit(train)
            model.eval()
            measure(test)

    found = seen(loop, train=train, test=test)
    assert {"memorisation", "overfitting"} <= set(found)
    assert "no weight decay, no dropout, no augmentation" in found["overfitting"].seen


def test_a_model_that_learns_less_than_neighbours_know_is_named() -> None:
    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        healthy(model, fit, measure, epochs=8)

    poor = nn.Sequential(nn.Flatten(), nn.Linear(144, 1), nn.Tanh(), nn.Linear(1, 4))
    with torch.no_grad():
        poor[1].weight.mul_(0.01)  # type: ignore[union-attr, operator]
    for each in poor[1].parameters():
        each.requires_grad_(False)
    found = seen(loop, poor)
    assert "underfitting" in found
    assert "underfitting" not in seen(loop)


def test_few_test_images_are_noted_with_the_width_of_the_interval() -> None:
    few = (TEST[0][:60], TEST[1][:60])

    def loop(model: nn.Module, fit: Any, measure: Any) -> None:
        for _ in range(6):
            model.train()
            model[4].p = 0.0  # type: ignore[index]
            fit((TRAIN[0], TRAIN[1].roll(1)))
            model.eval()
            measure(few)

    note = seen(loop, test=few)["evaluation-noise"]
    number = note.evidence[0].number
    assert note.severity == "note"
    assert number is not None
    assert number.n == 60


def test_layers_of_two_modes_are_counted() -> None:
    plain = nn.BatchNorm2d(3, track_running_stats=False)
    assert two_faced(nn.Sequential(nn.BatchNorm2d(3), plain, nn.Dropout(0.0), nn.Dropout2d(0.1))) == (1, 1)
