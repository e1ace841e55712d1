"""The average of what several members say, as logits again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.measure.table import Table

Average = Literal["probabilities", "logits"]
AVERAGES: tuple[Average, ...] = ("probabilities", "logits")


def averaged(logits: Sequence[Tensor], *, average: Average = "probabilities") -> Tensor:
    """Logits (N, K) of the average of M members, each (N, K), in float64; their softmax is its probabilities.

    Of probabilities p_m: log(sum_m p_m / M), the mixture. Of logits: the mean of log p_m, whose softmax is the
    normalised geometric mean; what a member's logits have in common is taken off first and changes nothing. The loss of
    both is at most the mean loss of the members, image by image (-log and log-sum-exp are convex).

    Raises:
        StriateError: There is no member, their shapes differ, or the average is not known.

    >>> one, other = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.25, 0.75]]).log()
    >>> averaged([one, other]).exp().tolist()
    [[0.5, 0.5]]

    Source: Hansen & Salamon 1990; Lakshminarayanan, Pritzel & Blundell 2017, section 2.4 (probabilities, equal
    weights).
    """
    if not logits:
        raise StriateError("no member is given to average", accepted="one or more")
    shapes = {tuple(each.shape) for each in logits}
    if len(shapes) > 1:
        raise StriateError(
            f"logits of shapes {', '.join(map(str, sorted(shapes)))}", accepted="members with the same classes"
        )
    if average not in AVERAGES:
        raise StriateError(f"average is {average!r}", accepted=", ".join(AVERAGES))
    whole: Tensor | None = None
    for each in logits:  # one after another: a hundred views of ImageNet are never in memory at once in float64
        own = torch.log_softmax(each.to(torch.float64), 1)
        if whole is not None:
            own = torch.logaddexp(whole, own) if average == "probabilities" else whole + own
        whole = own
    assert whole is not None
    return whole - math.log(len(logits)) if average == "probabilities" else whole / len(logits)


def average_tables(tables: Sequence[Table], *, average: Average = "probabilities") -> Table:
    """The table of the average; that of one member is its own table.

    Classes that members number otherwise are matched by name.

    Raises:
        StriateError: There is no table, or they are of other images or other classes.
    """
    matched = match_classes(tables)
    if len(matched) == 1:
        return matched[0]
    logits = averaged([each.logits for each in matched], average=average)
    key = hashlib.sha256("\n".join([average, *(each.key for each in matched)]).encode()).hexdigest()
    return replace(matched[0], logits=logits, key=key)


def match_classes(tables: Sequence[Table]) -> list[Table]:
    """The tables with their columns in the order of the first.

    Raises:
        StriateError: There is no table, or they are of other images or other classes.
    """
    if not tables:
        raise StriateError("no member is given to average", accepted="one or more")
    first, found = tables[0], []
    for place, table in enumerate(tables):
        if not torch.equal(table.ids, first.ids):
            raise StriateError(f"members 1 and {place + 1} were measured on other images", accepted="the same images")
        if table.names == first.names:
            found.append(table)
            continue
        if len(set(first.names)) < len(first.names) or sorted(table.names) != sorted(first.names):
            raise StriateError(
                f"members 1 and {place + 1} have other classes: {_few(first.names)} and {_few(table.names)}",
                accepted="nets with the same classes",
            )
        order = [table.names.index(name) for name in first.names]
        there = torch.tensor([first.names.index(name) for name in table.names], dtype=torch.int64)
        found.append(replace(table, logits=table.logits[:, order], labels=there[table.labels], names=first.names))
    return found


def _few(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
