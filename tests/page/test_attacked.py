"""The pages and the terminal's lines of nets under attack."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from page.sample import HOSTILE, NAMES, draw_shape, png
from page.test_html import Reader
from striate.attacks.payload import (
    Attacked,
    Bound,
    ClassRobustness,
    CurvePoint,
    Masking,
    Member,
    Probe,
    Robustness,
    Transfer,
)
from striate.attacks.payload_shared import Corrupted, Damaged, Judged, Move, Patched, Spatial, Universal
from striate.core.codec import from_json
from striate.core.number import Number
from striate.core.report import Cost, Origin, Report
from striate.metrics.intervals import wilson
from striate.page.html import render_page
from striate.page.text import render_text


def album() -> dict[str, bytes]:
    return {f"{k}-{what}.png": png(draw_shape(k, 60)) for k in range(4) for what in ("clean", "attacked", "difference")}


def robustness(names: tuple[str, ...]) -> Robustness:
    rows = tuple(
        Attacked(
            k, f"image {names[k]}", k, k, (k + 1) % 4, k < 3, k < 2 if k < 3 else None, 0.03 - 0.005 * k, k,
            smallest=0.02, broken_by="square", picture=f"{k}-attacked.png", original=f"{k}-clean.png",
            difference=f"{k}-difference.png",
        )
        for k in range(4)
    )  # fmt: skip
    return Robustness(
        method="auto", norm="inf", radius=8 / 255, target=None, n=40, clean_accuracy=wilson(36, 40),
        robust_accuracy=wilson(11, 40), distance=Number(0.03, 0.02, 0.03, 25), survives_8bit=wilson(20, 25),
        masking=Masking(
            ("one step of the whole radius breaks 9 of 11 images that many steps did not",), wilson(0, 36),
            wilson(3, 40),
            (Probe("one step", 11, 9), Probe("unbounded", 11, 11)), 20, "module 0",
        ),
        per_image=rows, passes={"forward": 9000, "backward": 4000},
        curve=(CurvePoint(0.0, wilson(36, 40)), CurvePoint(0.01, wilson(20, 40)), CurvePoint(8 / 255, wilson(11, 40))),
        members=(Member("apgd_ce", 24, wilson(12, 40)), Member("square", 1, wilson(11, 40))),
        smallest=Number(0.02, 0.01, 0.03, 25),
        per_class=tuple(ClassRobustness(k, wilson(9, 10), wilson(1 + 2 * k, 10), (k + 1) % 4) for k in range(4)),
        names=names, factor=5.0, survives_jpeg=wilson(9, 25),
        transfer=Transfer((names[0], names[1]), ((wilson(25, 36), wilson(9, 30)), (wilson(5, 30), wilson(20, 30)))),
        bounds=(Bound("ibp", "the net", wilson(4, 40), "inf", 8 / 255, "intervals"),),
    )  # fmt: skip


def judged(names: tuple[str, ...]) -> tuple[Judged, ...]:
    return tuple(Judged(k, f"image {names[k]}", k, k, 1, k != 1, picture=f"{k}-attacked.png") for k in range(4))


def universal(names: tuple[str, ...]) -> Universal:
    return Universal(
        "universal", "inf", 10 / 255, 100, 200, wilson(66, 100), wilson(30, 100), wilson(63, 100), wilson(160, 200),
        wilson(40, 100), "random signs", wilson(60, 63), wilson(50, 63), judged(names), {"forward": 10, "backward": 5},
        names=names, delta="0-difference.png", factor=10.0,
    )  # fmt: skip


def patched(names: tuple[str, ...]) -> Patched:
    return Patched(
        "patch", 1, 0.1, 100, 200, wilson(66, 100), wilson(4, 100), wilson(91, 100), wilson(70, 100), wilson(0, 100),
        wilson(1, 100), wilson(53, 100), wilson(90, 91), wilson(82, 91), 0.04, 0.2, judged(names),
        {"forward": 10, "backward": 5}, names=names, patch="0-difference.png", page="patch.pdf", centimetres=10.0,
    )  # fmt: skip


def corrupted(names: tuple[str, ...]) -> Corrupted:
    kinds = tuple(
        Damaged(
            kind, family, tuple(wilson(9 - k, 10) for k in range(5)), wilson(2 + at, 10), wilson(5, 10), Number.of(0.8)
        )
        for at, (kind, family) in enumerate((("shot_noise", "noise"), ("fog", "weather"), ("pixelate", "digital")))
    )
    return Corrupted(
        "corruptions", 60, "ImageNet-C", wilson(54, 60), wilson(17, 60), Number.of(0.9), names[0], kinds,
        {"forward": 4500, "backward": 0}, sheet="2-clean.png", notes=(names[1],),
    )  # fmt: skip


def moved(names: tuple[str, ...]) -> Spatial:
    rows = tuple(
        Move(k, f"image {names[k]}", k, k, 1, k != 1, 2.0, -1.0, 15.0, f"{k}-attacked.png", f"{k}-clean.png")
        for k in range(4)
    )
    return Spatial(
        "spatial", 40, 30.0, 0.1, (5, 5, 31), 10, wilson(36, 40), wilson(4, 40), wilson(11, 40), wilson(20, 40), rows,
        {"forward": 31_000, "backward": 0}, names,
    )  # fmt: skip


MAKES = {"robustness": robustness, "universal": universal, "patched": patched, "corrupted": corrupted, "moved": moved}


def report(kind: str, names: tuple[str, ...] = NAMES[:4]) -> Report[object]:
    origin = Origin(command="striate attack a b", net={"name": names[0]}, data={"name": names[1]}, seed=0)
    return Report("attack", MAKES[kind](names), (), origin, Cost(), album=album())


@pytest.mark.parametrize("kind", MAKES)
def test_a_page_tells_the_numbers_and_shows_the_pictures(kind: str) -> None:
    page = render_page(report(kind)).replace("\u00a0", " ")
    assert page.count("data:image/") >= 2 - (kind == "corrupted")
    words = {
        "robustness": ("Masking verdict", "The most fragile class is circle", "certified", "apgd_ce", "Transfer"),
        "universal": ("One difference within", "changed by noise of that size", "the difference, times 10"),
        "patched": ("A patch on 10 %", "patch.pdf", "so with random colours"),
        "moved": ("Shifts of 10 % and turns of 30 degrees leave", "2.0 across, -1.0 down, 15 degrees"),
        "corrupted": ("shot noise", "Accuracy falls with the strength", "mean corruption error"),
    }[kind]
    for word in words:
        assert word in page, word


@pytest.mark.parametrize("kind", MAKES)
def test_hostile_names_stay_text(kind: str) -> None:
    read = Reader(render_page(report(kind, tuple(HOSTILE[k] for k in (0, 1, 2, 6)))))
    assert len(read.of("script")) == 2
    assert not any("onerror" in attributes or "onmouseover" in attributes for _, attributes in read.elements)


@pytest.mark.parametrize("kind", MAKES)
def test_the_terminal_says_it_in_its_width_and_json_comes_back(kind: str) -> None:
    made = report(kind)
    for width in (60, 100):
        assert max(len(line) for line in render_text(made, width=width).splitlines()) <= width
    result = json.loads(json.dumps(made.to_json()["result"]))
    assert from_json(result, type(made.result)) == made.result


def test_a_result_of_nothing_still_has_a_page() -> None:
    made = report("robustness")
    nothing = Number.missing("no image was fooled by a change")
    bare = replace(
        made.result, per_image=(), curve=(), members=(), per_class=(), transfer=None, bounds=(), distance=nothing,
        survives_8bit=nothing, smallest=nothing, masking=Masking((), nothing, nothing),
    )  # fmt: skip
    assert "robust accuracy" in render_page(replace(made, result=bare))


def test_no_class_is_called_the_most_fragile_where_all_keep_alike() -> None:
    made = report("robustness")
    alike = tuple(replace(each, robust_accuracy=wilson(0, 10)) for each in made.result.per_class)
    page = render_page(replace(made, result=replace(made.result, per_class=alike)))
    assert "All classes keep alike" in page
    assert "most fragile class" not in page
