"""Checked gradients and graphs in a terminal."""

from __future__ import annotations

from striate.nets.gradients.payload import Gate, GradientCheck, Graph, SlopeCheck

from .format import MINUS, count, large, readable, wrap
from .lines import MOST_LINES, painted, result_lines
from .table import table


@result_lines.register
def _gradients(result: GradientCheck, width: int, color: bool) -> list[str]:
    kinds = (("the pixels", (result.input,)), ("parameters", result.parameters), ("operations", result.sites))
    checked = [each for each in result.checks if each.kinks < each.directions]
    wrong = [each for each in result.checks if not each.right]
    worst = max((each.worst for each in checked), default=0.0)
    head = f"{len(result.checks) - len(wrong)} of {count(len(result.checks), 'gradient')} right, float64, "
    head += f"{'training' if result.training else 'eval'} mode, {count(result.images, 'image')}"
    lines = [painted(head, "strong", color)]
    lines += wrap(
        f"largest relative difference {worst:.1e}; up to {result.bound:.0e} counts as equal, {_kinks(result)}", width
    )
    rows = [
        (name, str(len(each)), f"{max((one.worst for one in each), default=0.0):.1e}", _state(each))
        for name, each in kinds
        if each
    ]
    lines += ["", *table(("gradient by", "tensors", "largest", ""), rows, width=width, numbers=frozenset({1, 2}))]
    if wrong:
        listed = [
            (each.name, f"{each.backward:.6g}", f"{each.difference:.6g}", "" if each.reached else "not reached")
            for each in wrong[:MOST_LINES]
        ]
        heads = ("wrong", "backward", "difference", "")
        lines += ["", *table(heads, listed, width=width, numbers=frozenset({1, 2}))]
        if len(wrong) > MOST_LINES:
            lines.append(f"... and {len(wrong) - MOST_LINES} more (--out, --json have all)")
    return lines


def _state(checks: tuple[SlopeCheck, ...]) -> str:
    wrong = sum(not each.right for each in checks)
    return f"{wrong} wrong" if wrong else "right"


def _kinks(result: GradientCheck) -> str:
    met = sum(each.kinks for each in result.checks)
    of = sum(each.directions for each in result.checks)
    return f"a kink met in {met} of {of} directions" if met else f"no kink met in {count(of, 'direction')}"


@result_lines.register
def _graph(result: Graph, width: int, color: bool) -> list[str]:
    if result.gates:
        head = f"{readable(result.subject)} = {_number(result.gates[-1].value)}"
        rows = [
            (_name(result, place), _number(gate.value), _number(gate.grad), ", ".join(map(_number, gate.local)))
            for place, gate in enumerate(result.gates)
            if gate.op != "number"
        ]
        heads = ("gate", "value", "gradient", "local slopes")
        return [painted(head, "strong", color), "", *table(heads, rows, width=width, numbers=frozenset({1, 2}))]
    told = result.blocks and result.blocks[0].mean is not None
    boxes = [
        (
            block.name,
            block.op,
            "x".join(map(str, block.shape)),
            large(block.parameters) if block.parameters else "",
            *((_number(block.mean or 0.0), _number(block.std or 0.0), _grad(block.grad_std)) if told else ()),
        )
        for block in result.blocks
    ]
    heads = ("box", "what", "shape", "weights", *(("mean", "deviation", "of the gradient") if told else ()))
    head = f"{readable(result.subject)} in {count(len(boxes), 'box')}".replace("boxs", "boxes")
    body = table(heads, boxes, width=width, numbers=frozenset(range(3, len(heads))))
    return [painted(head, "strong", color), "", *body]


def _name(result: Graph, place: int) -> str:
    """A leaf by its name, another gate by what it does to what."""
    gate: Gate = result.gates[place]
    if gate.op in {"leaf", "number"}:
        return gate.name or _number(gate.value)
    taken = [
        inner.name or (_number(inner.value) if inner.op == "number" else f"({inner.op})")
        for inner in (result.gates[each] for each in gate.inputs)
    ]
    return f"{taken[0]} {gate.op} {taken[1]}" if len(taken) == 2 and not gate.op.isalpha() else _call(gate.op, taken)


def _call(op: str, taken: list[str]) -> str:
    return f"{op}({', '.join(taken)})"


def _grad(value: float | None) -> str:
    return "none" if value is None else _number(value)


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", MINUS)
