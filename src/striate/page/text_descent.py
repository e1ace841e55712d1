"""A race of optimisers for a terminal: a table a surface."""

from __future__ import annotations

from striate.training.descent.payload import Descent

from .descended import scene_claim
from .format import readable, wrap
from .lines import painted, result_lines
from .table import table


@result_lines.register
def _descent(result: Descent, width: int, color: bool) -> list[str]:
    lines = []
    for scene in result.scenes:
        lines += [painted(line, "strong", color) for line in wrap(scene_claim(scene), width)]
        body = [
            (
                each.optimizer,
                f"{each.rate:.3g}",
                "-" if each.arrived.value is None else f"{each.arrived.value:.0f}",
                f"{each.losses[-1] - scene.lowest:.2g}",
                f"{each.evaluations:,}",
                "left all bounds" if each.diverged else "",
            )
            for each in scene.paths
        ]
        head = (scene.formula, "rate", "arrives at", "height at end", "evaluations", "")
        lines += [*table(head, body, width=width, numbers=frozenset({1, 2, 3, 4})), ""]
    lines += wrap(f"{result.steps} steps; {readable(result.rule)}; arrived: within a thousandth of the way down", width)
    return [*lines, *(line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width))]
