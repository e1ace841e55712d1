"""`striate diagnose`: what SETUP may be, what each gives, the usual mistakes; `train` and `examine` with the doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import striate as st
from striate.cli.main import run as command
from striate.core.errors import StriateError
from striate.doctor.registry import all_checks
from striate.doctor.runs import DIAGNOSIS
from striate.nets.load import load_net
from striate.page.html import render_page
from striate.page.text import render_text

FEW: dict[str, Any] = {"limit": 120, "quiet": True}
FILE = """
import torch
from torch import nn
import striate

def setup(loop=None):
    torch.manual_seed(0)
    x, y = torch.randn(96, 8), torch.arange(96) % 3
    x[:, :3] += 3 * nn.functional.one_hot(y, 3)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax(1))
    optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()
    def step(batch):
        optimizer.zero_grad()
        loss_fn(model(batch[0]), batch[1]).backward()
        optimizer.step()
    return striate.Setup(model, optimizer, loss_fn, train=(x, y), step=step)

def parts():
    it = setup()
    return it.model, it.optimizer, it.loss_fn, it.train

def named():
    it = setup()
    return {"net": it.model, "optimizer": it.optimizer, "criterion": it.loss_fn, "train_loader": it.train}

def breaking():
    it = setup()
    def loop():
        for _ in range(5):
            it.step(it.train)
        raise RuntimeError("out of cheese")
    return {"model": it.model, "optimizer": it.optimizer, "loss_fn": it.loss_fn, "train": it.train, "loop": loop}

def endless():
    it = setup()
    def loop():
        while True:
            it.step(it.train)
    return {"model": it.model, "optimizer": it.optimizer, "loss_fn": it.loss_fn, "train": it.train, "loop": loop}

def number():
    return 3

def wrong():
    return {"model": setup().model, "optimiser": 3}

def raising():
    return 1 / 0

def leaving():
    raise SystemExit(3)
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FILE)
    return str(tmp_path / "mine.py")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    st.train("digits", net="striate/linear", epochs=6, out=folder, limit=300, quiet=True)
    return folder


def checks_of(report: Any) -> list[str]:
    return [finding.check for finding in report.findings]


@pytest.mark.parametrize("function", ["setup", "parts", "named"])
def test_a_setup_comes_as_a_value_a_tuple_or_parts_by_name(file: str, function: str) -> None:
    report = st.diagnose(f"{file}:{function}", steps=12, quiet=True)
    assert checks_of(report)[0] == "softmax-before-loss"
    assert report.result.start_loss == pytest.approx(1.1, abs=0.2)
    assert report.result.steps == (12 if function == "setup" else 0)
    assert report.result.setup == f"mine.py:{function}"


def test_a_loop_that_breaks_is_diagnosed_all_the_same(file: str) -> None:
    result = st.diagnose(f"{file}:breaking", quiet=True).result
    assert result.error == "RuntimeError: out of cheese"
    assert result.steps == 5


def test_a_loop_without_end_is_left_after_the_steps_that_were_asked_for(file: str) -> None:
    assert st.diagnose(f"{file}:endless", steps=7, quiet=True).result.steps == 7


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        ("nothing", "'nothing' is no recipe, run folder or file"),
        ("quik", "such as quick"),
        ("{file}", "names no function"),
        ("{file}:setip", "unknown function of mine.py 'setip'; accepted: nearest are setup"),
        ("{file}:number", "what mine.py:number gives is a int"),
        ("{file}:wrong", "'optimiser'; accepted: nearest are optimizer"),
        ("{file}:raising", "ZeroDivisionError"),
        ("{file}:leaving", "ends the interpreter"),
        ("missing.py:setup", "no file missing.py"),
        ("quick", "is given no data"),
        (None, "is given no setup"),
        (3, "the setup is a int"),
        ((nn.Linear(2, 2), 3), "the optimizer is a int"),
    ],
)
def test_a_mistake_is_told_in_words(file: str, setup: Any, words: str) -> None:
    given = setup.format(file=file) if isinstance(setup, str) else setup
    with pytest.raises(StriateError, match=words.replace("(", r"\(")):
        st.diagnose(given, quiet=True)


def test_options_of_recipes_are_refused_elsewhere(file: str, run_folder: Path) -> None:
    with pytest.raises(StriateError, match="--net is given with a setup of your own"):
        st.diagnose(f"{file}:setup", net="striate/small", quiet=True)
    with pytest.raises(StriateError, match="--steps 5 and a run folder"):
        st.diagnose(run_folder, steps=5, quiet=True)


