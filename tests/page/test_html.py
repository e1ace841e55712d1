from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from page.sample import HOSTILE, NAMES, bare, checked, compared, draw_shape, png, sample
from striate.checks.payload import Checked
from striate.core.codec import from_json
from striate.core.errors import ImageError, StriateError
from striate.core.number import Number
from striate.core.report import Report
from striate.measure.compared import Comparison
from striate.page.catalogue import Catalogue
from striate.page.html import MOST, render_page
from striate.page.payload import Examination
from striate.page.pictures import Shelf, fitting, shown_size, size_of
from striate.page.snippet import render_snippet

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Reader(HTMLParser):
    """Elements with their attributes, ids, text by element; complains where elements do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: dict[str, str] = {}
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] in ("script", "style"):
            tag, attributes = self.open[-1]
            self.raw[attributes.get("type") or tag] = self.raw.get(attributes.get("type") or tag, "") + data
        else:
            self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report() -> Report[Examination]:
    return sample()


@pytest.fixture(scope="module")
def page(report: Report[Examination]) -> str:
    return render_page(report)


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def test_the_page_is_small_enough(page: str) -> None:
    assert len(page.encode()) <= MOST


def test_the_page_asks_nobody_for_anything(page: str, read: Reader) -> None:
    for tag, attributes in read.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset", "formaction"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/")), f"<{tag} {name}={value[:60]}>"
        assert not any(name.startswith("on") for name in attributes)
        assert "style" not in attributes
    assert not read.of("link")
    assert "@import" not in page
    assert "url(http" not in page


def test_the_policy_names_the_hashes_of_the_only_script_and_style(read: Reader) -> None:
    (policy,) = [each["content"] for each in read.of("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(read.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_results_come_back_out_of_the_page(report: Report[Examination], read: Reader) -> None:
    data = json.loads(read.raw["application/json"])
    assert data == json.loads(json.dumps(report.to_json()))
    assert from_json(data["result"], Examination) == report.result


def test_every_anchor_leads_somewhere_and_ids_are_unique(read: Reader) -> None:
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {
        attributes["href"] for tag, attributes in read.elements if (attributes.get("href") or "").startswith("#")
    }
    assert len(targets) > 40
    assert {f"#{each}" for each in ids} >= targets


def test_the_verdict_comes_first_then_findings_most_serious_first(page: str) -> None:
    order = [
        page.index(f'id="{each}"') for each in ("verdict", "findings", "classes", "confusion", "calibration", "method")
    ]
    assert order == sorted(order)
    words = re.findall(r'class="finding (\w+)', page)
    assert words == ["error", "warning", "note"]


def test_the_numbers_of_the_verdict_are_those_of_the_report(report: Report[Examination], read: Reader) -> None:
    words = read.words()
    assert "95.2 % [94.2, 96.1]" in words
    assert "Its weakest class is ring" in words
    assert "where chance gives 10.0 %" in words


def test_every_section_opens_with_the_sentence_that_it_proves(page: str) -> None:
    sections = re.findall(r'<section id="(\w+)".*?</h2>\s*<(\w+)( class="claim")?', page, flags=re.DOTALL)
    assert [name for name, _, claim in sections if not claim] == ["findings", "glossary"]
    assert len(sections) >= 13


def test_confusion_cells_lead_to_their_pictures(report: Report[Examination], page: str) -> None:
    table = report.result.evaluation.confusion
    for label, row in enumerate(table):
        for predicted, n in enumerate(row):
            if label != predicted and n:
                assert f'<a href="#cell-{label}-{predicted}"' in page
                block = page.split(f'id="cell-{label}-{predicted}"')[1].split("</details>", maxsplit=1)[0]
                assert block.count('class="pic') == min(n, 12)


def test_a_picture_shown_twice_stands_in_the_page_once(page: str) -> None:
    uris = re.findall(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", page)
    assert len(uris) == len(set(uris))
    assert "<use href=" in page


def test_every_picture_has_a_name(read: Reader) -> None:
    assert all(each.get("alt") for each in read.of("img"))
    assert all(
        each.get("aria-label") or each.get("aria-labelledby") or each.get("aria-hidden") for each in read.of("svg")
    )


def test_nothing_empty_is_shown(report: Report[Examination]) -> None:
    read = Reader(render_page(bare(report)))
    shown = {attributes["id"] for tag, attributes in read.elements if tag == "section"}
    assert shown == {"classes", "confusion", "calibration", "method", "citations", "glossary"}
    assert "The checks found nothing to mend." in read.words()
    assert "Left out" not in read.words()


def test_hostile_names_are_text() -> None:
    page = render_page(sample(HOSTILE, each=20))
    read = Reader(page)
    assert len(read.of("script")) == 2
    assert not [each for each in read.of("img") if not (each["src"] or "").startswith("data:image/")]
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    assert "<script>document.title='broken'</script>" in read.words()
    assert "{{ 7 * 7 }}" in read.words()
    assert "\u202e" not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert "\x1b" not in page
    assert json.loads(read.raw["application/json"])["result"]["evaluation"]["names"] == list(HOSTILE)


def test_hostile_findings_are_text(report: Report[Examination]) -> None:
    first = replace(
        report.findings[0], seen="<img src=x onerror=alert(1)>", command="striate '</code><script>x</script>'"
    )
    read = Reader(render_page(replace(report, findings=(first,))))
    assert "<img src=x onerror=alert(1)>" in read.words()
    assert len(read.of("script")) == 2


def test_a_page_that_would_be_too_large_shows_fewer_pictures_and_says_so(report: Report[Examination]) -> None:
    most = 700_000
    page = render_page(report, most=most)
    assert len(page.encode()) <= most
    assert re.search(r"\d+ of \d+ pictures: the page would be too large", page)
    assert page.count('class="finding') >= 3
    first = report.result.explanation.maps[0].picture
    assert base64.b64encode(report.album[first]).decode() in page


def test_pictures_that_the_album_lacks_are_passed_over(report: Report[Examination]) -> None:
    page = render_page(replace(report, album={}))
    assert "data:image/" not in page
    assert "96 mistakes without picture" in page


def test_no_place_on_this_machine_is_in_the_page(page: str) -> None:
    assert not re.search(r"/(home|root|work|tmp|usr|Users)/", page)


def test_many_classes_are_shown_by_their_worst() -> None:
    page = render_page(sample(tuple(f"class {i}" for i in range(60)), each=8))
    assert "The 30 of 60 classes with the most mistakes are shown." in page
    assert "Recall of the 20 weakest classes" in page


def test_two_classes_are_enough() -> None:
    strip = render_page(sample(("cat", "dog"), each=50)).split('class="strip"')[1].split("</dl>", maxsplit=1)[0]
    assert "top-5" not in strip
    assert strip.count("<dt>") == 6


def test_numbers_without_value_say_why(report: Report[Examination]) -> None:
    evaluation = report.result.evaluation
    absent = replace(evaluation.classes[0], precision=Number.missing("no image is called so"))
    classes = (absent, *evaluation.classes[1:])
    page = render_page(replace(report, result=replace(report.result, evaluation=replace(evaluation, classes=classes))))
    assert 'title="no image is called so"' in page
    assert "missing: no image is called so" in page


def test_equal_reports_give_equal_pages(report: Report[Examination], page: str) -> None:
    assert render_page(report) == page


def test_small_pictures_are_enlarged_by_whole_factors() -> None:
    luck = random.Random(1)
    for _ in range(200):
        width, height = luck.randrange(3, 127), luck.randrange(3, 127)
        across, down = shown_size(width, height, 112)
        assert across % width == 0
        assert across // width == down // height
    assert shown_size(500, 375, 112) == (149, 112)
    assert shown_size(3, 200, 112) == (6, 400)
    assert shown_size(3, 2000, 112) == (1, 448)


def test_sizes_are_read_from_the_head_of_a_picture() -> None:
    image = draw_shape(0, 1).resize((37, 21))
    assert size_of(png(image), "a") == (37, 21)
    for options in ({"quality": 75}, {"lossless": True}, {"quality": 75, "exif": b"Exif\x00\x00"}):
        import io

        stream = io.BytesIO()
        image.save(stream, "WEBP", **options)
        assert size_of(stream.getvalue(), "a") == (37, 21)
    with pytest.raises(ImageError, match=r"'a\.bmp' of the album is neither PNG, WebP nor GIF"):
        Shelf({"a.bmp": b"BM" + bytes(40)}).show("a.bmp", "x")


def test_pictures_are_kept_by_importance_until_the_budget_is_spent() -> None:
    album = {"a": b"a" * 300, "b": b"b" * 3000, "c": b"a" * 300, "d": b"d" * 300}
    assert fitting(album, ["a", "b", "c", "d"], 1300) == {"a", "c", "d"}
    assert fitting(album, ["a", "missing"], 0) == frozenset()


def test_a_snippet_for_a_notebook_is_escaped_text(report: Report[Examination]) -> None:
    snippet = render_snippet(sample(HOSTILE, each=20))
    assert snippet.startswith("<pre")
    assert "<script" not in snippet
    assert NAMES[4] in render_snippet(report)


def test_a_painted_image_seen_as_another_class_says_so(report: Report[Examination]) -> None:
    synthesis = report.result.synthesis
    images = (replace(synthesis.images[0], predicted=3, probability=0.2), *synthesis.images[1:])
    changed = replace(report.result, synthesis=replace(synthesis, images=images))
    words = Reader(render_page(replace(report, result=changed))).words()
    assert "the net sees star of its class 20.0 %" in words
    assert "the net sees square 99.9 %" in words


def test_checked_data_have_a_page_with_copies_side_by_side_and_what_to_keep() -> None:
    report = checked()
    read = Reader(render_page(report))
    shown = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    assert shown == [
        "findings", "duplicates", "leaks", "suspects", "doubtful", "counts", "statistics", "cleaned", "method",
        "glossary",
    ]  # fmt: skip
    words = read.words()
    assert "18 images have a copy: 2 groups with equal pixels and 4 groups of near copies; 12 could go." in words
    assert "keeps 2,980 images: it leaves out 1 and proposes another label for 1" in words
    data = json.loads(read.raw["application/json"])
    assert from_json(data["result"], Checked) == report.result


def test_hostile_names_in_data_are_text() -> None:
    read = Reader(render_page(checked(HOSTILE)))
    assert len(read.of("script")) == 2
    assert not [each for each in read.of("img") if not (each["src"] or "").startswith("data:image/")]


def test_a_weak_slice_is_named_with_its_pictures_and_filters_the_gallery(
    report: Report[Examination], page: str
) -> None:
    read = Reader(page)
    assert "It is weakest on brightness below 0.21" in read.words()
    weak = {each.row for each in report.result.evaluation.mistakes if each.slices}
    tiles = [each for each in read.of("figure") if each.get("data-slices") == "0"]
    assert len(tiles) == len(weak) > 0


def test_a_report_without_page_is_refused() -> None:
    with pytest.raises(StriateError, match="a report of methods has no page"):
        render_page(Report("methods", Catalogue("methods", ())))


def test_compared_nets_have_a_page_that_says_who_is_best() -> None:
    report = compared()
    read = Reader(render_page(report))
    shown = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    assert shown == ["nets", "pairs", "disagreements", "method", "glossary"]
    assert "runs/small is better than every other beyond chance: 98.0 % [96.4, 98.9] right." in read.words()
    assert "3 of 3 pairs differ beyond chance." in read.words()
    assert len(read.of("circle")) == 9  # three nets in each of three charts
    data = json.loads(read.raw["application/json"])
    assert from_json(data["result"], Comparison) == report.result
    assert len(Reader(render_page(compared(HOSTILE[:3]))).of("script")) == 2
