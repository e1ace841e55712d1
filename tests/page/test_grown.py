"""The page and the terminal's table of a learning curve show what was measured, and no empty column."""

from __future__ import annotations

from dataclasses import replace

import pytest

import striate.page.text  # noqa: F401  registers what draws in a terminal
from striate.core.number import Number
from striate.learn.curves.payload import Grown, LearningCurve, PowerLaw
from striate.page.charts import Level, Series
from striate.page.format import readable
from striate.page.grown import _errors as errors_section
from striate.page.grown import _gaps as gaps_section
from striate.page.grown import error_table
from striate.page.lines import result_lines
from striate.page.log_charts import log_chart, ruler

NONE = Number.missing("too few sizes")
HALF = Number(0.5, 0.4, 0.6, 100)


def point(*, train_dev: Number | None = None) -> Grown:
    return Grown(100, 0, 2, HALF, train_dev, HALF, HALF, "runs/one")


@pytest.mark.parametrize("between", [None, HALF])
def test_train_dev_has_a_column_exactly_where_it_was_measured(between: Number | None) -> None:
    heads, rows = error_table([point(train_dev=between)])
    assert ("train-dev" in heads) is (between is not None)
    assert {len(row) for row in rows} == {3 + len(heads)}
    curve = LearningCurve("n", "d", "quick", (point(train_dev=between),), None, (), PowerLaw(NONE, NONE, NONE), "none")
    text = readable("\n".join(result_lines(curve, 100, False)))
    assert ("train-dev" in text) is (between is not None)


def test_names_of_places_stand_before_all_lines_and_within_the_chart() -> None:
    falling = Series("seed 0", tuple((10.0**power, Number(-float(power))) for power in range(-5, 2)))
    marks = [Level(0.02, "steepest"), Level(0.1, "suggested"), Level(9.0, "the recipe's")]
    chart = log_chart("title", [falling], key="k", x="rate", y="loss", log_x=True, log_y=False, marks=marks)
    drawn = str(chart.svg)
    last = max(drawn.rindex("<polyline"), drawn.rindex("<line"))
    for mark in marks:
        assert drawn.index(f">{mark.label}<".replace("'", "&#39;")) > last
    assert (
        'text-anchor="end"' in drawn[drawn.rindex("<text", 0, drawn.index(">the recipe")) : drawn.index(">the recipe")]
    )


def test_counts_on_a_logarithmic_axis_read_as_counts() -> None:
    assert [words for _, words in ruler([100, 60_000], 0, 1, log=True).marks] == ["100", "1,000", "10,000"]


@pytest.mark.parametrize(
    ("first", "last", "title"),
    [
        (Number(0.5, 0.4, 0.6, 100), Number(0.2, 0.1, 0.3, 100), "Error falls with the size of the data"),
        (Number(0.5, 0.4, 0.6, 100), Number(0.45, 0.35, 0.55, 100), "Error hardly moves with the data"),
        (Number(0.2, 0.1, 0.3, 100), Number(0.5, 0.4, 0.6, 100), "Error grows with the size of the data"),
    ],
)
def test_the_title_of_the_chart_says_what_the_error_does(first: Number, last: Number, title: str) -> None:
    points = tuple(replace(point(), size=size, test=test) for size, test in ((100, first), (300, last)))
    why = "2 sizes, and a power law needs 3"
    curve = LearningCurve("n", "d", "quick", points, None, (), PowerLaw(NONE, NONE, NONE, why=why), "none")
    assert errors_section(curve).content["chart"].title == title
    assert gaps_section(curve).claim.endswith(f"{why}.")
