"""The page of codes: who lies next to whom, the plane, probes by layer, layers compared, the tree, invariance."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.report import Report
from striate.inside.embedding.payload import Embedding, Near, Probes, Query, TransformCurve

from . import record
from .charts import Axis, Chart, Level, Series, line_chart
from .embedded_charts import MOST_LEAVES, matrix_chart, method_name, plane_chart, tree_chart
from .format import count, cut, fixed, named, points, shown, value_of
from .outline import Outline
from .pictures import Picture, Shelf
from .section import Section, class_name
from .verdict import Headline, tally

SMALL = 64  # pixels of a neighbour on the page
_UNITS = {"shift": 100.0}  # amounts that are shares


@dataclass(frozen=True)
class Neighbour:
    """One neighbour as it is shown: its picture, its class, whether that is the query's, how far it is."""

    picture: Picture
    label: str
    same: bool | None
    distance: str


@dataclass(frozen=True)
class Row:
    """One query with its neighbours by code and by pixels."""

    picture: Picture
    name: str
    label: str
    by_code: tuple[Neighbour, ...]
    by_pixels: tuple[Neighbour, ...]


def outline(report: Report[Embedding]) -> Outline:
    """What codes put on their page."""
    result = report.result
    near = result.neighbours
    pictures = [result.projection.picture] if result.projection is not None and result.projection.picture else []
    for query in near.queries:
        pictures += [query.picture, *(each.picture for each in (*query.by_code, *query.by_pixels))]
    return Outline(
        subject=named(result.net),
        other=f"{result.data}, {result.split}",
        lead=f"{neighbours_claim(result)} {tally(report.findings)}",
        headlines=_headlines(result),
        pictures=tuple(key for key in pictures if key),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def neighbours_claim(result: Embedding) -> str:
    """Whether the code puts alike what people call alike."""
    near = result.neighbours
    if near.code_agreement.value is None:
        words = value_of(near.shared, percent=True)
        return f"Of the {near.k} nearest by code {words} are among the {near.k} nearest by pixels."
    code, pixels = value_of(near.code_agreement, percent=True), value_of(near.pixel_agreement, percent=True)
    return f"Of the {near.k} nearest images, {code} share the label by code and {pixels} by pixels."


def _headlines(result: Embedding) -> tuple[Headline, ...]:
    near, probes, plane = result.neighbours, result.probes, result.projection
    chance = near.chance.value
    found = [
        Headline("", "neighbours by code share the label", near.code_agreement, level=chance),
        Headline("", "neighbours by pixels", near.pixel_agreement, level=chance),
        Headline("", "both lists share", near.shared),
    ]  # fmt: skip
    if probes is not None:
        best = next(row for row in probes.rows if row.layer == probes.best)
        found.append(Headline("", f"linear probe, {named(best.layer, 24)}", best.linear, level=probes.chance.value))
        found.append(Headline("", "linear probe, pixels", probes.rows[0].linear, level=probes.chance.value))
    if plane is not None:
        found.append(
            Headline("", f"trustworthiness, {method_name(plane.method)}", plane.trustworthiness, percent=False)
        )
    return tuple(each for each in found if each.number.value is not None)


def _sections(report: Report[Embedding], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    found = (
        _nearest_section(result, shelf),
        _plane_section(result, shelf),
        _probing_section(result),
        _similarity_section(result),
        _tree_section(result),
        _invariance_section(result),
        record.method_section(report, dropped, limits=_limits(result), left_out=result.left_out),
        record.citations_section(report.origin),
    )
    return tuple(section for section in found if section is not None)


def _limits(result: Embedding) -> list[str]:
    limits = [
        f"A code is the output of {result.layer}, {result.pooling}: {result.width:,} numbers; activations that are "
        "averaged over space do not say where.",
        "Intervals of agreement draw the images that look for neighbours again, not those that are found: they are a "
        "little too narrow.",
    ]
    if result.probes is not None:
        limits.append(
            "Codes of images that the net was trained on are easier to tell apart than those of new ones: what is "
            "measured here should be images that it never saw."
        )
    return limits


def _nearest_section(result: Embedding, shelf: Shelf) -> Section | None:
    near = result.neighbours
    rows = [row for query in near.queries if (row := _row(result, query, shelf)) is not None]
    distance = "Euclidean distance" if near.metric == "euclidean" else "1 less the cosine"
    facts = [
        (f"{near.k} nearest share the label, by code", near.code_agreement),
        (f"{near.k} nearest share the label, by pixels", near.pixel_agreement),
        ("difference in pairs, points", points(near.difference)),
        ("the single nearest, by code", near.code_first),
        ("the single nearest, by pixels", near.pixel_first),
        ("by chance", near.chance),
        ("in both lists", near.shared),
    ]
    content = {
        "rows": rows,
        "facts": [each for each in facts if each[1].value is not None],
        "distance": distance,
        "pixels": " x ".join(map(str, near.pixels)),
        "layer": result.layer,
        "k": near.k,
        "pooling": result.pooling,
    }
    return Section("nearest", "Neighbours", neighbours_claim(result), content)


def _row(result: Embedding, query: Query, shelf: Shelf) -> Row | None:
    picture = shelf.show(query.picture, query.name, target=SMALL + 32) if query.picture else None
    if picture is None:
        return None
    label = class_name(result.names, query.label) if query.label >= 0 else ""
    by_code, by_pixels = (
        tuple(one for each in near if (one := _neighbour(result, query, each, shelf)) is not None)
        for near in (query.by_code, query.by_pixels)
    )
    return Row(picture, query.name, label, by_code, by_pixels)


def _neighbour(result: Embedding, query: Query, near: Near, shelf: Shelf) -> Neighbour | None:
    label = class_name(result.names, near.label) if near.label >= 0 else ""
    picture = shelf.show(near.picture, f"{near.name}{', ' + label if label else ''}", target=SMALL)
    if picture is None:
        return None
    comparable = near.label >= 0 and query.label >= 0 and result.neighbours.code_agreement.value is not None
    same = near.label == query.label if comparable else None
    return Neighbour(picture, label, same, f"{near.distance:.3g}")


def _plane_section(result: Embedding, shelf: Shelf) -> Section | None:
    plane = result.projection
    if plane is None:
        return None
    method = method_name(plane.method)
    kept = value_of(plane.trustworthiness)
    claim = f"{method} lays {count(plane.n, 'code')} in a plane with a trustworthiness of {kept}."
    if plane.agreement.value is not None and plane.code_agreement.value is not None:
        claim += (
            f" Neighbours share the label in {value_of(plane.agreement, percent=True)} there, in "
            f"{value_of(plane.code_agreement, percent=True)} among the codes."
        )
    picture = None
    if plane.picture:
        words = f"the same plane drawn with {count(plane.pictured, 'image')}"
        picture = shelf.show(plane.picture, words, target=960)
    facts = [
        ("trustworthiness", plane.trustworthiness, False),
        (f"{plane.k} nearest in the plane share the label", plane.agreement, True),
        (f"{plane.k} nearest codes share the label", plane.code_agreement, True),
    ]
    explained = " and ".join(f"{fixed(100 * each, 1)} %" for each in plane.explained)
    content = {
        "chart": plane_chart(plane, result.names),
        "picture": picture,
        "pictured": plane.pictured,
        "n": plane.n,
        "facts": [each for each in facts if each[1].value is not None],
        "explained": explained,
        "settings": plane.settings,
        "keeps_neighbours": plane.method != "pca",
        "classes": len({each.label for each in plane.places if each.label >= 0}),
    }
    return Section("plane", "Plane", claim, content)


def _probing_section(result: Embedding) -> Section | None:
    probes = result.probes
    if probes is None:
        return None
    best = next(row for row in probes.rows if row.layer == probes.best)
    claim = (
        f"A linear probe reads the classes best off the layer {named(best.layer)}: {shown(best.linear, percent=True)} "
        f"right, {value_of(probes.over_pixels, percent=True).removesuffix(' %')} points more than off the pixels."
    )
    content = {
        "chart": _probe_chart(probes),
        "rows": probes.rows,
        "best": probes.best,
        "how": probes.how,
        "k": probes.k,
    }
    return Section("probing", "Probes", claim, content)


def _probe_chart(probes: Probes) -> Chart:
    places = [(float(number), row) for number, row in enumerate(probes.rows)]
    series = [
        Series("linear", tuple((at, row.linear) for at, row in places)),
        Series(f"{probes.k} nearest", tuple((at, row.nearest) for at, row in places)),
    ]
    best = next(each for each in places if each[1].layer == probes.best)
    levels = [Level(float(probes.chance), "chance"), Level(float(probes.rows[0].linear), "pixels, linear")]
    return line_chart(
        f"Probes by layer: {value_of(best[1].linear, percent=True)} at {named(probes.best, 24)}",
        series,
        key="probes",
        x=Axis("layer, in the order of the net; 0 are the pixels", 0),
        y=Axis("right, %", 0, 1, percent=True),
        levels=levels,
        x_names=[row.layer for row in probes.rows],
    )


def _similarity_section(result: Embedding) -> Section | None:
    found = result.similarity
    if found is None:
        return None
    others = [pair for pair in found.pairs if pair.a != pair.b and pair.debiased.value is not None]
    if not others:
        return None
    low, high = (pick(others, key=lambda pair: float(pair.debiased)) for pick in (min, max))
    claim = (
        f"Most alike are {named(found.names[high.a])} and {named(found.names[high.b])}, debiased CKA "
        f"{value_of(high.debiased)}; least, {named(found.names[low.a])} and {named(found.names[low.b])}, "
        f"{value_of(low.debiased)}."
    )
    charts = [
        matrix_chart(found, "debiased", "Debiased linear CKA", key="cka-debiased"),
        *(
            [matrix_chart(found, "svcca", f"SVCCA, {100 * found.keep:g} % of the variance kept", key="svcca")]
            if any(pair.svcca.value is not None for pair in others)
            else []
        ),
        matrix_chart(found, "cka", "Linear CKA, biased upwards by many numbers a code", key="cka"),
    ]
    content = {
        "charts": charts,
        "n": found.n,
        "names": list(found.names) if max(map(len, found.names)) > 15 else [],
        "keep": found.keep,
    }
    return Section("similarity", "Layers", claim, content)


def _tree_section(result: Embedding) -> Section | None:
    tree = result.tree
    if tree is None:
        return None
    first = tree.merges[0]
    claim = (
        f"The classes whose mean codes lie nearest are {named(tree.names[first.a])} and {named(tree.names[first.b])}."
    )
    title = f"{count(len(tree.names), 'class', 'classes')} by their mean codes"
    chart = tree_chart(tree, title) if len(tree.names) <= MOST_LEAVES else None
    few = min(tree.counts)
    content = {
        "chart": chart,
        "cophenetic": tree.cophenetic,
        "leaves": len(tree.names),
        "few": few,
        "most": MOST_LEAVES,
    }
    return Section("tree", "Classes", claim, content)


def _invariance_section(result: Embedding) -> Section | None:
    found = result.invariance
    if found is None:
        return None
    charts = []
    for curve in found.curves:
        charts += [_distance_chart(curve), _probability_chart(curve, found.of)]
    curve = found.curves[0]
    first, last = curve.layers[1] if len(curve.layers) > 2 else curve.layers[0], curve.layers[-1]
    at = len(curve.amounts) // 2
    claim = (
        f"A {curve.transform} of {_amount(curve, curve.amounts[at])} takes the layer {named(first.layer)} "
        f"{value_of(first.distances[at])} and the layer {named(last.layer)} {value_of(last.distances[at])} of the way "
        "to another image."
    )
    layers = [each.layer for each in curve.layers[1:]]
    content = {"charts": charts, "n": found.n, "fill": found.fill, "of": found.of, "layers": layers}
    return Section("invariance", "Invariance", claim, content)


def _distance_chart(curve: TransformCurve) -> Chart:
    factor = _UNITS.get(curve.transform, 1.0)
    series = [
        Series(
            f"{number} {cut('pixels' if each.layer == 'input' else each.layer, 12)}",
            tuple((factor * at, one) for at, one in zip(curve.amounts, each.distances, strict=True)),
        )
        for number, each in (*tuple(enumerate(curve.layers))[1:], (0, curve.layers[0]))
    ]
    return line_chart(
        f"{curve.transform.capitalize()}: how far activations move",
        series[:5],
        key=f"moved-{curve.transform}",
        x=Axis(f"{curve.transform}, {curve.unit}"),
        y=Axis("distance, 1 = another image", 0),
    )


def _probability_chart(curve: TransformCurve, of: str) -> Chart:
    factor = _UNITS.get(curve.transform, 1.0)
    points = tuple((factor * at, one) for at, one in zip(curve.amounts, curve.probability, strict=True))
    return line_chart(
        f"{curve.transform.capitalize()}: probability of {of}",
        [Series("probability", points)],
        key=f"sure-{curve.transform}",
        x=Axis(f"{curve.transform}, {curve.unit}"),
        y=Axis("probability, %", 0, 1, percent=True),
    )


def _amount(curve: TransformCurve, amount: float) -> str:
    return f"{fixed(100 * amount, 0)} %" if curve.transform == "shift" else f"{amount:g} {curve.unit}"
