"""A transfer for a terminal: what it reached, by which policy and why, and what else was measured."""

from __future__ import annotations

from striate.learn.transfer.payload import FewShot, Transfer

from .format import count, fixed, named, points, readable, shown, wrap
from .lines import painted, result_lines
from .table import table
from .transferred import LABELS, advice_words, claim_of


@result_lines.register
def _transfer(result: Transfer, width: int, color: bool) -> list[str]:
    train, dev, test = result.images
    lines = [painted(claim_of(result), "strong", color)]
    words = f"{named(result.net)} for {named(result.data)}: {count(len(result.classes), 'class', 'classes')}"
    lines += wrap(f"{words}, {train:,} images of train, {dev:,} of dev, {test:,} of test", width)
    lines += [*wrap(advice_words(result), width), ""]
    body = [
        (
            readable(row.name),
            shown(row.accuracy, percent=True),
            "" if row.difference.value is None else shown(points(row.difference)),
            shown(row.dev, percent=True),
            fixed(row.seconds, 1),
        )
        for row in result.rows
    ]
    head = ("on the test images", "right, %", "behind, points", "dev, %", "seconds")
    lines += table(head, body, width=width, numbers=frozenset({1, 2, 3, 4}))
    lines += ["", *_few(result.few_shot, width)] if result.few_shot is not None else []
    lines += [line for note in result.notes for line in wrap(f"note: {readable(note)}", width)]
    return [*lines, f"net: {readable(result.run)}"]


def _few(found: FewShot, width: int) -> list[str]:
    body = [
        (
            str(number),
            *(shown(line.accuracy[at], percent=True) for line in found.lines),
            shown(points(found.lines[1].over[at])),
        )
        for at, number in enumerate(found.shots)
    ]
    head = ("images a class", *(f"{LABELS[line.name]}, %" for line in found.lines), "code over HOG")
    return [
        *table(head, body, width=width, numbers=frozenset(range(1, len(head)))),
        f"{found.draws} draws of training images, {count(found.n, 'test image')} that are never drawn",
    ]
