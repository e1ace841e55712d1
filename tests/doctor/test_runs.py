"""What the epochs of a run say: found with the right numbers on made histories, silent on healthy ones."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.errors import RunError
from striate.core.finding import Finding
from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.doctor.attending import UNKNOWN, Attending
from striate.doctor.case import Case
from striate.doctor.diagnosis import Findings
from striate.doctor.history import History
from striate.doctor.runs import look_at_run
from striate.doctor.setup import Setup
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.payload import Epoch
from striate.training.request import load_recipe
from striate.training.run import Record, read_record
from striate.training.task import Classification

SHORT = replace(load_recipe("linear"), epochs=3)


def epochs_of(train: Sequence[float], right: Sequence[tuple[float, float]], dev: Sequence[float]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(number, loss, both[0], other, both[1], 0.1, 1.0)
        for number, (loss, both, other) in enumerate(zip(train, right, dev, strict=True), start=1)
    )


def healthy(count: int = 8) -> History:
    """Losses that fall by a fifth an epoch, shares right that rise and level off."""
    losses = [2.0 * 0.8**each for each in range(count)]
    right = [(min(0.5 + 0.1 * each, 0.93), min(0.5 + 0.1 * each, 0.9)) for each in range(count)]
    epochs = epochs_of(losses, right, [each + 0.1 for each in losses])
    return History(epochs, count, True, count, 10, 2_000, 400, "runs/a b", "my photos", "striate/small", 64)


def found_in(history: History) -> dict[str, Finding]:
    case = Case(Setup(nn.Linear(2, 2)), history=history, finished=True)
    case.omit("train", "none here")
    case.omit("test", "none here")
    case.omit("start", "none here")
    case.omit("end", "none here")
    findings = Findings()
    findings.look(case, ("end",))
    failed = [run for run in findings.runs.values() if run.state == "failed"]
    assert not failed
    return {finding.check: finding for check, finding in findings.flat() if "history" in check.needs}


def test_a_run_that_learns_is_met_with_silence() -> None:
    assert found_in(healthy()) == {}


def test_a_loss_that_ends_above_its_beginning_has_diverged() -> None:
    history = replace(healthy(3), epochs=epochs_of([2.0, 1.0, 3.0], [(0.3, 0.3)] * 3, [2.0, 1.0, 3.0]), best=2)
    finding = found_in(history)["run-diverged"]
    assert "3.0 times its lowest" in finding.seen
    assert finding.severity == "error"
    assert shlex.split(finding.command) == [
        "striate", "find-rate", "my photos", "--net", "striate/small", "--size", "64",
    ]  # fmt: skip


def test_a_loss_that_was_no_number_is_told_from_a_stop_by_hand() -> None:
    nan = replace(healthy(3), complete=False, planned=9, why="RunError: the loss is nan in epoch 4, step 2")
    by_hand = replace(nan, why="interrupted")
    assert set(found_in(nan)) == {"run-diverged", "run-stopped"}
    assert set(found_in(by_hand)) == {"run-stopped"}
    assert "after 3 of 9 epochs (interrupted)" in found_in(by_hand)["run-stopped"].seen


def test_chance_on_both_splits_is_no_learning_and_on_dev_alone_is_learning_by_heart() -> None:
    base = healthy(3)
    chance = replace(base, epochs=epochs_of([2.3, 2.3, 2.31], [(0.1, 0.1)] * 3, [2.3] * 3))
    by_heart = replace(base, epochs=epochs_of([2.0, 0.5, 0.1], [(0.99, 0.3)] * 3, [2.3, 2.4, 2.5]), train=40_000)
    assert set(found_in(chance)) == {"unlearnt"}
    found = found_in(by_heart)
    assert set(found) == {"by-heart"}
    assert shlex.split(found["by-heart"].command)[:2] == ["striate", "learning-curve"]
    few = found_in(replace(by_heart, train=900))["by-heart"]
    assert shlex.split(few.command)[:3] == ["striate", "transfer", "torchvision/squeezenet1_0"]


def test_a_gap_within_what_dev_can_tell_is_no_overfitting() -> None:
    few = replace(healthy(3), epochs=epochs_of([1.0] * 3, [(0.95, 0.8)] * 3, [1.0] * 3), dev=40)
    assert "by-heart" not in found_in(few)
    assert "by-heart" in found_in(replace(few, dev=4_000, epochs=epochs_of([1.0] * 3, [(0.95, 0.8)] * 3, [1.0] * 3)))


def test_a_loss_that_jumps_every_other_epoch_is_named_and_one_jump_is_not() -> None:
    base, jumping = healthy(6), [2.0, 1.0, 1.5, 1.0, 1.5, 1.0]
    right = [(0.6, 0.6)] * 6
    found = found_in(replace(base, epochs=epochs_of(jumping, right, jumping)))
    assert found["loss-jumps"].evidence[0].number is not None
    assert found["loss-jumps"].evidence[0].number.value == pytest.approx(0.5)
    once = [2.0, 1.0, 1.5, 1.0, 0.9, 0.8]
    assert "loss-jumps" not in found_in(replace(base, epochs=epochs_of(once, right, once)))


def test_a_loss_that_falls_by_a_percent_an_epoch_crawls() -> None:
    slow = [2.3 * 0.99**each for each in range(6)]
    history = replace(healthy(6), epochs=epochs_of(slow, [(0.2, 0.2)] * 6, slow))
    assert "by 4.9%" in found_in(history)["loss-crawls"].seen
    noisy = [2.3, 2.28, 2.29, 2.27, 2.28, 2.27]  # it does not fall steadily: something else
    assert "loss-crawls" not in found_in(replace(history, epochs=epochs_of(noisy, [(0.2, 0.2)] * 6, noisy)))


def test_dev_loss_that_turns_epochs_for_nothing_and_an_end_too_early_are_notes() -> None:
    right = [(0.5 + 0.05 * each, 0.6) for each in range(10)]
    turning = epochs_of([2.0 - 0.15 * each for each in range(10)], right, [1.0, 0.8, *[1.2] * 8])
    found = found_in(replace(healthy(10), epochs=turning, best=2))
    assert {"dev-loss-rises", "nothing-new"} <= set(found)
    rising = [(0.2 + 0.08 * each,) * 2 for each in range(8)]
    early = replace(healthy(8), epochs=epochs_of([2.0 - 0.1 * each for each in range(8)], rising, [1.0] * 8), dev=4_000)
    assert set(found_in(early)) == {"still-better"}
    assert {each.severity for each in (*found.values(), *found_in(early).values())} <= {"note", "warning"}


# the loop and the run folder


def few_digits() -> Splits:
    splits = load_splits("digits")
    return replace(splits, train=splits.train.limit(512), dev=splits.dev.limit(200))


def test_a_run_with_the_doctor_beside_it_ends_bit_for_bit_as_without(tmp_path: Path) -> None:
    splits = few_digits()
    attending = Attending(splits, batch=64)
    how = {"recipe": replace(load_recipe("quick"), epochs=2, batch=64), "seed": 3}
    alone = fit("striate/small", splits, out=tmp_path / "alone", **how)  # type: ignore[arg-type]
    beside = fit("striate/small", splits, out=tmp_path / "beside", observers=(attending,), **how)  # type: ignore[arg-type]
    plain, watched = (load_net(tmp_path / name).state_dict() for name in ("alone", "beside"))
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert [replace(each, seconds=0.0) for each in alone.history] == [
        replace(each, seconds=0.0) for each in beside.history
    ]
    assert attending.watched is not None
    assert not attending.watched.faults
    assert attending.watched.result.steps == len(alone.history) * (len(splits.train) // 64)
    assert attending.watched.case.history is not None
    assert attending.watched.case.history.best == beside.best.epoch


def test_the_net_is_seen_with_its_normalised_inputs_and_the_loss_that_is_minimised(tmp_path: Path) -> None:
    splits = few_digits()
    attending = Attending(splits, batch=64)
    fit("striate/linear", splits, out=tmp_path / "run", recipe=SHORT, observers=(attending,))
    assert attending.watched is not None
    case = attending.watched.case
    assert case.train is not None
    assert abs(float(case.train.x.mean())) < 0.1
    assert case.start is not None
    assert case.start.loss == pytest.approx(2.3, abs=0.3)  # ln 10
    assert case.trace is not None
    assert case.trace.losses()[0] == pytest.approx(2.3, abs=0.3)


def test_a_fresh_net_that_is_sure_of_classes_is_named_and_another_is_not(tmp_path: Path) -> None:
    def found(scale: float) -> set[str]:
        net = load_net("striate/linear.random", classes=splits.train.classes, channels=1, size=splits.train.size)
        with torch.no_grad():
            next(net.parameters()).mul_(scale)
        attending = Attending(splits, batch=64)
        task = Classification(net, fresh=True)
        fit(task, splits, out=tmp_path / f"{scale:g}", recipe=replace(SHORT, epochs=1), observers=(attending,))
        assert attending.watched is not None
        return {each.check for each in attending.watched.seen}

    splits = few_digits()
    assert "loss-at-start" in found(100.0)
    assert "loss-at-start" not in found(1.0)


def test_a_run_folder_is_looked_at_as_it_began_and_as_it_was_kept(tmp_path: Path) -> None:
    splits = few_digits()
    fit("striate/linear", splits, out=tmp_path, recipe=SHORT, seed=2, asked={"net": "striate/linear"})
    looked = look_at_run(tmp_path, find=lambda _: splits, about=UNKNOWN)
    assert looked.remarks == ()
    assert looked.result.start_loss == pytest.approx(2.3, abs=0.3)
    assert looked.result.training is not None
    states = {each.name: each.state for each in looked.result.checks_run}
    assert states["unlearnt"] == "silent"
    assert states["labels-shuffled"] == "silent"


def test_what_a_run_folder_cannot_show_is_said(tmp_path: Path) -> None:
    splits = few_digits()
    fit("striate/linear", splits, out=tmp_path, recipe=SHORT, seed=2, asked={"net": "striate/linear"})

    def gone(record: Record) -> object:
        raise RunError(f"no folder {record.data}")

    looked = look_at_run(tmp_path, find=gone, about=UNKNOWN)  # type: ignore[arg-type]
    reasons = {each.name: each.why for each in looked.result.checks_run}
    assert "no folder digits" in reasons["labels-shuffled"]
    others = replace(splits, train=splits.train.limit(100))
    assert "are others than those of the run" in look_at_run(tmp_path, find=lambda _: others, about=UNKNOWN).remarks[0]
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="nothing of the run"):
        look_at_run(tmp_path, find=gone, about=UNKNOWN)  # type: ignore[arg-type]
    assert read_record(tmp_path).state == "complete"


def test_no_random_number_is_used_up_by_looking(tmp_path: Path) -> None:
    splits = few_digits()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit("striate/linear", splits, out=tmp_path, recipe=SHORT, asked={"net": "striate/linear"})
    look_at_run(tmp_path, find=lambda _: splits, about=UNKNOWN)
    assert torch.equal(torch.rand(3), expected)
