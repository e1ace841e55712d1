from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.attacks.hardening.spec import Hardening
from striate.core.number import Number
from striate.page.format import (
    ELLIPSIS,
    behind,
    bytes_of,
    cells,
    count,
    cut,
    fixed,
    hardening,
    is_share,
    large,
    named,
    norm,
    pad,
    radius,
    readable,
    seconds,
    shown,
    value_of,
    wrap,
)
from striate.page.table import table


@pytest.mark.parametrize(
    ("number", "percent", "text"),
    [
        (Number(0.934, 0.9214, 0.9448), True, "93.4 % [92.1, 94.5]"),
        (Number(0.88, 0.8256, 0.9189), True, "88 % [83, 92]"),
        (Number(0.5, 0.2, 0.8), True, "50 % [20, 80]"),
        (Number(0.96213, 0.9580, 0.9650), True, "96.2 % [95.8, 96.5]"),
        (Number(0.96213, 0.9605, 0.9637), True, "96.21 % [96.05, 96.37]"),
        (Number(0.1612, 0.1421, 0.1803), False, "0.161 [0.142, 0.180]"),
        (Number(1.0, 1.0, 1.0), True, "100.0 % [100.0, 100.0]"),
        (Number(0.7), True, "70.0 %"),
        (Number(0.0712), False, "0.0712"),
        (Number(20.0), False, "20.0"),
        (Number(0.0), False, "0.000"),
        (Number(1.25e-7), False, "1.2e−07"),
        (Number(0.5, 0.5, 0.5 + 1e-12), True, "50.0000 % [50.0000, 50.0000]"),
        (Number(-0.02, -0.031, -0.009), False, "−0.020 [−0.031, −0.009]"),
        (Number.missing("no images"), True, "-"),
    ],
)
def test_a_number_has_the_digits_that_its_interval_supports(number: Number, percent: bool, text: str) -> None:
    assert shown(number, percent=percent) == text


def test_a_missing_number_says_why() -> None:
    assert value_of(Number.missing("the class is absent")) == "-"
    assert behind(Number.missing("the class is absent")) == "the class is absent"
    assert behind(Number(0.5, 0.4, 0.6, n=1200)) == "95 % interval in brackets; n = 1,200"


def test_no_negative_zero() -> None:
    assert fixed(-0.0001, 2) == "0.00"
    assert fixed(-1234.5, 1) == "−1,234.5"


@pytest.mark.parametrize(
    ("value", "text"), [(8 / 255, "8/255"), (1 / 255, "1/255"), (0.1, "0.1"), (0.5, "0.5"), (0.0, "0"), (2.0, "2")]
)
def test_a_radius_of_whole_grey_levels_is_a_fraction(value: float, text: str) -> None:
    assert radius(value) == text


def test_what_a_run_keeps_of_its_hardening_is_read_with_its_radius_as_it_was_given() -> None:
    kept = Hardening("pgd", 8 / 255).words
    assert hardening(kept) == "pgd within Linf 8/255, steps 7, step 0.25, inner eval"
    assert hardening(Hardening("fast", 0.5, norm=2.0).words).startswith("fast within L2 0.5, steps 1")
    assert hardening("") == ""


def test_units_read_as_people_write_them() -> None:
    assert [seconds(value) for value in (0.421, 4.2, 12.4, 185, 7800)] == [
        "0.42 s", "4.2 s", "12 s", "3 min 05 s", "2 h 10 min"
    ]  # fmt: skip
    assert [bytes_of(value) for value in (12, 2048, 812 << 20, 3 << 30)] == ["12 B", "2.0 KiB", "812 MiB", "3.0 GiB"]
    assert [large(value) for value in (12, 269_722, 1_814_000_000)] == ["12", "270 k", "1.81 G"]
    assert [count(1, "image"), count(2000, "image"), count(2, "class", "classes")] == [
        "1 image",
        "2,000 images",
        "2 classes",
    ]
    assert [norm("inf"), norm("2")] == ["L∞", "L2"]


def test_only_a_share_of_a_count_is_written_in_percent() -> None:
    assert is_share(Number(0.2, 0.1, 0.3, n=50))
    assert not is_share(Number(0.2, 0.1, 0.3))
    assert not is_share(Number(1.4, 0.9, 1.9, n=50))
    assert not is_share(Number(0.03, n=50))


def test_controls_and_direction_marks_cannot_get_through() -> None:
    assert readable("a\x1b[31mb\nc\u202ed\u200be\x7f") == "a␛[31mb␊c\ufffdd\ufffde␡"
    assert readable("שלום 東京 é") == "שלום 東京 é"


def test_a_name_that_runs_to_the_left_is_kept_apart() -> None:
    assert named("ring") == "ring"
    assert named("שלום") == "\u2068שלום\u2069"
    assert named("x" * 99, 10) == "x" * 9 + ELLIPSIS


@given(st.text(max_size=60), st.integers(2, 30))
def test_cut_and_pad_hold_their_width(text: str, width: int) -> None:
    assert cells(cut(text, width)) <= width
    assert cells(pad(text, width)) == width


@given(st.text(max_size=200), st.integers(4, 40))
def test_wrap_holds_its_width_and_loses_no_letter(text: str, width: int) -> None:
    clean = readable(text)
    lines = wrap(clean, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(clean.split())


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80), st.text(max_size=9)), max_size=5))
def test_a_table_never_is_wider_than_the_line(rows: list[tuple[str, str, str]]) -> None:
    lines = table(("a name", "what it is", "n"), rows, width=60, numbers=frozenset({2}))
    assert all(cells(line) <= 60 for line in lines)
    assert len(lines) == len(rows) + 1


def test_wide_letters_keep_columns_aligned() -> None:
    lines = table(("class", "n"), [("東京", "1"), ("ring", "22")], numbers=frozenset({1}))
    assert lines == ["class   n", "東京    1", "ring   22"]
