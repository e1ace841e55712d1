"""The page of images that were made: what each was made for, who recognises it, how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from striate.core.number import Number
from striate.core.report import Report
from striate.synthesis.payload import Measured, Painted, Synthesis

from . import record
from .charts import Axis, Chart, Series, line_chart
from .format import count, fixed, named, readable, shown, value_of
from .outline import Outline
from .pictures import Picture, Shelf
from .section import Section
from .text_synthesis import cell_text
from .verdict import Headline, tally

LARGE = 224  # short side of an image on the page
MOST_LINES = 5  # of one chart


@dataclass(frozen=True)
class Shown:
    """One image with what it was made from, and lines of (what, value)."""

    picture: Picture
    source: Picture | None
    lines: tuple[tuple[str, str], ...]


def outline(report: Report[Synthesis]) -> Outline:
    """What a synthesis puts on its page."""
    result = report.result
    return Outline(
        subject=f"{result.kind} images of {named(str(report.origin.arguments.get('net', 'a net')), 60)}",
        other="",
        lead=f"{painted_claim(result)} {tally(report.findings)}" if report.findings else painted_claim(result),
        headlines=tuple(_headlines(result)),
        pictures=tuple(dict.fromkeys([*_pictures(result), *(each for each in result.films if each.endswith(".gif"))])),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def painted_claim(result: Synthesis) -> str:
    """Who recognises what was made."""
    images = count(len(result.images), "image")
    judge = result.judge
    if judge is None:
        return f"{images[0].upper()}{images[1:]}; no other net has judged them."
    if judge.agrees.value is None:
        return f"{images[0].upper()}{images[1:]} of no class in particular; {named(judge.net)} says what it sees."
    return f"Another net, {named(judge.net)}, sees in {shown(judge.agrees, percent=True)} of them what was meant."


def _pictures(result: Synthesis) -> Iterator[str]:
    for one in result.images:
        yield one.picture
        if one.source:
            yield one.source


def _headlines(result: Synthesis) -> Iterator[Headline]:
    judge, first = result.judge, result.images[0]
    if judge is not None and judge.agrees.value is not None:
        yield Headline("judge", "recognised by the judge", judge.agrees, note=count(judge.agrees.n or 0, "image"))
    known = [one for one in result.images if one.probability is not None]
    if known:
        share = sum(float(one.probability or 0) for one in known) / len(known)
        yield Headline("confidence", "confidence of the maker", Number(share, why="a mean over the images"))
    rises = [each for each in result.history if len(each) > 1]
    if rises:
        yield Headline("", "score at the start", _mean([each[0] for each in rises]), percent=False)
    yield Headline(
        "",
        "score at the end",
        _mean(list(result.scores)),
        percent=False,
        note=named(first.target, 30) if len(result.images) == 1 else "",
    )
    fresh = [one.fresh for one in result.images if one.fresh is not None]
    if fresh:
        yield Headline("", "score under fresh views", _mean(fresh), percent=False, note="shifted, scaled, turned")


def _mean(values: list[float]) -> Number:
    return Number.of(sum(values) / len(values), n=len(values), why="" if len(values) == 1 else "a mean over the images")


def _sections(report: Report[Synthesis], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        images_section(result, shelf),
        films_section(result, shelf),
        measured_section(result),
        making_section(result),
        record.method_section(report, dropped, limits=list(result.notes)),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def images_section(result: Synthesis, shelf: Shelf) -> Section | None:
    """Every image, beside what it was made from."""
    figures = []
    for place, one in enumerate(result.images):
        picture = shelf.show(one.picture, f"image painted for {one.target}", target=LARGE)
        if picture is None:
            continue
        source = shelf.show(one.source, f"what {one.picture} was made from", target=LARGE) if one.source else None
        figures.append(Shown(picture, source, tuple(_lines(result, one, place))))
    if not figures:
        return None
    paired = any(each.source is not None for each in figures)
    content = {"figures": figures, "paired": paired, "objective": readable(result.objective), "judge": result.judge}
    return Section(
        "images", "Images", f"{count(len(figures), 'image')} by {count(result.steps, 'step')} each.", content
    )


def _lines(result: Synthesis, one: Painted, place: int) -> Iterator[tuple[str, str]]:
    judge = result.judge
    yield "for", one.target
    yield "score", fixed(one.score, 2) if abs(one.score) >= 0.1 else f"{one.score:.3g}"
    if one.sees:
        share = "" if one.probability is None else f", {value_of(one.probability, percent=True)} for the target"
        yield "the net sees", f"{one.sees}{share}"
    if judge is not None and place < len(judge.sees):
        wanted = judge.wanted[place] if place < len(judge.wanted) else None
        alone = ": only its maker sees it" if wanted is not None and judge.predicted[place] != wanted else ""
        yield "the judge sees", f"{judge.sees[place]} {value_of(judge.probability[place], percent=True)}{alone}"


def films_section(result: Synthesis, shelf: Shelf) -> Section | None:
    """Films: those that a page can play, and the names of the others."""
    playing = [
        picture
        for name in result.films
        if name.endswith(".gif") and (picture := shelf.show(name, f"film {name}", target=LARGE)) is not None
    ]
    files = [name for name in result.films if name not in {each.key for each in playing}]
    if not playing and not files:
        return None
    return Section("films", "Films", "How they came about, frame by frame.", {"playing": playing, "files": files})


def measured_section(result: Synthesis) -> Section | None:
    """The method's own tables, drawn where there is a curve in them."""
    if not result.tables:
        return None
    blocks = [
        {
            "title": readable(each.title),
            "head": each.columns,
            "rows": [tuple(cell_text(cell) for cell in row) for row in each.rows],
            "numbers": [
                k for k in range(len(each.columns)) if any(isinstance(row[k], (int, float)) for row in each.rows)
            ],
            "charts": [] if (chart := _chart(each, place)) is None else [chart],
        }
        for place, each in enumerate(result.tables)
    ]
    return Section("measured", "Measured", readable(result.tables[0].title), {"blocks": blocks})


