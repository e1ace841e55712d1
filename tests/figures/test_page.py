"""docs/figures.md is kept in step with the registry by these tests."""

from __future__ import annotations

import re
from pathlib import Path

from oracles.figures_known import IDS, KNOWN
from striate.figures import FIGURES, figure, reproduce_figures

PAGE = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")


def test_the_page_lists_every_figure_as_it_is_registered() -> None:
    rows = [
        f"| `{name}` | {entry.summary} | {entry.where} | {entry.kind} |" for name in FIGURES for entry in [figure(name)]
    ]
    assert [row for row in rows if row not in PAGE] == []


def test_the_page_names_exactly_the_figures_that_are_missing() -> None:
    section = PAGE.partition("## Not there yet")[2]
    assert set(re.findall(r"`([a-z0-9-]+)`", section)) == IDS - set(FIGURES)
    assert f"{len(FIGURES)} of the {len(IDS)} figures" in PAGE
    assert all(theme in PAGE for theme in KNOWN)


def test_what_the_page_calls_wrong_is_a_note_of_a_claim() -> None:
    section = PAGE.partition("## Where the lectures are wrong")[2].partition("## Not there yet")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", section, flags=re.MULTILINE)
    assert len(rows) > 35
    result, _ = reproduce_figures(sorted({name for name, _ in rows}))
    notes = {(row.id, each.note.replace("|", "&#124;")) for row in result.figures for each in row.claims}
    assert [row for row in rows if row not in notes] == []


def test_the_code_on_the_page_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    space: dict[str, object] = {}
    exec(compile(code, "docs/figures.md", "exec"), space)
    assert "result" in space
