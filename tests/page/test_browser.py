"""The page in a headless Chromium, opened from disk: quiet, complete, reachable, readable, within its width."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page.sample import HOSTILE, NAMES, checked, compared, sample
from striate.page.html import render_page

pytestmark = pytest.mark.browser
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium() -> str | None:
    script = Path(__file__).parents[2] / "docs" / "browser.py"
    spec = importlib.util.spec_from_file_location("browser", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.find()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make env")
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: make browser")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(sample()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Any]:
    """Opens the page; afterwards it must have said nothing to the console and asked for nothing but itself."""
    seen: list[str] = []
    contexts = []

    def go(width: int = 1400, url: str = address, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url.startswith("data:") else seen.append(request.url))
        page.goto(url)
        page.set_default_timeout(8000)
        return page

    yield go
    for context in contexts:
        context.close()
    assert all(each.startswith("file:") and each.endswith(".html") for each in seen), seen


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", [400, 900, 1200, 1400])
def test_nothing_is_wider_than_the_window(visit: Any, width: int) -> None:
    page = visit(width)
    assert overflow(page) <= 0
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert overflow(page) <= 0


@pytest.mark.parametrize("width", [400, 1400])
def test_hostile_names_neither_run_nor_burst_the_page(visit: Any, tmp_path: Path, width: int) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(render_page(sample(HOSTILE, each=20)), encoding="utf-8")
    page = visit(width, url=path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert page.title() == "runs/shapes on shapes, test split"
    assert overflow(page) <= 0


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_axe_finds_nothing(visit: Any, colours: str, width: int) -> None:
    page = visit(width, color_scheme=colours, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert not complaints(page)


def complaints(page: Any) -> list[tuple[str, list[str]]]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make env")
    found = axe.Axe().run(page)
    return [(each["id"], [node["html"][:160] for node in each["nodes"]][:3]) for each in found.response["violations"]]


def test_the_filters_leave_what_was_asked_for(visit: Any) -> None:
    page = visit()
    everything = page.locator("[data-gallery] .tile").count()
    wanted = page.locator("[data-gallery] .tile[data-label='4']").count()
    assert 0 < wanted < everything
    page.select_option("select[name=label]", "4")
    assert page.locator("[data-gallery] .tile:visible").count() == wanted
    assert page.locator("[data-filters] output").inner_text() == f"{wanted} of {everything} shown"
    page.select_option("select[name=label]", "")
    assert page.locator("[data-gallery] .tile:visible").count() == everything


def test_the_gallery_filters_by_slice_and_by_confidence(visit: Any) -> None:
    page = visit()
    weak = page.locator("[data-gallery] .tile[data-slices='0']").count()
    page.select_option("select[name=slices]", "0")
    assert page.locator("[data-gallery] .tile:visible").count() == weak > 0
    page.select_option("select[name=slices]", "")
    every = page.eval_on_selector_all(
        "[data-gallery] .tile", "tiles => tiles.map(tile => Number(tile.dataset.confidence))"
    )
    sure = sum(value >= 0.9 for value in every)
    page.select_option("select[name=confidence]", "0.9")
    assert page.locator("[data-gallery] .tile:visible").count() == sure
    assert 0 < sure < len(every)


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("names", [NAMES, HOSTILE])
@pytest.mark.parametrize("made", [checked, compared])
def test_other_pages_keep_their_width_and_please_axe(
    visit: Any, tmp_path: Path, made: Any, names: tuple[str, ...], width: int
) -> None:
    place = tmp_path / "other.html"
    report = made(names if made is checked else names[:3])
    place.write_text(render_page(report), encoding="utf-8")
    page = visit(width, place.as_uri(), bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert overflow(page) <= 0
    assert not complaints(page)


def test_a_table_sorts_up_and_down_and_back_to_its_reading_order(visit: Any) -> None:
    page = visit()
    names = "[...document.querySelectorAll('#classes [data-sortable] tbody th')].map((each) => each.textContent)"
    rows = "[...document.querySelectorAll('#classes [data-sortable] tbody tr')]"
    recalls = f"{rows}.map((each) => Number(each.cells[2].dataset.value))"
    before = page.evaluate(names)
    button = page.get_by_role("button", name="sort by recall")
    button.click()
    assert page.evaluate(recalls) == sorted(page.evaluate(recalls))
    assert page.locator("#classes th[aria-sort=ascending]").count() == 1
    button.click()
    assert page.evaluate(recalls) == sorted(page.evaluate(recalls), reverse=True)
    button.click()
    assert page.evaluate(names) == before
    assert page.locator("#classes th[aria-sort]").count() == 0


def test_a_cell_of_the_matrix_leads_to_its_pictures(visit: Any) -> None:
    page = visit()
    place = page.locator("#cell-4-3, #cell-4-8").first
    assert not place.is_visible()
    page.locator(f"a[href='#{place.get_attribute('id')}']").first.click()
    place.wait_for(state="visible")
    assert place.locator(".pic").first.is_visible()
    assert page.evaluate("document.activeElement.id") == place.get_attribute("id")


def test_without_javascript_everything_is_there_and_cells_still_lead(visit: Any) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator("h1").inner_text() == "runs/shapes on shapes, test split"
    assert page.locator("[data-gallery] .tile:visible").count() == 24
    page.locator("[data-gallery] summary").click()
    assert page.locator("[data-gallery] .tile:visible").count() == 96
    page.locator("a[href='#cell-4-8']").first.click()
    page.locator("#cell-4-8 .pic").first.wait_for(state="visible")
    assert page.locator("[data-filters]").is_hidden()


def test_a_command_is_copied(visit: Any) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="copy the command").first.click()
    page.get_by_text("copied", exact=True).wait_for()
    command = page.locator(".command code").first.inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_a_picture_is_enlarged_and_escape_leads_back(visit: Any) -> None:
    page = visit()
    zoom = page.locator("[data-gallery] .zoom").first
    small = zoom.locator(".pic").bounding_box()["width"]
    zoom.focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog .pic")
    large.wait_for(state="visible")
    assert large.bounding_box()["width"] >= 2 * small
    assert page.locator("dialog figcaption").inner_text().startswith("says")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.classList.contains('zoom')")


def test_the_keyboard_reaches_everything_that_answers(visit: Any) -> None:
    page = visit()
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, select, summary, input')]
             .filter((each) => each.checkVisibility() && !(each.type === 'radio' && !each.checked))
             .map((each, index) => { each.dataset.reach = index; return String(index); })"""
    )
    reached = set()
    for _ in range(len(wanted) + 60):
        page.keyboard.press("Tab")
        mark = page.evaluate("document.activeElement.dataset.reach ?? ''")
        if mark == wanted[-1]:
            reached.add(mark)
            break
        reached.add(mark)
    assert len(wanted) > 60
    assert set(wanted) <= reached


