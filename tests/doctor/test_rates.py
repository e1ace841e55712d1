from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import striate
from doctor.tiny import Loop, names, points, seen
from striate.doctor.case import Case
from striate.doctor.course import begun, ended, moved, ratio, steps_an_epoch
from striate.doctor.registry import all_checks
from striate.doctor.setup import Setup
from striate.doctor.trace import Probe, Step, Trace

SGD, ADAM = torch.optim.SGD, torch.optim.AdamW


def of_losses(losses: list[float], rate: float = 0.1, changes: float = 0.001, **told: Any) -> Case:
    """A finished case whose losses were these."""
    model = nn.Linear(4, 3)
    steps = [Step(n, loss, (rate,), 16, 1, True, False, 0.1 * n) for n, loss in enumerate(losses)]
    probes = [
        Probe(n, before=1.0, after=1.0, weights={"weight": 1.0}, updates={"weight": changes})
        for n in range(len(losses))
    ]
    return Case(Setup(model, SGD(model.parameters(), lr=rate), **told), Trace(steps, probes), finished=True)


def looked(case: Case, name: str) -> list[Any]:
    one = next(each for each in all_checks() if each.name == name)
    return [] if any(case.lacks(need) for need in one.needs) else list(one.look(case, one.limits))


def falling(count: int, low: float = 0.1) -> list[float]:
    return [low + 2 * math.exp(-5 * n / count) for n in range(count)]


def test_the_course_of_a_run_in_numbers() -> None:
    losses = [5.0, 3.0, 4.0, *[2.0] * 30, 1.0, 1.0, 9.0, 1.0, 1.0]
    assert begun(losses) == 4.0
    assert ended(losses) == 1.0
    doctor = Loop(make=lambda p: SGD(p, lr=0.25), steps=1).run()
    case = doctor.case
    (probe,) = case.trace.probes
    assert ratio(case) == pytest.approx(0.25 * probe.gradients["weight"] / probe.weights["weight"], rel=1e-5)
    far = math.hypot(*probe.updates.values()) / math.hypot(*probe.weights.values())
    assert moved(case) == pytest.approx(far, rel=1e-5)
    assert steps_an_epoch(case) == 16


@pytest.mark.parametrize("make", [
    lambda p: SGD(p, lr=0.1), lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True),
    lambda p: ADAM(p, lr=0.01, weight_decay=0.1), lambda p: torch.optim.RMSprop(p, lr=0.01),
    lambda p: torch.optim.Adagrad(p, lr=0.1), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.9)),
])  # fmt: skip
def test_usual_optimizers_are_silent(make: Any) -> None:
    assert not names(Loop(make=make, steps=96).run())


@pytest.mark.parametrize("schedule", [
    lambda o: lr_scheduler.CosineAnnealingLR(o, 96), lambda o: lr_scheduler.OneCycleLR(o, 0.2, total_steps=97),
    lambda o: lr_scheduler.StepLR(o, 40, 0.1), lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 32),
    lambda o: lr_scheduler.LinearLR(o, 0.01, 1.0, 20), lambda o: lr_scheduler.ExponentialLR(o, 0.95),
])  # fmt: skip
def test_usual_schedules_are_silent(schedule: Any) -> None:
    assert not names(Loop(schedule=schedule, steps=96).run())


def test_a_rate_that_blows_the_loss_up_is_named_and_divergence_folded_under_it() -> None:
    case = of_losses([2.0, 3.0, 9.0, 50.0, 400.0, math.nan] + [math.nan] * 10, changes=0.9)
    (found,) = looked(case, "rate-too-high")
    assert found.evidence[0].number.value == pytest.approx(0.9)
    assert looked(case, "diverged")[0].evidence[0].number.value == 5
    assert not looked(of_losses([2.0, 3.0, 9.0, 50.0], changes=0.001), "rate-too-high")  # the loss alone says nothing
    assert not looked(of_losses(falling(64), changes=0.15), "rate-too-high")  # nor do large steps that help
    hot = Loop(make=lambda p: SGD(p, lr=300.0), steps=40).run()
    assert names(hot) == ["rate-too-high"]


