"""Progress on a terminal, in a log, and not at all."""

from __future__ import annotations

import io
import re
import time

import pytest

from striate.core import progress as progress_module
from striate.core.progress import SILENT, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress_module.time, "monotonic", lambda: self.now)


def test_a_terminal_gets_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    stream = Terminal()
    with Progress(stream=stream).task("predict", 50) as step:
        for _ in range(5):
            step(8, "loss 0.5")
            time.sleep(0.12)  # tqdm draws at most ten times a second
    shown = stream.getvalue()
    assert "predict" in shown
    assert re.search(r"(16|24|32|40)/50", shown)
    assert re.search(r"\d\d:\d\d<\d\d:\d\d", shown)  # time gone < time left
    assert "images/s" in shown
    assert "loss 0.5" in shown


def test_work_that_cannot_be_counted_brings_the_bar_up_once_its_patience_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    with Progress(stream=stream).task("fit", 50) as step:
        step(8)
        step(0, "svm")
        assert "fit" not in stream.getvalue()
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    with Progress(stream=stream).task("fit", 50) as step:
        step(0, "svm")
        assert re.search(r"fit: +0%.*0/50.*svm", stream.getvalue())
        seen = stream.getvalue()
        step(0, "svm")
        assert stream.getvalue() == seen  # not more often than one can read


def test_a_terminal_sees_nothing_of_what_is_done_within_two_seconds() -> None:
    stream = Terminal()
    with Progress(stream=stream).task("short", 3) as step:
        step(3)
    assert "short" not in stream.getvalue()


def test_a_bar_is_taken_away_also_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    stream = Terminal()
    with pytest.raises(RuntimeError, match="mine"), Progress(stream=stream).task("predict", 50) as step:
        step(1)
        raise RuntimeError("mine")
    assert stream.getvalue().rstrip(" ").endswith("\r")


def test_a_log_gets_a_plain_line_every_ten_seconds_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), io.StringIO()
    with Progress(stream=stream).task("predict", 100) as step:
        for _ in range(25):
            clock.now += 1.0
            step(2, "loss 0.5")
    assert stream.getvalue().splitlines() == [
        "predict: 20 of 100 images, 40 s left, loss 0.5",
        "predict: 40 of 100 images, 30 s left, loss 0.5",
    ]


def test_a_log_sees_nothing_of_what_is_soon_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), io.StringIO()
    with Progress(stream=stream).task("predict", 2) as step:
        clock.now += 9.0
        step(2)
    assert stream.getvalue() == ""


def test_quiet_shows_nothing_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    for stream in (Terminal(), io.StringIO()):
        quiet = Progress(quiet=True, stream=stream)
        with quiet.task("predict", 2) as step:
            clock.now += 60.0
            step(1)
        quiet.say("a line")
        assert list(quiet.track([1, 2], "items", 2)) == [1, 2]
        assert stream.getvalue() == ""
    assert SILENT.quiet


def test_tracked_items_come_one_by_one_and_are_counted_when_they_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream, seen = Clock(monkeypatch), io.StringIO(), []
    for item in Progress(stream=stream).track("abc", "letters", 3, unit="letters"):
        seen.append(item)
        clock.now += 10.0
    assert seen == ["a", "b", "c"]
    assert stream.getvalue().splitlines()[0] == "letters: 1 of 3 letters, 20 s left"


def test_a_remark_is_one_line_on_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().say("5 classes")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "5 classes\n")
