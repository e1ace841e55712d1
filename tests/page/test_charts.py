from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from striate.core.number import Number
from striate.page.charts import (
    APART,
    HEIGHT,
    TOP,
    WIDTH,
    Axis,
    Bar,
    Level,
    Series,
    apart,
    bar_chart,
    interval_glyph,
    line_chart,
    reliability_diagram,
    sparkline,
)
from striate.page.scale import Scale, ticks
from striate.page.svg import element, short

CURVE = ((0.0, Number(0.96, 0.92, 0.98)), (4.0, Number(0.5, 0.43, 0.57)), (16.0, Number(0.02, 0.01, 0.06)))


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def marks(root: ET.Element, tag: str, kind: str) -> list[ET.Element]:
    return [each for each in root.iter(tag) if kind in each.get("class", "").split()]


def places(each: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in each.get("points", "").split()]


def robust() -> ET.Element:
    chart = line_chart(
        "a finding", [Series("robust", CURVE)], key="k", x=Axis("radius", 0), y=Axis("right, %", 0, 1, percent=True),
        levels=[Level(0.1, "chance")], mark=(4.0, CURVE[1][1], "50 % at 4/255"),
    )  # fmt: skip
    return parsed(chart.svg)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(3, 8))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    assume(span > 1e-6 * abs(low))
    found = ticks(low, high, most=most)
    lead = found.step / 10 ** math.floor(math.log10(found.step) + 1e-9)
    assert min(abs(lead - nice) for nice in (1, 2, 5, 10)) < 1e-6
    assert len(found.values) <= most + 1
    assert all(low - 1e-6 * span <= value <= high + 1e-6 * span for value in found.values)
    assert found.step * most <= 5 * span  # and not fewer than they could be