def test_a_term_is_explained_on_focus(visit: Any) -> None:
    page = visit()
    page.keyboard.press("Tab")
    page.evaluate("document.querySelector('.strip .term').focus()")
    tip = page.evaluate("getComputedStyle(document.activeElement, '::after').content")
    assert tip == '"Share of the images whose class the net names rightly."'


@pytest.mark.parametrize("script", [True, False])
def test_the_switch_turns_the_colours(visit: Any, script: bool) -> None:
    page = visit(color_scheme="light", java_script_enabled=script)
    ground = page.locator("body")
    assert ground.evaluate("(each) => getComputedStyle(each).backgroundColor") == "rgb(255, 255, 255)"
    page.locator("label[for=theme-dark]").click()
    assert ground.evaluate("(each) => getComputedStyle(each).backgroundColor") == "rgb(20, 22, 26)"


def test_print_unfolds_everything_and_is_light(visit: Any, tmp_path: Path) -> None:
    page = visit(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".top").is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 5
    pdf = tmp_path / "page.pdf"
    page.pdf(path=str(pdf), format="A4")
    assert pdf.stat().st_size > 100_000


def test_the_results_can_be_saved(visit: Any) -> None:
    page = visit()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="save them as report.json").click()
    assert waiting.value.suggested_filename == "report.json"