def test_a_rate_that_moves_nothing_is_named_and_a_short_or_pretrained_run_is_not() -> None:
    cold = lambda p: SGD(p, lr=1e-6)  # noqa: E731
    doctor = Loop(make=cold, steps=60).run()
    assert names(doctor) == ["rate-too-low"]
    assert seen(doctor, "rate-too-low").evidence[0].number.value < 1e-4
    assert not names(Loop(make=cold, steps=20).run())
    assert not names(Loop(make=cold, steps=60, pretrained=True).run())
    trained = Loop(steps=200)
    trained.run()
    assert not names(Loop(model=trained.model, make=cold, steps=60).run())


def test_an_epochs_schedule_stepped_each_batch_is_found_and_stepped_each_epoch_is_not() -> None:
    decay = lambda o: lr_scheduler.StepLR(o, 3, 0.1)  # noqa: E731
    doctor = Loop(schedule=decay, steps=64).run()
    assert names(doctor)[0] == "scheduler-each-step"
    assert seen(doctor, "scheduler-each-step").evidence[0].number.value == pytest.approx(3 / 16)
    assert not names(Loop(schedule=decay, scheduled=16, steps=64).run())


def test_a_rate_near_zero_for_most_of_the_run_is_found_and_at_its_end_is_not() -> None:
    early = Loop(schedule=lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.3**step), steps=64).run()
    assert "rate-collapsed" in names(early)
    assert seen(early, "rate-collapsed").evidence[0].number.value == pytest.approx(58 / 64)
    late = Loop(schedule=lambda o: lr_scheduler.LambdaLR(o, lambda step: float(step < 50)), steps=64).run()
    assert "rate-collapsed" not in names(late)


def test_a_schedule_that_nobody_steps_is_found_after_two_epochs() -> None:
    cosine = lambda o: lr_scheduler.CosineAnnealingLR(o, 64)  # noqa: E731
    assert names(Loop(schedule=cosine, scheduled=0, steps=40).run()) == ["scheduler-never-stepped"]
    assert not names(Loop(schedule=cosine, scheduled=0, steps=15).run())


def test_a_one_cycle_stepped_each_epoch_is_found() -> None:
    cycle = lambda o: lr_scheduler.OneCycleLR(o, 0.2, total_steps=97)  # noqa: E731
    assert names(Loop(schedule=cycle, scheduled=16, steps=96).run())[0] == "scheduler-each-epoch"
    epochs = lambda o: lr_scheduler.OneCycleLR(o, 0.2, total_steps=7)  # noqa: E731
    assert not names(Loop(schedule=epochs, scheduled=16, steps=96).run())


def test_a_warm_up_that_never_ends_is_a_warning_only_where_nothing_is_learnt() -> None:
    endless = lambda o: lr_scheduler.LambdaLR(o, lambda step: (step + 1) / 1e7)  # noqa: E731
    assert names(Loop(schedule=endless, steps=64).run()) == ["warm-up-endless"]
    long = lambda o: lr_scheduler.LambdaLR(o, lambda step: (step + 1) / 128)  # noqa: E731
    doctor = Loop(schedule=long, steps=64).run()
    assert not names(doctor)
    assert seen(doctor, "warm-up-endless").severity == "note"


def test_weight_decay_is_found_by_its_half_life_and_by_its_pull() -> None:
    doctor = Loop(make=lambda p: ADAM(p, lr=0.01, weight_decay=5.0)).run()
    assert seen(doctor, "weight-decay-too-large").evidence[0].number.value == pytest.approx(0.05)
    assert names(Loop(make=lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1)).run()) == [
        "weight-decay-too-large"
    ]
    doctor = Loop(make=lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=2.0)).run()
    start = doctor.case.start
    weights = math.hypot(*(float(each.detach().norm()) for each in start.parameters.values()))
    gradient = math.hypot(*(float(each.norm()) for each in start.gradients.values()))
    pull = seen(doctor, "weight-decay-too-large").evidence[0].number.value
    assert pull == pytest.approx(2 * weights / gradient, rel=1e-5)
    assert "weight-decay-too-large" not in names(Loop(make=lambda p: torch.optim.Adam(p, weight_decay=1e-3)).run())