def test_ticks_of_familiar_ranges() -> None:
    assert ticks(0, 1).values == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert ticks(0, 12, most=6).values == (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
    with pytest.raises(ValueError, match="no ticks between"):
        ticks(1, 1)


def test_a_line_goes_through_its_points() -> None:
    (line,) = marks(robust(), "polyline", "line")
    left, right, bottom, top = 44, WIDTH - 100, HEIGHT - 40, TOP
    expected = [(left + (right - left) * at / 16, bottom - (bottom - top) * float(y)) for at, y in CURVE]
    assert places(line) == [pytest.approx(each, abs=0.006) for each in expected]


def test_a_band_holds_the_intervals() -> None:
    (band,) = marks(robust(), "polygon", "band")
    corners = places(band)
    bottom, top = HEIGHT - 40, TOP
    ends = [y.high for _, y in CURVE] + [y.low for _, y in reversed(CURVE)]
    assert [y for _, y in corners] == [pytest.approx(bottom - (bottom - top) * end, abs=0.006) for end in ends]


def test_a_level_and_the_point_that_matters_are_drawn_and_named() -> None:
    root = robust()
    (level,) = marks(root, "line", "level")
    assert float(level.get("y1", "")) == pytest.approx(HEIGHT - 40 - (HEIGHT - 40 - TOP) * 0.1, abs=0.006)
    (dot,) = marks(root, "circle", "mark")
    middle = (HEIGHT - 40 + TOP) / 2
    assert (float(dot.get("cx", "")), float(dot.get("cy", ""))) == pytest.approx((44 + 296 / 4, middle), abs=0.006)
    words = [each.text for each in root.iter("text")]
    assert {"chance", "robust", "50 % at 4/255", "radius"} <= set(words)


def test_a_missing_value_breaks_the_line() -> None:
    points = (*CURVE[:2], (8.0, Number.missing("not measured")), CURVE[2], (20.0, Number(0.0)))
    chart = line_chart("t", [Series("a", points)], key="k", x=Axis("x"), y=Axis("y", 0, 1))
    lines = marks(parsed(chart.svg), "polyline", "line")
    assert [len(places(line)) for line in lines] == [2, 2]
    assert ("8", "-") in chart.rows


def test_bars_start_at_zero_and_are_as_long_as_their_numbers() -> None:
    bars = [
        Bar("ring", Number(0.8, 0.7, 0.9), marked=True),
        Bar("star", Number(0.4)),
        Bar("gone", Number.missing("absent")),
    ]
    chart = bar_chart("t", bars, key="k", axis=Axis("recall, %", 0, 1, percent=True), levels=[Level(0.6, "mean")])
    root = parsed(chart.svg)
    drawn = marks(root, "rect", "bar")
    room = WIDTH - 72 - 124
    assert [float(each.get("x", "")) for each in drawn] == [124, 124]
    assert [float(each.get("width", "")) for each in drawn] == pytest.approx([0.8 * room, 0.4 * room], abs=0.01)
    whisker = marks(root, "line", "whisker")[0]
    ends = (float(whisker.get("x1", "")), float(whisker.get("x2", "")))
    assert ends == pytest.approx((124 + 0.7 * room, 124 + 0.9 * room), abs=0.01)
    assert chart.rows == (("ring", "80 % [70, 90]"), ("star", "40.0 %"), ("gone", "-"))


def test_a_bar_below_zero_ends_at_zero() -> None:
    chart = bar_chart("t", [Bar("a", Number(-0.5)), Bar("b", Number(0.5))], key="k", axis=Axis("x"))
    first, second = marks(parsed(chart.svg), "rect", "bar")
    assert float(first.get("x", "")) + float(first.get("width", "")) == pytest.approx(
        float(second.get("x", "")), abs=0.02
    )


def test_reliability_points_stand_at_confidence_and_accuracy() -> None:
    bins = [
        (0.0, 0.5, 0, Number.missing("empty"), Number.missing("empty")),
        (0.5, 1.0, 40, Number(0.75), Number(0.6, 0.5, 0.7)),
    ]
    chart = reliability_diagram("t", bins, key="k")
    root = parsed(chart.svg)
    (dot,) = marks(root, "circle", "dot")
    assert (float(dot.get("cx", "")), float(dot.get("cy", ""))) == pytest.approx(
        (44 + 280 * 0.75, 264 - (264 - TOP) * 0.6), abs=0.01
    )
    assert chart.rows == (("50 to 100 %", "40", "75.0 %", "60 % [50, 70]"),)
    (bar,) = marks(root, "rect", "bar")
    assert float(bar.get("height", "")) == 36


@given(st.lists(st.floats(0, 220), min_size=1, max_size=6))
def test_labels_do_not_touch(at: list[float]) -> None:
    placed = apart([(each, "a", "") for each in at], Scale(0, 1, 224, 14))
    rows = [each[0] for each in placed]
    assert all(after - before >= APART - 1e-9 for before, after in pairwise(rows))
    assert max(rows) <= 224


def test_a_drawing_announces_its_title_and_description() -> None:
    root = robust()
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "k-title k-desc"
    assert root.find("title").text == "a finding"
    assert "robust goes from 96 % to 2 %" in root.find("desc").text


def test_small_pictures_are_hidden_from_screen_readers_and_stay_inside() -> None:
    spark, glyph = parsed(sparkline([3.0, 1.0, 2.0])), parsed(interval_glyph(Number(0.5, 0.4, 0.6), level=0.1))
    assert spark.get("aria-hidden") == glyph.get("aria-hidden") == "true"
    assert all(0 <= x <= 88 and 0 <= y <= 20 for x, y in places(marks(spark, "polyline", "line")[0]))
    assert float(marks(glyph, "circle", "dot")[0].get("cx", "")) == 52
    assert sparkline([]) == interval_glyph(Number.missing("none")) == ""


def test_hostile_labels_are_text() -> None:
    bars = [Bar("<script>", Number(0.5)), Bar('"&\u202e', Number(0.1))]
    svg = bar_chart("<b>", bars, key="k", axis=Axis("x")).svg
    assert "<script>" not in svg
    assert "\u202e" not in svg
    assert "<script>" in [each.text for each in parsed(svg).iter("text")]


def test_a_coordinate_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="nan"):
        element("line", x1=math.nan)
    assert [short(value) for value in (1.0, 0.126, -0.001, 120)] == ["1", "0.13", "0", "120"]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2)), min_size=2, max_size=20),
    st.floats(0, 1),
)
def test_no_drawing_holds_what_is_no_number(values: list[tuple[float, float]], level: float) -> None:
    points = tuple((float(at), Number(y, max(y - half, 0), min(y + half, 1))) for at, (y, half) in enumerate(values))
    chart = line_chart("t", [Series("a", points)], key="k", x=Axis("x"), y=Axis("y"), levels=[Level(level, "l")])
    assert not re.search(r"nan|inf", chart.svg, flags=re.IGNORECASE)
