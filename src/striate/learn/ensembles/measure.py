"""What each member adds: alone, to the average of those before it, and how much members differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import log, log1p

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.measure.table import Table
from striate.metrics.calibration import Reliability
from striate.metrics.intervals import wilson
from striate.metrics.mean import mean_interval
from striate.metrics.paired import mcnemar

from .average import Average, average_tables, match_classes
from .payload import Ensemble, EnsembleMember, Growth, MemberPair

MOST_PAIRS = 60


@dataclass(frozen=True, eq=False)
class Voice:
    """One member: what it is called, and what it says of every image."""

    net: str
    view: str
    table: Table

    @property
    def name(self) -> str:
        """``"net"``, or ``"net, view"``."""
        return self.net if self.view == "whole" else f"{self.net}, {self.view}"


@dataclass(frozen=True)
class Pick:
    """One step of the choice on dev: the member that was added, and accuracy and loss of the average with it."""

    member: int
    accuracy: float
    loss: float


def choose(tables: Sequence[Table], *, average: Average = "probabilities") -> tuple[list[Pick], int]:
    """An order of the members by what they add on dev, and how many of them to keep.

    The member with the least loss is first; then, each time, the one with which the average has the least loss. Kept
    are as many as make the loss least. Every member counts once and alike.

    Source: Caruana et al. 2004, section 2 (forward selection), without their repeated members, and by the loss, which
    is steadier than accuracy on few images.
    """
    matched = match_classes(tables)
    left, taken = list(range(len(matched))), list[int]()
    picks: list[Pick] = []
    while left:
        found = []
        for each in left:
            whole = average_tables([matched[place] for place in [*taken, each]], average=average)
            found.append((float(whole.losses.mean()), each, float(whole.correct.double().mean())))
        loss, member, right = min(found)
        left.remove(member)
        taken.append(member)
        picks.append(Pick(member, right, loss))
    losses = [pick.loss for pick in picks]
    return picks, 1 + losses.index(min(losses))


def measure_ensemble(
    voices: Sequence[Voice],
    *,
    data: str,
    average: Average = "probabilities",
    chosen: tuple[Sequence[Pick], int] | None = None,
    seed: int = 0,
) -> Ensemble:
    """Every member alone and the average as it grows, in the order given or in that which `choose` found on dev.

    Raises:
        StriateError: There is no member, two have one name, or they are of other images or classes.
    """
    if len({each.name for each in voices}) < len(voices):
        raise StriateError("two members have one name", accepted="each net once")
    tables = match_classes([each.table for each in voices])
    picks, kept = chosen if chosen is not None else ((), len(voices))
    order = [pick.member for pick in picks] or list(range(len(voices)))
    by_member = {pick.member: pick for pick in picks}
    members = []
    for place, each in enumerate(order):
        pick = by_member.get(each)
        members.append(
            EnsembleMember(
                voices[each].name, voices[each].net, voices[each].view, *_figures(tables[each], seed),
                kept=place < kept, dev=pick.accuracy if pick else None, dev_loss=pick.loss if pick else None,
            )
        )  # fmt: skip
    names = [voices[each].name for each in order[:kept]]
    own = [tables[each] for each in order[:kept]]
    growth = _grown(names, own, average, seed)
    whole = average_tables(own, average=average)
    best = max(range(len(members)), key=lambda place: (float(members[place].accuracy), -place))
    top = tables[order[best]]
    test = mcnemar(whole.correct, top.correct)
    some = torch.stack([table.correct for table in own]).any(0)
    return Ensemble(
        data=data,
        n=len(whole),
        average=average,
        order="given" if chosen is None else "dev",
        members=tuple(members),
        growth=growth,
        best=members[best].name,
        over_best=test.difference,
        loss_over_best=_mean(whole.losses - top.losses),
        p=test.p,
        at_least_one=wilson(int(some.sum()), len(whole)),
        pairs=_pairs(names, own),
    )


def _grown(names: Sequence[str], tables: Sequence[Table], average: Average, seed: int) -> tuple[Growth, ...]:
    found: list[Growth] = []
    before: Table | None = None
    alone = torch.zeros(len(tables[0]), dtype=torch.float64)
    for count, (name, table) in enumerate(zip(names, tables, strict=True), start=1):
        whole = table if before is None else _with(before, table, count, average)
        alone += table.losses
        test = mcnemar(whole.correct, before.correct) if before is not None else None
        none = Number.missing("the first member: nothing was there before it")
        found.append(
            Growth(
                name, count, *_figures(whole, seed),
                gain=none if test is None else test.difference,
                loss_gain=none if before is None else _mean(whole.losses - before.losses),
                p=None if test is None else test.p,
                spread=_mean(alone / count - whole.losses) if count > 1 else Number(0.0, n=len(whole)),
            )
        )  # fmt: skip
        before = whole
    return tuple(found)


def _with(before: Table, table: Table, count: int, average: Average) -> Table:
    """The average of ``count`` members from that of the first ``count - 1``: members are never all in float64."""
    own = torch.log_softmax(table.logits.to(torch.float64), 1)
    old = torch.log_softmax(before.logits.to(torch.float64), 1) if count == 2 else before.logits
    mixed: Tensor
    if average == "probabilities":
        mixed = torch.logaddexp(old + log1p(-1 / count), own - log(count))
    else:
        mixed = old + (own - old) / count
    return replace(before, logits=mixed)


def _figures(table: Table, seed: int) -> tuple[Number, Number, Number]:
    """Accuracy, loss, calibration error."""
    reliability = Reliability.empty().update(table.confidence, table.correct)
    return wilson(int(table.correct.sum()), len(table)), _mean(table.losses), reliability.compute(seed=seed)


def _mean(values: Tensor) -> Number:
    if not bool(values.isfinite().all()):
        return Number(None, n=len(values), why="infinite: a label was given probability 0")
    return mean_interval(values)


def _pairs(names: Sequence[str], tables: Sequence[Table]) -> tuple[MemberPair, ...]:
    found = []
    for one, other in combinations(range(len(tables)), 2):
        a, b = tables[one], tables[other]
        differ = int((a.predicted != b.predicted).sum())
        both = int((~a.correct & ~b.correct).sum())
        found.append(MemberPair(names[one], names[other], wilson(differ, len(a)), wilson(both, len(a))))
    return tuple(sorted(found, key=lambda pair: -float(pair.disagreement))[:MOST_PAIRS])
