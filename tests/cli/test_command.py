"""The command line does what the signatures say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from striate.cli.main import run
from striate.cli.parser import build_parser
from striate.core.version import VERSION
from striate.verbs import VERBS
from striate.verbs.options import Option, number, size_in_bytes
from striate.verbs.session import command_line, number_folder, shown
from striate.verbs.signature import read_signature

ENVELOPE = {"schema", "verb", "result", "findings", "origin", "cost", "files"}


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == f"striate {VERSION}"


def test_no_verb_gives_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    text = capsys.readouterr().out
    assert [verb for verb in VERBS if verb not in text] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_names_verbs_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--completion", shell]) == 0
    text = capsys.readouterr().out
    assert "evaluate" in text
    assert "data-root" in text.replace("_", "-")


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_argument_of_a_verb_is_on_its_command_line(verb: str) -> None:
    positional, options = read_signature(verb)
    help_text = build_parser()._subparsers._group_actions[0].choices[verb].format_help()  # type: ignore[union-attr, index]
    assert [name for name in options if f"--{name.replace('_', '-')}" not in help_text] == []
    assert all(isinstance(each.option, Option) for each in [*positional.values(), *options.values()])


def test_json_on_standard_output_is_the_report_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reproduce", "hinge-example", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == ENVELOPE
    assert report["origin"]["command"] == "striate reproduce hinge-example"


def test_fail_on_turns_findings_into_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "striate/small.random", "shapes", "--limit", "200", "--quiet"]
    assert run(command) == 0
    assert "error" in capsys.readouterr().out
    assert run([*command, "--fail-on", "error"]) == 1
    assert run(["summary", "striate/small", "--fail-on", "note", "--quiet"]) == 0


def test_output_is_at_most_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", "striate/resnet20", "striate/lenet5"]) == 0
    assert run(["evaluate", "striate/small", "shapes", "--limit", "60", "--quiet"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("0.1", 0.1), ("1e-2", 0.01)])
def test_numbers_may_be_fractions(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("1GiB", 1 << 30), ("512mib", 512 << 20), ("2e9", 2 * 10**9), ("1.5GB", 15 * 10**8)]
)
def test_memory_is_read_with_its_unit(text: str, value: int) -> None:
    assert size_in_bytes(text) == value


def test_the_origin_holds_the_command_without_absolute_paths(tmp_path: Path) -> None:
    given = {"net": tmp_path / "run", "data": "shapes", "limit": 10, "quiet": True, "seed": 0}
    assert command_line("evaluate", given) == "striate evaluate run shapes --limit 10"
    assert shown(f"striate/small@{tmp_path}/w.safetensors") == "striate/small@w.safetensors"
    assert shown("runs/first") == "runs/first"
    assert shown(Path.cwd() / "runs" / "first") == "runs/first"  # a command that can be run again from here


def test_a_default_folder_never_takes_one_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert number_folder("runs/{data}", {"data": "/elsewhere/photos"}) == "runs/photos"
    Path("report.html").touch()
    Path("report-2.html").touch()
    assert number_folder("report.html", {}) == "report-3.html"
