"""Maps, for a terminal."""

from __future__ import annotations

from striate.inside.payload import Explanation, SanityRow

from .format import count, readable, value_of, wrap
from .lines import MOST_LINES, result_lines
from .table import table


@result_lines.register
def _explanation(result: Explanation, width: int, color: bool) -> list[str]:
    del color
    body = [
        (
            row.image,
            row.method,
            row.target_name,
            value_of(row.probability, percent=True),
            f"{row.limits[0]:.3g} to {row.limits[1]:.3g}",
            {True: "holds", False: "FAILS", None: "not made"}[row.check.holds],
        )
        for row in result.maps[: 2 * MOST_LINES]
    ]
    head = ("image", "method", "class", "probability", "limits", "check")
    lines = table(head, body, width=width, numbers=frozenset({3}))
    if len(result.maps) > len(body):
        lines.append(f"and {count(len(result.maps) - len(body), 'map')} more")
    if result.methods:
        lines += ["", *_methods(result, width)]
    if result.sanity:
        lines += ["", *_sanity(result.sanity, width)]
    if result.labels:
        told = [
            (row.method, value_of(row.spearman[0]), value_of(row.ssim[0]), "holds" if row.holds else "FAILS")
            for row in result.labels
        ]
        columns = ("labels permuted", "rank correlation", "structural similarity", "maps differ")
        lines += ["", *table(columns, told, width=width, numbers=frozenset({1, 2}))]
    if result.objects:
        cut = [
            (
                each.image,
                each.method,
                "none" if each.box is None else ", ".join(map(str, each.box)),
                value_of(each.share, percent=True),
                value_of(each.iou),
                each.picture,
            )
            for each in result.objects[:MOST_LINES]
        ]
        titles = ("image", "from the map of", "box: left, top, right, bottom", "share", "IoU", "picture")
        lines += ["", *table(titles, cut, width=width, numbers=frozenset({3, 4}))]
    return [*lines, *(line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width))]


def _methods(result: Explanation, width: int) -> list[str]:
    measures = [(each.measure, each.higher) for each in result.methods[0].means]
    body = [
        (
            each.method,
            *(value_of(mean.mean) for mean in each.means),
            *(value_of(mean.better, percent=True) for mean in each.means),
            value_of(each.rank),
        )
        for each in result.methods
    ]
    head = (
        "method",
        *(f"{name.replace('_', ' ')} {'↑' if higher else '↓'}" for name, higher in measures),
        *(f"wins, {name.replace('_', ' ')}" for name, _ in measures),
        "mean rank",
    )
    lines = table(head, body, width=width, numbers=frozenset(range(1, len(head))))
    lines += wrap("↑ more is better, ↓ less; wins: share of images whose map is better than noise and edges", width)
    return lines + (wrap(readable(result.decided), width) if result.decided else [])


def _sanity(rows: tuple[SanityRow, ...], width: int) -> list[str]:
    body = [(row.method, *(value_of(each) for each in row.spearman), "holds" if row.holds else "FAILS") for row in rows]
    head = ("rank correlation, layers random", *(f"{depth:.0%}" for depth in rows[0].depths), "maps change")
    return table(head, body, width=width, numbers=frozenset(range(1, len(head) - 1)))
