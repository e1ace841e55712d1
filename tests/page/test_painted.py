"""The page and the terminal's lines of images that were made."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from PIL import Image

from page.sample import HOSTILE, NAMES, draw_shape, png
from page.test_html import Reader
from striate.core.codec import from_json
from striate.core.number import Number
from striate.core.report import Cost, Origin, Report
from striate.metrics.intervals import wilson
from striate.page.html import render_page
from striate.page.text import render_text
from striate.synthesis.payload import Judged, Measured, Painted, Synthesis


def gif() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30)).save(stream, "GIF", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")])
    return stream.getvalue()


def report(names: tuple[str, ...] = NAMES[:4]) -> Report[Synthesis]:
    album = {f"made-{k}.png": png(draw_shape(k, 60)) for k in range(len(names))}
    album |= {"photo.png": png(draw_shape(5, 60)), "making.gif": gif()}
    images = tuple(
        Painted(name, k, f"made-{k}.png", 3.5 + k, 0.9, k, 0, 3.4 + k, 2.0 + k, name, "photo.png")
        for k, name in enumerate(names)
    )
    judged = Judged(
        "striate/lenet5", (0, 1, 2, 0), (0.8, 0.7, 0.6, 0.1), wilson(3, 4), (*names[:3], names[0]), (0, 1, 2, 3)
    )
    table = Measured(
        f"Error rises with depth: {names[0]}",
        ("layer", "pixels", "note"),
        (("conv1", 0.01, None), ("conv2", 0.2, "flat"), ("conv3", 0.35, None)),
        draw=("pixels",),
    )
    result = Synthesis(
        "invert", "code distance", 40, images, tuple(one.score for one in images), judged,
        tuple(tuple(-1 / (1 + step) for step in range(41)) for _ in names), (table,), ("making.gif", "zoom.mp4"),
        ("the layer has no maps",),
    )  # fmt: skip
    origin = Origin(command="striate synthesize invert net", arguments={"net": names[0]}, seed=0)
    return Report("synthesize", result, (), origin, Cost(10, 10, 1.0, 0), {}, album=album)


def test_images_stand_beside_what_they_were_made_from_and_say_who_sees_what() -> None:
    read = Reader(render_page(report()))
    shown = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    assert shown == ["images", "films", "measured", "making", "method", "glossary"]
    words = read.words()
    assert "Another net, striate/lenet5, sees in 75 % [30, 95] of them what was meant." in words
    assert words.count("only its maker sees it") == 1
    assert "zoom.mp4 lies beside this page." in words
    assert "the layer has no maps" in words
    uris = [each["src"] or "" for each in read.of("img")]
    assert sum(uri.startswith("data:image/png") for uri in uris) == 4
    assert sum(uri.startswith("data:image/gif") for uri in uris) == 1
    assert len(read.of("use")) == 4  # the photograph, which all four share, is in the page once


def test_a_table_is_shown_whole_and_its_curve_drawn() -> None:
    read = Reader(render_page(report()))
    words = read.words()
    assert "conv2 0.2 flat" in words
    assert "conv3 0.35 -" in words
    titles = [attributes for tag, attributes in read.elements if tag == "polyline"]
    assert len(titles) == 5  # one curve of the table, four of the scores


def test_the_results_come_back_out_of_the_page() -> None:
    one = report()
    data = json.loads(Reader(render_page(one)).raw["application/json"])
    assert from_json(data["result"], Synthesis) == one.result


def test_hostile_names_of_classes_are_text() -> None:
    read = Reader(render_page(report(HOSTILE[:4])))
    assert len(read.of("script")) == 2
    assert not [each for each in read.of("img") if not (each["src"] or "").startswith("data:image/")]


def test_many_images_are_drawn_as_their_mean_with_its_range() -> None:
    one = report()
    many = replace(
        one.result,
        images=one.result.images * 3,
        history=tuple((0.0, 1.0 + k, 2.0 + k) for k in range(12)),
        judge=None,
    )
    read = Reader(render_page(replace(one, result=many)))
    assert "The score rose for 12 of 12 images" in read.words()
    assert "no other net has judged them" in read.words()


def test_a_terminal_is_told_scores_judge_tables_and_notes() -> None:
    text = render_text(report())
    assert "striate/lenet5 agrees on 75 % [30, 95]" in text
    assert "Error rises with depth" in text
    assert "conv2" in text
    assert "note: the layer has no maps" in text
    assert max(map(len, text.splitlines())) <= 100
    missing = replace(report().result, judge=Judged("other", (1,) * 4, (0.5,) * 4, Number.missing("nothing was meant")))
    assert "agrees on" not in render_text(replace(report(), result=missing))