def test_a_recipe_is_watched_for_its_first_steps_and_leaves_the_net_alone() -> None:
    net = load_net("striate/linear.random", classes=10, channels=1, size=28)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    report = st.diagnose("linear", data="digits", net=net, steps=6, batch=32, **FEW)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert report.result.steps == 6
    assert st.diagnose("linear", data="digits", net=net, steps=0, **FEW).result.steps == 0


def test_the_list_holds_every_check_with_limits_and_needs() -> None:
    report = st.diagnose(list=True, quiet=True)
    assert [each.name for each in report.result.listed] == [each.name for each in all_checks()]
    text = render_text(report)
    assert all(each.name in text for each in all_checks())
    assert "limit: " in text
    assert "softmax-before-loss" in render_page(report)


def test_a_run_folder_shows_what_was_seen_while_it_trained(run_folder: Path) -> None:
    assert (run_folder / DIAGNOSIS).is_file()
    report = st.diagnose(run_folder, quiet=True)
    result = report.result
    assert result.training is not None
    assert result.training.epochs == 6
    assert result.steps > 0
    assert result.loss is not None
    states = {each.name: each.state for each in result.checks_run}
    assert states["gradients-not-cleared"] == "silent"  # it needs the steps, which are over
    (run_folder / DIAGNOSIS).rename(run_folder / "away")
    try:
        alone = st.diagnose(run_folder, quiet=True).result
    finally:
        (run_folder / "away").rename(run_folder / DIAGNOSIS)
    assert alone.steps == 0
    assert {each.name: each.why for each in alone.checks_run}["gradients-not-cleared"] == "no run was watched"


def test_a_run_that_was_killed_says_so(run_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "killed"
    shutil.copytree(run_folder, folder)
    record = (folder / "run.json").read_text()
    (folder / "run.json").write_text(record.replace('"state": "complete"', '"state": "running"'))
    assert "run-stopped" in checks_of(st.diagnose(folder, quiet=True))
    (folder / "metrics.csv").unlink()
    (folder / "weights.safetensors").unlink()
    result = st.diagnose(folder, quiet=True).result
    assert result.training is None
    assert result.start_loss is not None  # its net is built again as it began
    with pytest.raises(StriateError, match="nothing of the run"):
        st.diagnose(folder, data=tmp_path / "gone", quiet=True)


def test_a_run_that_goes_on_under_the_doctor_ends_where_the_uninterrupted_one_ends(tmp_path: Path) -> None:
    how: dict[str, Any] = {"net": "striate/mlp", "epochs": 2, "limit": 300, "quiet": True}
    st.train("digits", out=tmp_path / "whole", **how)
    from striate.training.events import Events, State

    def killed(events: Events) -> Any:
        def stop(state: State) -> None:
            if state.epoch == 1:
                raise KeyboardInterrupt

        return events.attached(epoch_start=stop)

    from unittest import mock

    from striate.doctor.attending import Attending

    plain = Attending.__call__

    def both(self: Attending, events: Events) -> Any:
        from contextlib import ExitStack

        stack = ExitStack()
        stack.enter_context(plain(self, events))
        stack.enter_context(killed(events))
        return stack

    with mock.patch.object(Attending, "__call__", both), pytest.raises(KeyboardInterrupt):
        st.train("digits", out=tmp_path / "parts", **how)
    report = st.train("digits", out=tmp_path / "parts", resume=True, **how)
    ends = [load_net(tmp_path / name).state_dict() for name in ("whole", "parts")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert report.result.complete
    reasons = {each.name: each.why for each in st.diagnose(tmp_path / "parts", quiet=True).result.checks_run}
    assert reasons["loss-at-start"] == ""  # the net is built again as it began


def test_the_command_line_gives_findings_as_an_exit_code(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["diagnose", f"{file}:setup", "--steps", "5", "--quiet", "--fail-on", "error"]) == 1
    told = capsys.readouterr().out
    assert "F.cross_entropy(" in told
    assert command(["diagnose", "nothing"]) == 2
    assert command(["diagnose", "quick", "--data", "digits", "--steps", "-1"]) == 2


def test_a_page_shows_limits_code_and_what_did_not_run(file: str) -> None:
    page = render_page(st.diagnose(f"{file}:setup", steps=20, quiet=True))
    assert "optimizer" in page
    assert 'class="command lines"' in page
    assert "did not run" in page
    for section in ("course", "updates", "layers", "checks"):
        assert f'<section id="{section}"' in page