@pytest.mark.parametrize(("make", "name"), [
    (lambda p: SGD(p, lr=0.1, momentum=0.999), "momentum-too-high"),
    (lambda p: ADAM(p, betas=(0.999, 0.9)), "betas-odd"),
    (lambda p: ADAM(p, betas=(0.9, 0.5)), "betas-odd"), (lambda p: ADAM(p, lr=1e-4, eps=10.0), "epsilon-too-large"),
])  # fmt: skip
def test_odd_numbers_of_optimizers_are_found(make: Any, name: str) -> None:
    assert name in names(Loop(make=make).run())


def averaged(decay: float, steps: int = 64, *, update: bool = True, copied: bool = True) -> list[str]:
    model = nn.Linear(4, 3)
    mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if copied else copy.copy(model)
    step = (lambda loop: mean.update_parameters(model)) if update else (lambda loop: None)
    return names(Loop(model=model, average=mean, after=step, steps=steps).run())


def test_a_mean_of_weights_is_healthy_forgotten_too_long_or_no_copy() -> None:
    assert averaged(0.9) == []
    assert averaged(0.9, update=False) == ["average-never-updated"]
    assert averaged(0.9999) == ["average-lags"] or averaged(0.9999) == []  # the first update copies
    assert averaged(0.9, update=False, copied=False) == ["average-is-the-model"]


def test_a_mean_that_lags_is_told_with_the_share_of_the_way() -> None:
    model = nn.Linear(4, 3)
    mean = copy.deepcopy(model)

    def slow(loop: Loop) -> None:
        with torch.no_grad():
            for one, other in zip(mean.parameters(), model.parameters(), strict=True):
                one.lerp_(other, 1e-3)

    doctor = Loop(model=model, average=mean, after=slow).run()
    assert names(doctor) == ["average-lags"]
    assert 0 < seen(doctor, "average-lags").evidence[0].number.value < 0.064


def test_batches_of_all_and_of_one() -> None:
    x, y = (torch.cat([each] * 4) for each in points())
    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight)
    optimizer, loss_fn = SGD(model.parameters(), lr=1e-2), nn.CrossEntropyLoss()
    with striate.watch(model, optimizer, loss_fn, train=(x, y), quiet=True) as doctor:
        for _ in range(12):
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
    assert names(doctor) == ["full-batch"]
    single = Loop(batch_size=1, make=lambda p: SGD(p, lr=0.01)).run()
    assert seen(single, "batch-of-one").severity == "note"
    assert not names(single)


def test_losses_alone_tell_no_progress_plateau_spikes_and_a_run_cut_short() -> None:
    flat = of_losses([2.0 + 0.01 * (n % 3) for n in range(80)])
    assert looked(flat, "no-progress")
    assert not looked(of_losses(falling(80)), "no-progress")
    assert not looked(of_losses([2.0] * 80, pretrained=True), "no-progress")
    assert looked(of_losses([3.0, 3.0, 3.0, 3.0, 2.5, 2.2] + [2.0] * 114), "plateau")
    assert not looked(of_losses(falling(120)), "plateau")
    spiky = [20.0 if n % 20 == 10 else each for n, each in enumerate(falling(120, 0.5))]
    assert looked(of_losses(spiky), "loss-spikes")
    assert not looked(of_losses(falling(120)), "loss-spikes")
    assert looked(of_losses([3 - 0.01 * n for n in range(90)]), "steps-too-few")
    assert not looked(of_losses(falling(90)), "steps-too-few")
    assert looked(of_losses([1.25] * 20), "loss-constant")
    assert not looked(of_losses(falling(20)), "loss-constant")
