"""Checked gradients in a terminal."""

from __future__ import annotations

from striate.nets.gradients.payload import GradientCheck, SlopeCheck

from .format import count, wrap
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
