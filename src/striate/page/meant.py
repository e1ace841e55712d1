"""What units follow, kind by kind by depth, and sheets of maps and kernels: sections of the page of units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from striate.inside.meaning.payload import LayerMeaning
from striate.inside.units.payload import Sheet, Units

from .charts import Axis, Chart, Series, line_chart
from .format import count, named, readable, shown, value_of
from .looks import colour_bar
from .pictures import Picture, Shelf
from .section import Section, number_of

LARGE = 300  # short side of a sheet


@dataclass(frozen=True)
class Spread:
    """A sheet as it is shown: its layer, what it holds, the picture, its colour scale."""

    site: str
    words: str
    picture: Picture
    scale: Markup


def meaning_section(result: Units) -> Section | None:
    """Which share of each layer's units follows a concept of each kind, net by net."""
    rows = result.meanings
    if not rows:
        return None
    kinds = [k for k, _ in enumerate(rows[0].kinds) if any(row.unique[k] or number_of(row.shares[k]) for row in rows)]
    nets = list(dict.fromkeys(row.net for row in rows))
    head = (
        *(("net",) if len(nets) > 1 else ()), "layer", "units", "labelled, %",
        *(f"{rows[0].kinds[k]}, %" for k in kinds), "concepts",
    )  # fmt: skip
    body = [
        (
            *((named(row.net, 40),) if len(nets) > 1 else ()),
            row.site,
            f"{row.units:,}",
            shown(row.labelled, percent=True),
            *(value_of(row.shares[k], percent=True) for k in kinds),
            str(sum(row.unique)),
        )
        for row in rows
    ]
    charts = [chart for net in nets if (chart := _by_depth([row for row in rows if row.net == net], kinds)) is not None]
    first = 2 if len(nets) > 1 else 1
    content = {
        "data": result.labelled_on, "head": head, "rows": body, "charts": charts,
        "numbers": list(range(first, len(head))),
    }  # fmt: skip
    return Section("meaning", "Meaning", meaning_claim(rows), content)


def meaning_claim(rows: Sequence[LayerMeaning]) -> str:
    """How many units follow something, first and last layer, and the kind that most follow in the last."""
    own = [row for row in rows if row.net == rows[0].net]
    last = own[-1]
    best = max(range(len(last.kinds)), key=lambda k: number_of(last.shares[k]))
    percent = value_of(last.labelled, percent=True)
    claim = f"At {named(last.site)} {percent} of {count(last.units, 'unit')} follow a concept more than chance would"
    if len(own) > 1:
        claim += f", at {named(own[0].site)} {value_of(own[0].labelled, percent=True)}"
    if number_of(last.shares[best]) > 0 and sum(any(row.unique[k] for row in own) for k in range(len(last.kinds))) > 1:
        claim += f"; the kind followed most there is {last.kinds[best]}"
    return f"{claim}."


def _by_depth(rows: Sequence[LayerMeaning], kinds: Sequence[int]) -> Chart | None:
    if len(rows) < 2 or not kinds:
        return None
    series = [
        Series(rows[0].kinds[k], tuple((float(at + 1), row.shares[k]) for at, row in enumerate(rows))) for k in kinds
    ]
    where = f" of {named(rows[0].net, 40)}" if rows[0].net else ""
    return line_chart(
        f"Units{where} by the kind of concept that they follow", series, key="meaning",
        x=Axis("layer"), y=Axis("share of the layer's units, %", 0, percent=True), x_names=[row.site for row in rows],
    )  # fmt: skip


def sheets_section(result: Units, shelf: Shelf) -> Section | None:
    """All maps of a layer for one image, and the kernel of one deeper unit."""
    maps = [(layer.site, layer.maps) for layer in result.layers if layer.maps is not None]
    kernels = [(layer.site, layer.kernel) for layer in result.layers if layer.kernel is not None]
    shown_maps = [each for each in (_spread(site, one, shelf, "maps") for site, one in maps) if each is not None]
    shown_kernels = [
        each for each in (_spread(site, one, shelf, "kernel") for site, one in kernels) if each is not None
    ]
    if not shown_maps and not shown_kernels:
        return None
    what = maps[0][1].what if maps else ""
    claim = f"All units of a layer for one image, {named(readable(what))}." if maps else "The kernel of a deeper unit."
    return Section("sheets", "Maps", claim, {"maps": shown_maps, "kernels": shown_kernels})


def _spread(site: str, sheet: Sheet, shelf: Shelf, kind: str) -> Spread | None:
    signed = sheet.limits[0] < 0
    picture = shelf.show(sheet.picture, f"{kind} of {site}, {sheet.what}", target=LARGE)
    if picture is None:
        return None
    one = "unit" if kind == "maps" else "channel"
    words = count(sheet.of, one) if sheet.tiles == sheet.of else f"the first {sheet.tiles} of {count(sheet.of, one)}"
    if kind == "kernel":
        words = f"{sheet.what}, {words}"
    unit = "activation" if kind == "maps" else "weight"
    key = "".join(each if each.isalnum() else "-" for each in f"{kind}-{site}")
    return Spread(site, words, picture, colour_bar(f"ramp-{key}", sheet.limits, signed, unit))
