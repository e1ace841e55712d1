"""Drawings of graphs: layers by the longest way, neighbours near each other, long edges led around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from striate.nets.gradients.payload import Block, Graph

from .format import MINUS, large, readable
from .svg import drawing, element, group, text

SWEEPS = 12
STYLE = (  # the drawing stands alone as a file, so it brings its own looks
    "svg{background:#fff}text{font:13px system-ui,sans-serif;fill:#1b1b1b;font-variant-numeric:tabular-nums}"
    ".box{fill:#f5f5f5;stroke:#8a8a8a}.edge{fill:none;stroke:#8a8a8a}.name{font-weight:600}.quiet{fill:#5c5c5c}"
    ".value{fill:#0b6b50}.grad{fill:#a33e00}"
)


@dataclass(frozen=True)
class Node:
    """One box: its lines of words, what it takes from, words at the incoming edges."""

    lines: tuple[tuple[str, str], ...]
    inputs: tuple[int, ...]
    at_edges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """Sizes of a drawing: of a box, of the space between layers and within one; whether layers go left to right."""

    width: float
    height: float
    between: float
    within: float
    across: bool


def draw(graph: Graph) -> Markup:
    """The drawing of an expression (left to right) or of a net (from the top down) as one SVG."""
    if graph.gates:
        nodes = [gate_node(graph, index) for index in range(len(graph.gates))]
        shape = Shape(96, 62, 72, 22, across=True)
        told = f"{graph.subject}: value above, gradient of the output below; beside the edges the local slopes"
    else:
        nodes = [Node((("image", "name"),), ()), *(block_node(block) for block in graph.blocks)]
        shape = Shape(268, 62 if graph.blocks and graph.blocks[0].mean is not None else 44, 34, 28, across=False)
        told = f"{graph.subject}, {len(graph.blocks)} boxes from the image to the output"
    return _drawn(nodes, shape, title=graph.subject, desc=told)


def gate_node(graph: Graph, index: int) -> Node:
    """A gate with its value and its gradient."""
    gate = graph.gates[index]
    head = {"leaf": gate.name, "number": _short(gate.value), "negative": MINUS}.get(gate.op, gate.op)
    lines: tuple[tuple[str, str], ...] = ((head, "name"),)
    if gate.op != "number":
        lines += ((_short(gate.value), "value"), (_short(gate.grad), "grad"))
    return Node(lines, gate.inputs, tuple(_short(each) for each in gate.local))


def block_node(block: Block) -> Node:
    """A box of a net."""
    size = "x".join(map(str, block.shape))
    ops = f"{block.op}, {block.sites} operations" if block.sites > 1 else block.op
    held = f", {large(block.parameters)} weights" if block.parameters else ""
    lines = [(readable(f"{block.name}: {ops}"), "name"), (f"{size}{held}", "quiet")]
    if block.mean is not None:
        grad = "no gradient" if block.grad_std is None else f"gradient ± {_short(block.grad_std)}"
        lines.append((f"{_short(block.mean)} ± {_short(block.std or 0.0)}, {grad}", "value"))
    return Node(tuple(lines), tuple(each + 1 for each in block.inputs))


def layers_of(nodes: Sequence[Node]) -> list[int]:
    """The layer of each node: behind all that it takes from, and no earlier than just before what takes from it."""
    layer = [0] * len(nodes)
    for index, node in enumerate(nodes):
        layer[index] = max((layer[each] + 1 for each in node.inputs), default=0)
    takers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for each in node.inputs:
            takers[each].append(index)
    for index, node in enumerate(nodes):
        if not node.inputs and takers[index]:
            layer[index] = min(layer[each] for each in takers[index]) - 1
    return layer


def places_of(nodes: Sequence[Node], gap: float) -> tuple[list[int], list[list[float]], list[list[list[int]]]]:
    """Layer of each node, place of every point across its layer, and the points on the way of each edge.

    An edge over several layers gets a point in each, so that it is led around the boxes between. Source: Sugiyama,
    Tagawa & Toda 1981, with means of neighbours for order and place alike.
    """
    layer = layers_of(nodes)
    rows: list[list[tuple[int, ...]]] = [[] for _ in range(max(layer, default=0) + 1)]
    for index, at in enumerate(layer):
        rows[at].append((index,))
    links: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    chains: list[list[list[tuple[int, ...]]]] = []
    for index, node in enumerate(nodes):
        chains.append([])
        for number, start in enumerate(node.inputs):
            way: list[tuple[int, ...]] = [(start,)]
            for at in range(layer[start] + 1, layer[index]):
                rows[at].append((index, number, at))
                way.append((index, number, at))
            way.append((index,))
            links += pairwise(way)
            chains[-1].append(way)
    place = {key: gap * number for row in rows for number, key in enumerate(row)}
    before: dict[tuple[int, ...], list[tuple[int, ...]]] = {key: [] for key in place}
    after: dict[tuple[int, ...], list[tuple[int, ...]]] = {key: [] for key in place}
    for one, other in links:
        after[one].append(other)
        before[other].append(one)
    for sweep in range(SWEEPS):
        near = before if sweep % 2 == 0 else after
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {key: sum(place[each] for each in near[key]) / len(near[key]) for key in row if near[key]}
            row.sort(key=lambda key: wanted.get(key, place[key]))
            _spread(row, [wanted.get(key, place[key]) for key in row], place, gap)
    least = min(place.values(), default=0.0)
    points = [[place[key] - least for key in ((index,),)] for index in range(len(nodes))]
    ways = [[[round(place[key] - least) for key in way] for way in each] for each in chains]
    return layer, points, ways


def _spread(row: list[tuple[int, ...]], wanted: list[float], place: dict[tuple[int, ...], float], gap: float) -> None:
    """Bring a row near where it wants to be, in its order, no two closer than ``gap``."""
    found: list[float] = []
    for value in wanted:
        found.append(value if not found else max(value, found[-1] + gap))
    shift = sum(value - got for value, got in zip(wanted, found, strict=True)) / max(len(found), 1)
    for key, got in zip(row, found, strict=True):
        place[key] = got + shift


def _drawn(nodes: Sequence[Node], shape: Shape, *, title: str, desc: str) -> Markup:
    side, length = (shape.height, shape.width) if shape.across else (shape.width, shape.height)
    layer, points, ways = places_of(nodes, side + shape.within)
    step, edge = length + shape.between, 24.0

    def spot(at: float, across: float) -> tuple[float, float]:
        """Upper left corner from the layer and the place within it."""
        along = edge + at * step
        return (along, edge + across) if shape.across else (edge + across, along)

    boxes, edges = [], []
    for index, node in enumerate(nodes):
        x, y = spot(layer[index], points[index][0])
        boxes.append(_box(node, x, y, shape))
        for number, way in enumerate(ways[index]):
            start = layer[node.inputs[number]]
            corners = [spot(start + place, across) for place, across in enumerate(way)]
            edges.append(_edge(corners, shape))
            if node.at_edges:
                entries = sorted((ways[index][other][-2], other) for other in range(len(node.inputs)))
                last = len(entries) > 1 and entries[-1][1] == number
                edges.append(_beside(corners[-1], node.at_edges[number], shape, below=last))
    most = max((each[0] for each in points), default=0.0)
    passing = max((place for each in ways for way in each for place in way), default=0)
    broad, tall = max(most, passing) + side + 2 * edge, (max(layer, default=0) + 1) * step - shape.between + 2 * edge
    width, height = (tall, broad) if shape.across else (broad, tall)
    style = element("style", STYLE)
    return drawing(
        width, height, [style, group(edges), group(boxes)], key="graph", title=title, desc=desc, kind="graph"
    )


def _box(node: Node, x: float, y: float, shape: Shape) -> Markup:
    middle, top = x + shape.width / 2, y + (shape.height - 18 * len(node.lines)) / 2 + 13
    words = [
        text(middle, top + 18 * row, _cut(said, shape.width), kind, anchor="middle")
        for row, (said, kind) in enumerate(node.lines)
    ]
    box = element("rect", x=x, y=y, width=shape.width, height=shape.height, rx=4, class_="box")
    full = " | ".join(said for said, _ in node.lines)
    return group([element("title", full), box, *words])


def _edge(corners: Sequence[tuple[float, float]], shape: Shape) -> Markup:
    """A smooth line from the end of the first box to the beginning of the last, through the points between."""
    half_x, half_y = shape.width / 2, shape.height / 2
    centres = [(x + half_x, y + half_y) for x, y in corners]
    ends = (half_x, 0.0) if shape.across else (0.0, half_y)
    (x, y), parts = centres[0], []
    x, y = x + ends[0], y + ends[1]
    parts.append(f"M{x:.1f} {y:.1f}")
    for number, (a, b) in enumerate(centres[1:], 1):
        to = (a - ends[0], b - ends[1])
        parts.append(_curve((x, y), to, across=shape.across))
        x, y = to
        if number < len(centres) - 1:  # straight through the layer between
            x, y = a + ends[0], b + ends[1]
            parts.append(f"L{x:.1f} {y:.1f}")
    return element("path", d=" ".join(parts), class_="edge")


def _curve(start: tuple[float, float], end: tuple[float, float], *, across: bool) -> str:
    (x, y), (a, b) = start, end
    bend = ((x + a) / 2, y, (x + a) / 2, b) if across else (x, (y + b) / 2, a, (y + b) / 2)
    return "C" + " ".join(f"{value:.1f}" for value in (*bend, a, b))


def _beside(corner: tuple[float, float], words: str, shape: Shape, *, below: bool) -> Markup:
    """The local slope where an edge enters its gate: over it, of the lower of two edges under it."""
    x, y = corner
    return text(x - 6, y + shape.height / 2 + (16 if below else -6), f"×{words}", "quiet", anchor="end")


def _short(value: float) -> str:
    return f"{value:.4g}".replace("-", MINUS)


def _cut(words: str, width: float) -> str:
    most = int(width / 6.6)
    return words if len(words) <= most else f"{words[: most - 1]}…"
