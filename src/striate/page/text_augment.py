"""The terminal's view of augmented images: what each transform changed, what it lost, where the sheet lies."""

from __future__ import annotations

from striate.core.number import Number
from striate.data.payload import Augmented

from .format import count, named, readable, wrap
from .lines import painted, result_lines
from .table import table


@result_lines.register
def _augmented(result: Augmented, width: int, color: bool) -> list[str]:
    lost = any(each.lost.value is not None for each in result.transforms)
    head = ["transform", "changed", *(["lost"] if lost else []), "may take away"]
    body = [
        (
            each.name,
            _share(each.change),
            *((_share(each.lost),) if lost else ()),
            each.harms,
        )
        for each in result.transforms
    ]
    title = f"{count(result.n, 'image')} of {named(result.data)}, {count(result.measured, 'draw')} each measured"
    lines = [painted(title, "strong", color)]
    lines += table(tuple(head), body, width=width, numbers=frozenset(range(1, len(head) - 1)))
    lines += ["", "changed: mean difference of a value, of the whole range"]
    if lost:
        what = "classes of a region map" if result.task == "regions" else "objects"
        lines += wrap(f"lost: {what} of which less than {100 * result.visible:.0f} % is left in sight", width)
    lines += [line for each in result.left_out for line in wrap(f"left out: {readable(each)}", width)]
    return [*lines, f"sheet: {readable(result.sheet)}"]


def _share(number: Number) -> str:
    return "-" if number.value is None else f"{100 * number.value:.1f} %"
