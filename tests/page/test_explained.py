"""The page and the terminal's lines of an explanation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from page.sample import HOSTILE, NAMES, explanation_of
from page.test_html import Reader
from striate.core.codec import from_json, to_json
from striate.core.number import Number
from striate.core.report import Cost, Origin, Report
from striate.inside.payload import Agreement, Explanation, Faith, MeasureMean, MethodSummary, ObjectRow, SanityRow
from striate.page.html import render_page
from striate.page.text import render_text


def report(names: tuple[str, ...] = NAMES[:9]) -> Report[Explanation]:
    plain, album = explanation_of(names)
    faiths = [
        Faith(name, Number(0.1, why="one image"), Number(0.4, why="x"), Number(0.3, why="x"), higher, not higher)
        for name, higher in (("deletion", False), ("insertion", True))
    ]
    maps = tuple(replace(row, faithfulness=tuple(faiths), predicted_name=names[0]) for row in plain.maps)

    def mean(name: str, value: float, higher: bool) -> MeasureMean:
        gain = Number(0.2, 0.1, 0.3, 4, "95 %")
        return MeasureMean(name, Number(value, value - 0.01, value + 0.01, 4), gain, gain, Number(0.75, n=4), higher)

    methods = tuple(
        MethodSummary(
            method,
            (mean("deletion", 0.1 + k / 10, False), mean("insertion", 0.5 - k / 10, True)),
            Number(1.0 + k, 0.9 + k, 1.1 + k, 4) if k < 3 else Number.missing("a control: not ranked"),
            3 if k < 3 else 0,
            4 if k < 3 else 0,
            8,
        )
        for k, method in enumerate(("gradient", "grad_cam", "occlusion", "random", "edge"))
    )
    sanity = tuple(
        SanityRow(name, (0.5, 1.0), (Number(s, n=4), Number(s, n=4)), (Number(s, n=4),) * 2, 0.5, s < 0.5)
        for name, s in (("gradient", 0.1), ("grad_cam", 0.8), ("edge", 1.0))
    )
    objects = (ObjectRow(maps[0].image, "gradient", (3, 4, 40, 50), 0.3, maps[0].input_picture, Number(0.61, n=1)),)
    result = Explanation(
        maps, methods, "gradient", "By deletion, gradient comes first.",
        (Agreement("gradient", "grad_cam", Number(0.2)), Agreement("gradient", "occlusion", Number(0.6)),
         Agreement("grad_cam", "occlusion", Number(0.4))),
        ("cam: the net has no pooling",), sanity, objects,
    )  # fmt: skip
    origin = Origin(command="striate explain net photo.jpg", arguments={"net": names[0]}, seed=0)
    return Report("explain", result, (), origin, Cost(10, 10, 1.0, 0), {}, album=album)


def test_the_page_says_which_map_to_trust_and_why() -> None:
    read = Reader(render_page(report()))
    shown = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    assert shown == ["maps", "trust", "agreement", "sanity", "objects", "method", "glossary"]
    words = read.words()
    assert words.count("By deletion, gradient comes first.") == 2
    assert words.count("✓ better than both") == words.count("✕ not better than both") == 12
    assert "edges of the image" in words
    assert (
        "gradient and occlusion agree most, rank correlation 0.600; gradient and Grad-CAM least, 0.200."
        in words.replace("Gradient and", "gradient and")
    )
    assert "Maps of Grad-CAM stay much the same when the weights are random" in words
    assert "IoU with the known mask 0.610" in words
    assert "cam: the net has no pooling" in words


def test_the_terminal_says_the_same_within_its_width() -> None:
    text = render_text(report())
    assert max(map(len, text.splitlines())) <= 100
    for words in ("By deletion, gradient comes first.", "FAILS", "left out: cam", "3, 4, 40, 50"):
        assert words in text


def test_without_measures_only_maps_are_shown() -> None:
    full = report()
    plain, _ = explanation_of(NAMES[:9])
    read = Reader(render_page(replace(full, result=plain)))
    shown = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    assert shown == ["maps", "method", "glossary"]


@pytest.mark.parametrize("names", [NAMES[:9], HOSTILE])
def test_the_payload_goes_through_json_and_names_do_no_harm(names: tuple[str, ...]) -> None:
    full = report(names)
    assert from_json(to_json(full.result), Explanation) == full.result
    read = Reader(render_page(full))
    assert [tag for tag, _ in read.elements].count("script") == 2
