"""Units, for a terminal."""

from __future__ import annotations

from striate.inside.units.payload import Layer, Units

from .format import count, fixed, points, value_of
from .lines import MOST_LINES, result_lines
from .table import table


@result_lines.register
def _units(result: Units, width: int, color: bool) -> list[str]:
    del color
    head = ("layer", "units", "never fire", "same pairs", "field, px", "gradient, px", "occluders, px")
    rows = [_row(layer) for layer in result.layers]
    lines = [f"{count(result.images, 'image')} of {result.size[0]} x {result.size[1]}"]
    lines += table(head, rows, width=width, numbers=frozenset(range(1, 7)))
    body = [
        (
            one.site,
            str(one.unit),
            "never fires" if one.dead else value_of(one.top[0].value) if one.top else "-",
            one.top[0].image if one.top else "",
            ", ".join(map(str, one.top[0].box)) if one.top else "",
            *((one.label.concept or "-" if one.label else "-",) if result.meanings else ()),
            *((value_of(points(one.effect.change)) if one.effect else "-",) if result.accuracy else ()),
            one.picture,
        )
        for one in result.units[:MOST_LINES]
    ]
    more = [*(["follows"] if result.meanings else []), *(["without, points"] if result.accuracy else [])]
    heads = ("layer", "unit", "most", "image", "box", *more, "picture")
    lines += [
        "",
        *table(heads, body, width=width, numbers=frozenset({2, *([4 + len(more)] if result.accuracy else [])})),
    ]
    if len(result.units) > len(body):
        lines.append(f"and {count(len(result.units) - len(body), 'unit')} more")
    lines += _meanings(result, width)
    if result.attention is not None:
        found = [float(each.distance) for each in result.attention.reach]
        lines += ["", f"heads look {fixed(min(found), 1)} to {fixed(max(found), 1)} px away"]
    if result.filters is not None:
        ordered = sorted(fit.r2 for fit in result.filters.fits)
        lines += [
            "",
            f"filters of {result.filters.site} as Gabor functions: median R2 {ordered[len(ordered) // 2]:.2f}",
        ]
    return lines


def _meanings(result: Units, width: int) -> list[str]:
    """Which share of each layer's units follows a concept of each kind."""
    if not result.meanings:
        return []
    kinds = result.meanings[0].kinds
    rows = [
        (
            each.net,
            each.site,
            f"{each.units:,}",
            value_of(each.labelled, percent=True),
            *(value_of(share, percent=True) for share in each.shares),
        )
        for each in result.meanings
    ]
    head = ("net", "layer", "units", "labelled, %", *kinds)
    many = range(2, len(head))
    return ["", f"masks of {result.labelled_on}", *table(head, rows, width=width, numbers=frozenset(many))]


def _row(layer: Layer) -> tuple[str, ...]:
    return (
        layer.site,
        f"{layer.units:,}",
        f"{len(layer.dead):,}",
        f"{layer.duplicated:,}" if layer.compared else "-",
        " x ".join(map(str, layer.field)),
        fixed(float(layer.effective), 0),
        value_of(layer.empirical),
    )
