"""`synthesize`: every kind takes what it says, and nothing else; pictures are there as they form."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from torch import nn

import striate as st
from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.verbs.kinds import COMMON, KINDS, kind_named
from striate.verbs.painting import Painting, channels
from striate.verbs.synthesize import ABOUT_MAKING, options_of, synthesize


def test_the_command_knows_every_kind_and_the_list_of_methods_too() -> None:
    (kinds, _) = get_args(get_type_hints(synthesize, include_extras=True)["kind"])
    assert sorted(get_args(kinds)) == sorted(KINDS)
    assert set(METHODS) >= set(KINDS)  # and ways of a kind that have a paper of their own


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_kind_names_options_that_exist_and_its_code_is_there(kind: str) -> None:
    entry = kind_named(kind)
    assert set(entry.takes) <= set(Painting.__annotations__)
    assert set(entry.needs) <= set(entry.takes)
    assert set(entry.defaults) <= set(entry.takes)
    assert callable(KINDS.load(kind))


def test_every_option_does_something_for_some_kind() -> None:
    used = {name for kind in KINDS for name in kind_named(kind).takes}
    assert [name for name in ABOUT_MAKING if name not in used] == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_option_that_does_nothing_for_a_kind_is_refused(kind: str) -> None:
    entry = kind_named(kind)
    for name in ABOUT_MAKING:
        if name in entry.takes:
            continue
        with pytest.raises(StriateError, match=f"--{name.replace('_', '-')} does nothing for {kind}"):
            options_of(kind, {name: "1"})
    if entry.needs:
        with pytest.raises(StriateError, match=f"{kind} needs --{entry.needs[0].replace('_', '-')}"):
            options_of(kind, {})
    assert set(COMMON) <= set(options_of(kind, dict.fromkeys(entry.needs, "x")))


def test_channels_are_numbers_ranges_or_all() -> None:
    assert channels("3,8-11") == (3, 8, 9, 10, 11)
    assert channels("all") == ()
    for text in ("", "x", "4-2", "3-"):
        with pytest.raises(StriateError, match="accepted: numbers and ranges"):
            channels(text)


def test_a_report_holds_pictures_page_film_and_the_judge(tmp_path: Path) -> None:
    out = tmp_path / "made"
    report = st.synthesize(
        "class", "striate/small", target="3,star", steps=4, film=True, judge="striate/resnet20.random", out=out,
        quiet=True,
    )  # fmt: skip
    assert [one.target for one in report.result.images] == ["heart", "star"]
    assert sorted(path.name for path in out.iterdir()) == [
        "citations.bib", "class-3.png", "class-7.png", "making.mp4", "report.html", "report.json",
    ]  # fmt: skip
    saved = json.loads((out / "report.json").read_text())
    assert set(saved["result"]) >= {"images", "scores", "judge", "history"}
    assert saved["result"]["judge"]["net"] == "striate/resnet20"
    assert saved["origin"]["net"]["name"].startswith("striate/small")


def test_what_was_painted_so_far_is_kept_where_painting_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(nn.Module):
        """Breaks after a few passes."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 2)
            self.passes = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.passes += 1
            if self.passes > 40:
                raise RuntimeError("out of passes")
            return self.linear(x.flatten(1))

    monkeypatch.setattr("time.monotonic", itertools.count(10**9, 10).__next__)  # pictures are due at each step
    net = Net(Failing(), channels=1, size=8, classes=("a", "b"), name="failing")
    with pytest.raises((StriateError, RuntimeError), match="out of passes"):
        st.synthesize("class", net, steps=99, out=tmp_path / "made", quiet=True)
    assert (tmp_path / "made-forming.png").stat().st_size > 100
    assert not (tmp_path / "made").exists()


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown kind of synthesis 'clas'"):
        st.synthesize("clas", "striate/small", quiet=True)
