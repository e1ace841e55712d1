from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from page.sample import HOSTILE, robustness_of, sample
from striate.core.number import Number
from striate.core.report import Report
from striate.figures.payload import Claim, FigureRow, Reproduction
from striate.nets.payload import Summaries
from striate.page.catalogue import Catalogue, CatalogueRow
from striate.page.format import cells
from striate.page.payload import Demonstration, Examination
from striate.page.text import render_text


@pytest.fixture(scope="module")
def report() -> Report[Examination]:
    return sample()


def reproduction(figures: int) -> Reproduction:
    claims = (
        Claim("L1 norm of [0.2, 0.8, 0.2, 0.1]", 1.4, 1.3, 1.3, 1e-12, True, "the source adds wrongly"),
        Claim("weights of ResNet-20", 269722, 269722, 269723, 0, False),
    )
    rows = tuple(
        FigureRow(f"f{i}", "norms", "lecture 3, page 7", "arithmetic", i % 2 == 0, claims) for i in range(figures)
    )
    return Reproduction(rows, sum(row.passed for row in rows), figures)


def payloads(examination: Examination) -> dict[str, object]:
    row = CatalogueRow(
        "striate/small", "a small net " * 20, "striate", "Apache-2.0", ("he2016deep",), {"parameters": "93,098"}
    )
    return {
        "examination": examination,
        "evaluation": examination.evaluation,
        "robustness": examination.robustness,
        "explanation": examination.explanation,
        "synthesis": examination.synthesis,
        "training": examination.training,
        "summary": examination.summary,
        "summaries": Summaries((examination.summary, replace(examination.summary, name="東京/net"))),
        "reproduction": reproduction(2),
        "reproductions": reproduction(9),
        "catalogue": Catalogue("models", (row, replace(row, name="timm/" + "x" * 90))),
        "demonstration": Demonstration(
            "runs/demo", "report.html", Number(0.95, 0.94, 0.96), Number(0.2), ("striate --help",)
        ),
    }


@pytest.mark.parametrize("names", [None, HOSTILE])
@pytest.mark.parametrize("width", [60, 100, 300])
def test_no_line_is_wider_than_the_terminal_or_a_hundred_columns(names: tuple[str, ...] | None, width: int) -> None:
    report = sample(names, each=10) if names else sample()
    for kind, payload in payloads(report.result).items():
        text = render_text(replace(report, result=payload), width=width)
        for line in text.splitlines():
            if "$ " not in line:  # a command is to be copied whole
                assert cells(line) <= min(width, 100), (kind, line)
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_results_come_first_then_findings_then_paths(report: Report[Examination]) -> None:
    text = render_text(report)
    places = [
        text.index(part) for part in ("accuracy  ", "error   A change", "warning ", "note  ", "page: report.html")
    ]
    assert places == sorted(places)
    assert "$ striate attack runs/shapes shapes --method pgd --radius 8/255" in text


def test_colour_only_when_asked(report: Report[Examination]) -> None:
    coloured = render_text(report, color=True)
    assert "\x1b[31merror   \x1b[0m" in coloured
    plain = render_text(report)
    assert "\x1b" not in plain


def test_an_evaluation_lists_the_weakest_classes_first(report: Report[Examination]) -> None:
    lines = render_text(Report("evaluate", report.result.evaluation)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("class"))
    assert lines[start + 1].startswith("ring ")
    recalls = [float(line.split()[2]) for line in lines[start + 1 : start + 11]]
    assert recalls == sorted(recalls)


def test_many_classes_are_cut_and_said_so() -> None:
    report = sample(tuple(f"class {i}" for i in range(40)), each=8)
    assert "the 10 weakest of 40 classes" in render_text(Report("evaluate", report.result.evaluation))


def test_what_failed_is_told_with_its_numbers() -> None:
    text = render_text(Report("reproduce", reproduction(1)))
    assert "pass  L1 norm of [0.2, 0.8, 0.2, 0.1]      1.4      1.3      1.3" in text
    assert "FAIL  weights of ResNet-20             269,722  269,722  269,723" in text
    assert "the source adds wrongly" in text


def test_an_empty_catalogue_says_so() -> None:
    assert render_text(Report("models", Catalogue("models", ()))) == "no models fit"


def test_a_payload_of_no_known_class_is_still_printed() -> None:
    assert render_text(Report("other", "just words")) == "just words"


def test_neither_text_nor_page_loads_torch_or_numpy() -> None:
    code = (
        "import sys, striate.page.text, striate.page.html, striate.page.snippet;"
        "print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_aimed_attack_in_the_2_norm_says_what_it_counts_and_writes_radii_plainly() -> None:
    names = tuple("abcdefghij")
    robustness, _ = robustness_of(names)
    curve = tuple(replace(point, radius=at) for point, at in zip(robustness.curve, (0.0, 0.2, 0.5), strict=False))
    plain = render_text(Report("attack", robustness))
    aimed = render_text(Report("attack", replace(robustness, target=1, norm="2", radius=0.5, curve=curve)))
    assert "robust accuracy" in plain
    assert "robust accuracy" not in aimed
    assert "not turned into it" in aimed
    assert "51/255" not in aimed
    assert "\n0.2 " in aimed