def _chart(table: Measured, place: int) -> Chart | None:
    """The drawn columns over the rows, in their order."""
    columns = [table.columns.index(name) for name in table.draw]
    series = [
        Series(
            table.columns[k],
            tuple(
                (float(at + 1), Number.of(cell))
                for at, row in enumerate(table.rows)
                if isinstance(cell := row[k], (int, float))
            ),
        )
        for k in columns
    ]
    series = [each for each in series if len(each.points) > 1][:MOST_LINES]
    if not series:
        return None
    names = [cell_text(row[0]) for row in table.rows]
    return line_chart(
        readable(table.title), series, key=f"measured-{place}", x=Axis(f"row: {table.columns[0]}"),
        y=Axis(series[0].label if len(series) == 1 else "value"), x_names=names,
    )  # fmt: skip


def making_section(result: Synthesis) -> Section | None:
    """The score over the steps: each image where they are few, else their mean and range."""
    curves = [each for each in result.history if len(each) > 1]
    if not curves:
        return None
    length = max(map(len, curves))
    if len(curves) <= MOST_LINES and len(curves) == len(result.images):
        series = [
            Series(one.target, tuple((float(k), Number(score)) for k, score in enumerate(each)))
            for one, each in zip(result.images, curves, strict=True)
        ]
    else:
        whole = [each for each in curves if len(each) == length]
        points = []
        for step, scores in enumerate(zip(*whole, strict=True)):
            middle = sum(scores) / len(scores)
            points.append((float(step), Number(middle, min(scores), max(scores), len(scores), "lowest to highest")))
        series = [Series("mean", tuple(points))]
    risen = sum(each[-1] > each[0] for each in curves)
    title = f"The score rose for {risen} of {count(len(curves), 'image')}"
    chart = line_chart(title, series, key="making", x=Axis("step", 0), y=Axis("score"))
    return Section(
        "making",
        "Making",
        "The score, from the start to the last step.",
        {"chart": chart, "objective": readable(result.objective)},
    )
