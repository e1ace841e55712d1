"""Drawings of codes: a plane with classes, a matrix of layers, a tree of classes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from markupsafe import Markup

from striate.core.number import Number
from striate.inside.colours import anchors
from striate.inside.embedding.payload import ClassTree, Place, Projection, Similar, Similarity

from .charts import Chart
from .format import count, cut, fixed, named, value_of
from .scale import Scale
from .section import class_name
from .svg import drawing, element, line, path, text

PLANE = 640  # pixels of the plane's side
COLOURS = 5  # of the page, each filled and as a ring
MOST_CLASSES = 2 * COLOURS  # that are told apart; more are drawn alike
MOST_LEAVES = 64
MOST_LAYERS = 14
_ROOM = 132  # for names beside a matrix


def plane_chart(plane: Projection, names: Sequence[str]) -> Chart:
    """Every image as a dot, its class by colour and form, the class's name at the middle of its dots."""
    xs, ys = [each.x for each in plane.places], [each.y for each in plane.places]
    across = Scale(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, 12, PLANE - 12)
    up = Scale(min(ys), max(ys) if max(ys) > min(ys) else min(ys) + 1, PLANE - 12, 12)
    classes = sorted({each.label for each in plane.places if each.label >= 0})
    told = len(classes) <= MOST_CLASSES
    kind = {label: f"s{place % COLOURS + 1}" for place, label in enumerate(classes)}
    ring = {label: place >= COLOURS for place, label in enumerate(classes)}
    drawn = [element("rect", x=0.5, y=0.5, width=PLANE - 1, height=PLANE - 1, class_="edge")]
    for each in plane.places:
        form = "dot"
        if told and each.label >= 0:
            form = f"{'ring' if ring[each.label] else 'dot'} {kind[each.label]}"
        drawn.append(element("circle", cx=across(each.x), cy=up(each.y), r=3.2, class_=f"plane {form}"))
    rows = []
    for label in classes if told else []:
        mine = [each for each in plane.places if each.label == label]
        x, y = _middle(mine)
        rows.append((class_name(names, label), f"{len(mine):,}", fixed(x, 2), fixed(y, 2)))
        words = cut(class_name(names, label), 18)
        room = 4 * len(words)
        place = min(max(across(x), room), PLANE - room)
        drawn.append(text(place, up(y) + 4, words, f"label strong halo {kind[label]}", anchor="middle"))
    title = f"{count(plane.n, 'code')} in a plane by {method_name(plane.method)}"
    desc = f"{title}; trustworthiness {value_of(plane.trustworthiness)}"
    svg = drawing(PLANE, PLANE, drawn, key="plane", title=title, desc=desc)
    return Chart(svg, title, desc, ("class", "images", "median x", "median y"), tuple(rows))


def method_name(method: str) -> str:
    """A projection as it is written."""
    return {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}.get(method, method)


