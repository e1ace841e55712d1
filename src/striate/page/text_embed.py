"""Codes for a terminal: agreement by code and by pixels, probes by layer, what the plane keeps."""

from __future__ import annotations

from striate.inside.embedding.payload import Embedding, Invariance, Probes, Similarity

from .embedded_charts import method_name
from .format import count, fixed, named, points, readable, shown, value_of, wrap
from .lines import painted, result_lines
from .table import table

MOST_QUERIES = 8
MOST_PAIRS = 6


@result_lines.register
def _embedding(result: Embedding, width: int, color: bool) -> list[str]:
    near = result.neighbours
    head = f"{named(result.net)} on {named(result.data)}, {result.split}, {count(result.n, 'image')}"
    lines = [painted(head, "strong", color)]
    words = f"code: {readable(result.layer)}, {count(result.width, 'number')} ({result.pooling})"
    lines += [*wrap(words, width), ""]
    rows = [
        (f"the {near.k} nearest share the label", near.code_agreement, near.pixel_agreement),
        ("the single nearest does", near.code_first, near.pixel_first),
    ]
    if near.code_agreement.value is None:
        lines.append(f"no agreement of labels: {near.code_agreement.why}")
    else:
        body = [(what, shown(code, percent=True), shown(pixels, percent=True)) for what, code, pixels in rows]
        lines += table(("", "by code", "by pixels"), body, width=width, numbers=frozenset({1, 2}))
        lines.append(
            f"difference of the {near.k} nearest {shown(points(near.difference))} points, "
            f"chance {value_of(near.chance, percent=True)}"
        )
    lines.append(f"{near.metric} distance; {value_of(near.shared, percent=True)} of the nearest are the same in both")
    for part in (
        _probes(result.probes, width),
        _plane(result, width),
        _layers(result.similarity, width),
        _tree(result),
    ):
        lines += ["", *part] if part else []
    lines += ["", *_moved(result.invariance, width)] if result.invariance is not None else []
    if near.queries and near.queries[0].row < 0:
        lines += ["", *_queries(result, width)]
    return [*lines, *(line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width))]


def _probes(probes: Probes | None, width: int) -> list[str]:
    if probes is None:
        return []
    body = [
        (
            "pixels" if row.layer == "input" else row.layer,
            f"{row.width:,}",
            shown(row.linear, percent=True),
            shown(row.nearest, percent=True),
            "best" if row.layer == probes.best else "",
        )
        for row in probes.rows
    ]
    head = ("probe", "numbers", "linear", f"{probes.k} nearest", "")
    lines = table(head, body, width=width, numbers=frozenset({1, 2, 3}))
    more = shown(points(probes.over_pixels))
    words = f"best less pixels {more} points, chance {value_of(probes.chance, percent=True)}"
    return [*lines, words, *wrap(probes.how, width)]


def _plane(result: Embedding, width: int) -> list[str]:
    plane = result.projection
    if plane is None:
        return []
    explained = fixed(100 * sum(plane.explained), 1)
    lines = [
        f"plane: {method_name(plane.method)} of {count(plane.n, 'image')} ({plane.settings}), trustworthiness "
        f"{value_of(plane.trustworthiness) if plane.trustworthiness.value is not None else plane.trustworthiness.why}",
        f"two principal axes hold {explained} % of the variance",
    ]
    if plane.agreement.value is not None:
        lines.append(f"neighbours in the plane share the label in {shown(plane.agreement, percent=True)}")
    return [part for each in lines for part in wrap(each, width)]


def _layers(similarity: Similarity | None, width: int) -> list[str]:
    if similarity is None:
        return []
    pairs = [pair for pair in similarity.pairs if pair.a != pair.b and pair.debiased.value is not None]
    nets = [name.partition(": ")[0] if ": " in name else "" for name in similarity.names]
    across = [pair for pair in pairs if nets[pair.a] != nets[pair.b]]
    chosen = sorted(across or pairs, key=lambda pair: -float(pair.debiased))[:MOST_PAIRS]
    body = [
        (
            similarity.names[pair.a],
            similarity.names[pair.b],
            value_of(pair.debiased),
            value_of(pair.cka),
            value_of(pair.svcca),
        )
        for pair in chosen
    ]
    head = ("most alike", "and", "CKA, debiased", "CKA", "SVCCA")
    return table(head, body, width=width, numbers=frozenset({2, 3, 4}))


def _tree(result: Embedding) -> list[str]:
    tree = result.tree
    if tree is None:
        return []
    first = tree.merges[0]
    return [
        f"nearest classes: {named(tree.names[first.a])} and {named(tree.names[first.b])}",
        f"cophenetic correlation of the tree of classes: {value_of(tree.cophenetic)}",
    ]


def _moved(found: Invariance, width: int) -> list[str]:
    body = [
        (
            curve.transform,
            each.layer,
            *(value_of(each.distances[at]) for at in (1, len(curve.amounts) // 2)),
            value_of(max(each.distances, key=float)),
        )
        for curve in found.curves
        for each in curve.layers
    ]
    head = ("moved by", "layer", "first step", "half way", "at most")
    lines = table(head, body, width=width, numbers=frozenset({2, 3, 4}))
    return [*lines, f"distance of activations, 1 is as far as another image; {count(found.n, 'image')}"]


def _queries(result: Embedding, width: int) -> list[str]:
    body = [
        (
            query.name,
            ", ".join(result.names[near.label] if near.label >= 0 else near.name for near in query.by_code),
        )
        for query in result.neighbours.queries[:MOST_QUERIES]
    ]
    return table(("image", "nearest by code"), body, width=width)
