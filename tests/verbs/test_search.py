"""`striate search` keeps what is finished, goes on where it stopped, chooses on dev, and can be repeated."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import striate as st
from striate.core.errors import StriateError
from striate.learn.search import trials as trying
from striate.learn.search.findings import search_findings
from striate.learn.search.payload import Part
from striate.page.html import render_page
from striate.page.text import render_text
from striate.training.request import load_recipe
from striate.verbs.search import beyond as commanded

FEW: dict[str, Any] = {"net": "striate/linear", "epochs": 2, "limit": 200, "quiet": True}
SPACE = "rate=log:0.01:1,batch=20|40"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A search of six trials in one go."""
    out = tmp_path_factory.mktemp("search") / "whole"
    report = st.search("digits", space=SPACE, trials=6, sampler="tpe", pruner="none", out=out, keep_runs=True, **FEW)
    return out, report


def tries(report: Any) -> list[tuple[Any, ...]]:
    """What was tried, without its seconds."""
    return [(each.number, dict(each.parameters), each.value, each.state, each.course) for each in report.result.trials]


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(
    whole: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call: dict[str, Any] = {"space": SPACE, "sampler": "tpe", "pruner": "none", "out": tmp_path / "parts", **FEW}
    st.search("digits", trials=2, **call)
    real, count = trying.trained, [0]

    def interrupted(*arguments: Any) -> float:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(trying, "trained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        st.search("digits", trials=6, **call)
    monkeypatch.setattr(trying, "trained", real)
    report = st.search("digits", trials=6, **call)
    expected = tries(whole[1])
    found = tries(report)
    assert found[:3] == expected[:3]
    assert len(found) == 6  # the interrupted one is not counted, so the last has a number above
    assert [each[0] for each in found] == [0, 1, 2, 4, 5, 6]
    assert [path.name for path in (tmp_path / "parts" / "trials").iterdir()] == [f"{report.result.best.number:03d}"]


def test_the_best_is_chosen_on_dev_and_measured_once_on_test(whole: tuple[Path, Any]) -> None:
    out, report = whole
    best = report.result.best
    assert best.dev.value == max(each.value for each in report.result.trials)
    again = st.evaluate(out / "trials" / f"{best.number:03d}", "digits", limit=200, quiet=True).result.accuracy
    assert best.test == again
    assert best.too_good.value == pytest.approx(best.dev.value - best.test.value)
    assert report.result.default is None  # a batch of 128 is not in the space


def test_the_command_repeats_the_best_bit_for_bit(whole: tuple[Path, Any], tmp_path: Path) -> None:
    out, report = whole
    command = report.result.best.command.split()
    assert command[:3] == ["striate", "train", "digits"]
    recipe = command[command.index("--recipe") + 1]
    assert recipe.endswith("best.json")
    assert command[command.index("--limit") + 1] == "200"
    run = st.train(
        "digits", net=command[command.index("--net") + 1], recipe=str(out / "best.json"), limit=200,
        out=tmp_path / "again", quiet=True,
    )  # fmt: skip
    assert run.result.best.value == report.result.best.dev.value
    with pytest.raises(StriateError, match="holds no recipe"):
        st.train("digits", recipe=str(out / "report.json"), out=tmp_path / "none", quiet=True)


def test_a_loss_that_is_no_number_is_a_failed_trial_and_the_search_goes_on(tmp_path: Path) -> None:
    report = st.search(
        "digits", space="rate=1e38|0.1", recipe="momentum", sampler="grid", trials=2, pruner="none",
        out=tmp_path / "s", **FEW,
    )  # fmt: skip
    states = {each.parameters["rate"]: each for each in report.result.trials}
    assert states["0.1"].state == "complete"
    assert states["1e38"].state == "failed"
    assert "the loss is nan" in states["1e38"].why or "the loss" in states["1e38"].why
    assert str(tmp_path) not in str(report)
    assert [each.id for each in report.findings][:1] == ["search/failed"]


def test_pages_and_terminal_show_the_best(whole: tuple[Path, Any]) -> None:
    out, report = whole
    page, text = render_page(report), render_text(report)
    best = f"{100 * report.result.best.dev.value:.1f} %"
    assert "search-slices" in page
    assert "search-parallel" in page
    assert best.replace(" ", "\u00a0") in page
    assert "measured once" in text
    assert "again: striate train digits --net striate/" in " ".join(text.split())
    assert json.loads((out / "report.json").read_text())["result"]["study"] == "search"
    assert st.read_report(out / "report.json") == report


def test_bad_input_is_refused_with_a_sentence(whole: tuple[Path, Any], tmp_path: Path) -> None:
    out, _ = whole
    with pytest.raises(StriateError, match=r"study 'search' is about something else: .*space is rate"):
        st.search("digits", space="rate=log:0.01:0.5", trials=1, out=out, **FEW)
    with pytest.raises(StriateError, match="train images is 100 of digits") as caught:
        st.search("digits", space=SPACE, trials=1, out=out, **{**FEW, "limit": 100})
    assert "net is" not in str(caught.value)
    with pytest.raises(StriateError, match=r"unknown parameter .*'ratte'"):
        st.search("digits", space="ratte=0:1", out=tmp_path / "a", **FEW)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(StriateError, match="files of no search"):
        st.search("digits", out=tmp_path / "mine", **FEW)
    with pytest.raises(StriateError, match="--overwrite with --storage"):
        st.search("digits", storage=f"journal:{tmp_path / 'log'}", overwrite=True, out=out, **FEW)


def test_two_searches_share_a_storage(tmp_path: Path) -> None:
    call: dict[str, Any] = {"space": SPACE, "sampler": "random", "storage": f"journal:{tmp_path / 'log'}", **FEW}
    st.search("digits", trials=1, out=tmp_path / "first", **call)
    report = st.search("digits", trials=2, out=tmp_path / "second", **call)
    assert [each.number for each in report.result.trials] == [0, 1]


@pytest.mark.slow
def test_two_processes_share_the_trials(tmp_path: Path) -> None:
    report = st.search(
        "digits", space=SPACE, trials=3, sampler="random", pruner="none", out=tmp_path / "p", parallel=2, **FEW
    )
    assert [each.number for each in report.result.trials if each.state == "complete"] == [0, 1, 2]
    assert report.result.best.test.value is not None


def test_a_best_at_the_border_names_a_wider_search_that_is_possible(tmp_path: Path) -> None:
    out = tmp_path / "s"
    report = st.search("digits", space="rate=log:0.0001:0.001", trials=2, pruner="none", out=out, **FEW)
    part = report.result.space[0]
    found = replace(report.result, best=replace(report.result.best, parameters={"rate": 0.001}))
    told: list[tuple[str, bool]] = []

    def beyond(part: Any, below: bool) -> str:
        told.append((part.name, below))
        return "striate search"

    border = next(each for each in search_findings(found, beyond=beyond) if each.id == "search/border/rate")
    assert (told, border.severity, border.command) == ([("rate", False)], "warning", "striate search")
    alone = next(each for each in search_findings(found) if each.id == "search/border/rate")
    assert (alone.severity, alone.command) == ("note", "")
    trying_ = SimpleNamespace(parts=(part,), recipe=load_recipe("momentum"), net="striate/linear", out=out)
    run = SimpleNamespace(arguments=dict(report.origin.arguments))
    words = shlex.split(commanded(run, trying_, part, below=False))  # type: ignore[arg-type]
    assert words[words.index("--space") + 1] == "rate=log:0.0001:0.01"
    assert words[words.index("--out") + 1] == "s-wider"  # paths stand in commands without the folders above
    momentum = Part("momentum", "float", owner="optimizer", low=0.5, high=0.99)
    impossible = SimpleNamespace(**{**vars(trying_), "parts": (momentum,)})
    assert commanded(run, impossible, momentum, below=False) == ""  # type: ignore[arg-type]