def matrix_chart(similarity: Similarity, which: str, title: str, *, key: str) -> Chart:
    """Layers against layers, 0 dark and 1 bright; ``which`` is a field of `Similar`."""
    names = similarity.names[:MOST_LAYERS]
    side = len(names)
    cell = max(24, min(44, 420 // side))
    values = {(pair.a, pair.b): _of(pair, which) for pair in similarity.pairs}
    drawn, foot = [], cell * side
    rows = []
    for a in range(side):
        row = [_between(values, a, b) for b in range(side)]
        rows.append((names[a], *(value_of(each) for each in row)))
        drawn.append(text(_ROOM - 8, a * cell + cell / 2 + 4, f"{_end(names[a])} {a + 1}", "tick", anchor="end"))
        drawn.append(text(_ROOM + a * cell + cell / 2, foot + 18, str(a + 1), "tick", anchor="middle"))
        for b, each in enumerate(row):
            drawn += _cell(_ROOM + b * cell, a * cell, cell, each)
    desc = f"{side} layers against each other, {which}; shades from 0 (dark) to 1 (bright), values below 0 as 0"
    svg = drawing(_ROOM + cell * side + 4, foot + 26, drawn, key=key, title=title, desc=desc)
    return Chart(svg, title, desc, ("layer", *(str(each + 1) for each in range(side))), tuple(rows))


def tree_chart(tree: ClassTree, title: str) -> Chart:
    """The tree from its leaves at the left to its root at the right, distances along the bottom."""
    leaves = len(tree.names)
    row, room, width = (20 if leaves <= 32 else 16), 140, 640
    high = max(merge.distance for merge in tree.merges) or 1.0
    across = Scale(0, high, room, width - 12)
    place = {leaf: row * (number + 0.5) for number, leaf in enumerate(tree.order)}
    reach = dict.fromkeys(range(leaves), across(0))
    drawn = [
        text(room - 8, place[leaf] + 4, cut(name, 19), "label", anchor="end") for leaf, name in enumerate(tree.names)
    ]
    foot = row * leaves
    for number, merge in enumerate(tree.merges):
        at, top, bottom = across(merge.distance), place[merge.a], place[merge.b]
        drawn.append(
            element(
                "polyline",
                points=path([(reach[merge.a], top), (at, top), (at, bottom), (reach[merge.b], bottom)]),
                class_="line s1 thin",
            )
        )
        place[leaves + number], reach[leaves + number] = (top + bottom) / 2, at
    drawn.append(line(across(0), foot + 4, across(high), foot + 4, "axis"))
    for share in (0.0, 0.5, 1.0):
        at = across(share * high)
        drawn.append(line(at, foot + 4, at, foot + 8, "axis"))
        drawn.append(text(at, foot + 22, f"{share * high:.3g}", "tick", anchor="middle" if share < 1 else "end"))
    drawn.append(text((room + width) / 2, foot + 40, f"distance ({tree.linkage})", "tick", anchor="middle"))
    first = tree.merges[0]
    desc = f"{leaves} classes; the first two to meet are {tree.names[first.a]} and {tree.names[first.b]}"
    members = _members(tree)
    table = tuple(
        (_listed([tree.names[leaf] for leaf in members[leaves + number]]), str(merge.size), f"{merge.distance:.3g}")
        for number, merge in enumerate(tree.merges)
    )
    svg = drawing(width, foot + 46, drawn, key="tree", title=title, desc=desc)
    return Chart(svg, title, desc, ("classes together", "count", "distance"), table)


def _listed(names: Sequence[str]) -> str:
    return named(", ".join(names), 80)


def _end(name: str) -> str:
    return name if len(name) <= 14 else f"…{name[-13:]}"


def _members(tree: ClassTree) -> dict[int, list[int]]:
    members = {leaf: [leaf] for leaf in range(len(tree.names))}
    for number, merge in enumerate(tree.merges):
        members[len(tree.names) + number] = members[merge.a] + members[merge.b]
    return members


def _middle(places: Sequence[Place]) -> tuple[float, float]:
    """The image nearest to the medians: a mean may lie between two clusters where no image is."""
    x, y = median(each.x for each in places), median(each.y for each in places)
    near = min(places, key=lambda each: (each.x - x) ** 2 + (each.y - y) ** 2)
    return near.x, near.y


def _of(pair: Similar, which: str) -> Number:
    return {"cka": pair.cka, "debiased": pair.debiased, "svcca": pair.svcca}[which]


def _between(values: dict[tuple[int, int], Number], a: int, b: int) -> Number:
    return values[(min(a, b), max(a, b))]


def _cell(x: float, y: float, side: float, number: Number) -> list[Markup]:
    if number.value is None:
        return [text(x + side / 2, y + side / 2 + 4, "–", "tick", anchor="middle")]
    share = min(max(number.value, 0.0), 1.0)
    table = anchors(signed=False)
    low = min(int(share * (len(table) - 1)), len(table) - 2)
    part = share * (len(table) - 1) - low
    colour = [round(a + (b - a) * part) for a, b in zip(table[low], table[low + 1], strict=True)]
    bright = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] > 120
    words = fixed(number.value, 2).removeprefix("0") if 0 <= number.value < 0.995 else fixed(number.value, 1)
    fill, kind = "#" + "".join(f"{each:02x}" for each in colour), "under" if bright else "on"
    return [
        element("rect", x=x, y=y, width=side - 1, height=side - 1, fill=fill),
        element("text", words, x=x + side / 2, y=y + side / 2 + 4, text_anchor="middle", class_=kind),
    ]
