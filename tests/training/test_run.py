from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from striate.core import storage
from striate.core.errors import RunError, StriateError
from striate.core.progress import Progress
from striate.training.loop import fit
from striate.training.recipe import Sgd
from striate.training.run import read_record, read_run
from training.tiny import RECIPE, bits, saved, tiny_net, tiny_splits

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to tell which file is written")
ONE = replace(RECIPE, epochs=1)


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run of one epoch."""
    out = tmp_path / "run"
    fit(tiny_net(), tiny_splits(), out=out, recipe=ONE)
    return out


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_reads_back_as_it_was_returned(tmp_path):
    training = fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=RECIPE)
    assert read_run(tmp_path / "run") == training
    assert (training.net, training.data, training.recipe) == ("tiny", "bars", "tiny")
    assert training.complete
    assert [row.epoch for row in training.history] == [1, 2, 3, 4]


def test_the_record_says_how_to_make_the_run_again(run):
    record = read_record(run)
    assert record.recipe == ONE
    assert (record.state, record.seed, record.epochs, record.precision) == ("complete", 0, 1, "float32")
    assert (record.train.count, record.dev.count, record.said) == (70, 30, "bars")
    assert record.versions["torch"]
    assert str(run.parent) not in (run / "run.json").read_text()


def test_an_existing_run_is_only_replaced_when_that_is_said(run):
    before = files(run)
    with pytest.raises(RunError, match=r"already holds a run.*--resume.*--overwrite"):
        fit(tiny_net(), tiny_splits(), out=run, recipe=ONE)
    assert files(run) == before
    (run / "figures").mkdir()
    fit(tiny_net(), tiny_splits(), out=run, recipe=ONE, seed=5, overwrite=True)
    assert read_record(run).seed == 5
    assert not (run / "figures").exists()


def test_folders_of_others_are_never_deleted(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="is not empty and holds no run of ours"):
            fit(tiny_net(), tiny_splits(), out=tmp_path, recipe=ONE, overwrite=overwrite)
    (tmp_path / "run.json").write_text('{"name": "another tool\'s run"}')
    with pytest.raises(RunError, match=r"run.json is not one of ours"):
        fit(tiny_net(), tiny_splits(), out=tmp_path, recipe=ONE, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_mistake_in_the_arguments_costs_the_old_run_nothing(run):
    before = files(run)
    with pytest.raises(RunError, match="4 classes"):
        fit(tiny_net(classes=4), tiny_splits(), out=run, recipe=ONE, overwrite=True)
    assert files(run) == before


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(RunError, match=r"holds no run to resume.*leave out --resume"):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "none", recipe=ONE, resume=True)
    assert not (tmp_path / "none").exists()


def test_resume_of_a_finished_run_says_so_and_changes_nothing(run, capsys):
    before = files(run)
    training = fit(tiny_net(), tiny_splits(), out=run, recipe=ONE, resume=True, progress=Progress())
    assert "is complete: nothing is left to do" in capsys.readouterr().err
    assert training.complete
    assert files(run) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "seed is 1, the run's is 0"),
        ({"recipe": replace(ONE, batch=8, optimizer=Sgd(0.3))}, r"recipe.optimizer.rate is 0.3.*recipe.batch is 8"),
        ({"net": tiny_net(seed=1)}, "hash of the starting weights is"),
        ({"splits": tiny_splits(count=71)}, "train.count is 71, the run's is 70"),
        ({"memory_format": "contiguous"}, "memory_format is 'contiguous'"),
    ],
)
def test_resume_with_other_arguments_names_what_differs(run, changes, words):
    given = {"net": tiny_net(), "splits": tiny_splits(), "recipe": ONE, **changes}
    with pytest.raises(RunError, match=words):
        fit(given.pop("net"), given.pop("splits"), out=run, resume=True, **given)


def test_resume_with_other_threads_or_versions_says_so(tmp_path, capsys):
    def press(state):
        raise KeyboardInterrupt

    observers, out = [lambda events: events.attached(step=press)], tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_net(), tiny_splits(), out=out, recipe=ONE, threads=1, observers=observers)
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**record, "versions": {**record["versions"], "torch": "0.1"}}))
    fit(tiny_net(), tiny_splits(), out=out, recipe=ONE, threads=2, resume=True, progress=Progress())
    said = capsys.readouterr().err
    assert "began with threads 1 and goes on with 2" in said
    assert "began with torch 0.1 and goes on with" in said


def test_resume_and_overwrite_exclude_each_other(run):
    with pytest.raises(RunError, match="one of them"):
        fit(tiny_net(), tiny_splits(), out=run, recipe=ONE, resume=True, overwrite=True)


def test_a_torn_checkpoint_is_named(run):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "state": "stopped"}))
    path = run / "checkpoints" / "last.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match=r"cannot go on from .*last.pt"):
        fit(tiny_net(), tiny_splits(), out=run, recipe=ONE, resume=True)


def test_folders_that_hold_no_run_are_refused(tmp_path, run):
    with pytest.raises(RunError, match="is no folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="holds no run"):
        read_run(tmp_path)
    data = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**data, "striate": 99}))
    with pytest.raises(RunError, match="newer Striate"):
        read_run(run)
    (run / "run.json").write_text(json.dumps({**data, "epochs": "many"}))
    with pytest.raises(RunError, match="epochs"):
        read_run(run)


def full_disk(monkeypatch, name):
    """From now on the disk is full whenever a file of this name is written."""
    original = os.fsync

    def fsync(handle):
        if f".{name}." in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle)

    monkeypatch.setattr(storage.os, "fsync", fsync)


@needs_proc
@pytest.mark.parametrize("name", ["last.pt", "metrics.csv", "weights.safetensors"])
def test_a_full_disk_keeps_the_run_and_resume_ends_where_it_would_have(tmp_path, monkeypatch, name):
    whole = fit(tiny_net(), tiny_splits(), out=tmp_path / "whole", recipe=RECIPE)
    out, filled = tmp_path / "run", []

    def fill(events):
        def after_two(state):
            if state.epoch == 2 and not filled:
                filled.append(True)
                full_disk(monkeypatch, name)

        return events.attached(epoch_start=after_two)

    with pytest.raises(RunError, match=r"cannot write .*No space left on device.*[23] of 4 epochs are kept in"):
        fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, observers=[fill])
    assert read_record(out).state == "stopped"
    assert "No space left" in read_record(out).why
    assert str(tmp_path) not in (out / "run.json").read_text()
    assert len(read_run(out).history) >= 2
    saved(out)
    monkeypatch.undo()
    again = fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, resume=True)
    assert [replace(row, seconds=0) for row in again.history] == [replace(row, seconds=0) for row in whole.history]
    assert bits(out) == bits(tmp_path / "whole")


def test_a_checkpoint_that_finds_no_room_says_so(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(state):  # no file may become larger: the kernel refuses the write itself
        size = (tmp_path / "run/checkpoints/last.pt").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1000, before[1]))

    try:
        with pytest.raises(RunError, match=r"cannot write .*last.pt: File too large.*1 of 4 epochs are kept"):
            fit(
                tiny_net(),
                tiny_splits(),
                out=tmp_path / "run",
                recipe=RECIPE,
                observers=[lambda events: events.attached(checkpoint=limit)],
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=RECIPE, resume=True).complete


@needs_proc
def test_a_disk_that_is_full_from_the_start_is_an_error_too(tmp_path, monkeypatch):
    full_disk(monkeypatch, "run.json")
    with pytest.raises(StriateError, match=r"cannot write .*run.json: No space left"):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=ONE)


def test_a_resumed_run_with_other_options_names_each_difference_once(run):
    with pytest.raises(RunError) as told:
        fit(tiny_net(), tiny_splits(), out=run, recipe=replace(ONE, name="long", states="x", epochs=7), resume=True)
    assert "recipe.epochs is 7, the run's is 1" in str(told.value)
    assert "recipe.name" not in str(told.value)
    assert "recipe.states" not in str(told.value)
