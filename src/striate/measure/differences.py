"""What a comparison gives to say."""

from __future__ import annotations

import shlex
from itertools import permutations

from striate.core.finding import Evidence, Finding, ranked
from striate.core.number import Number
from striate.metrics.intervals import quantile_of_normal

from .case import percent, sureness
from .compared import ComparedNet, ComparedPair, Comparison, Difference

SHOWN = 5
MOST_NEEDED = 10_000_000


def comparison_findings(comparison: Comparison, *, data: str, paired: str = "") -> tuple[Finding, ...]:
    """What stands out in a comparison: which net is better, which is worth its cost; what fell and what rose.

    ``data`` is the name that commands are written with; ``paired`` the command that compares the nets of two reports of
    the same images, where it is known.
    """
    if comparison.kind == "reports":
        return ranked([*_fallen(comparison, paired), *_same_images(comparison, paired)])
    return ranked([*_better(comparison, data), *_outdone(comparison, data), *_alike(comparison, data)])


def _better(comparison: Comparison, data: str) -> list[Finding]:
    pairs = sorted((each for each in comparison.pairs if each.better), key=lambda each: -abs(float(each.difference)))
    rows = {each.name: each for each in comparison.nets}
    return [_better_pair(each, rows, data) for each in pairs[:SHOWN]]


def _better_pair(pair: ComparedPair, rows: dict[str, ComparedNet], data: str) -> Finding:
    winner, loser = (pair.a, pair.b) if pair.better == pair.a else (pair.b, pair.a)
    more, fewer = (pair.only_a, pair.only_b) if winner == pair.a else (pair.only_b, pair.only_a)
    return Finding(
        id=f"better/{winner}+{loser}",
        check="better",
        severity="note",
        sure=sureness(pair.p),
        seen=f"{winner} is better than {loser}: {percent(rows[winner].accuracy)} right against "
        f"{percent(rows[loser].accuracy)}; it alone is right on {more:,} images, and {loser} alone on {fewer:,}.",
        evidence=(
            Evidence(f"accuracy of {pair.a} less that of {pair.b}, on the same images", pair.difference),
            Evidence("chance of it if both were equally good, corrected for the pairs", Number(pair.p, why="McNemar")),
            Evidence("images on which both say the same", pair.agreement),
        ),
        mend=f"Look at what {loser} alone has right before it is dropped: those images say what {winner} lacks.",
        command=shlex.join(["striate", "examine", winner, data, "--out", "report.html"]),
    )


def _outdone(comparison: Comparison, data: str) -> list[Finding]:
    """Nets that another one beats while it computes less and takes less time."""
    better = {(each.better, each.b if each.better == each.a else each.a) for each in comparison.pairs if each.better}
    found = []
    for cheap, dear in permutations(comparison.nets, 2):
        if (cheap.name, dear.name) not in better or not _cheaper(cheap, dear):
            continue
        found.append(
            Finding(
                id=f"outdone/{dear.name}+{cheap.name}",
                check="outdone",
                severity="warning",
                sure=0.95,
                seen=f"{dear.name} costs more than {cheap.name} and is worse: {percent(dear.accuracy)} right against "
                f"{percent(cheap.accuracy)}, at {_millions(dear.macs)} million multiply-adds against "
                f"{_millions(cheap.macs)}.",
                evidence=(
                    Evidence(f"accuracy of {cheap.name}", cheap.accuracy),
                    Evidence(f"accuracy of {dear.name}", dear.accuracy),
                    *(
                        Evidence(f"milliseconds an image, {each.name}", each.single.milliseconds)
                        for each in (cheap, dear)
                        if each.single is not None
                    ),
                ),
                mend=f"Take {cheap.name}, unless {dear.name} was trained for less long.",
                command=shlex.join(["striate", "evaluate", cheap.name, data]),
            )
        )
    return found[:SHOWN]


def _cheaper(cheap: ComparedNet, dear: ComparedNet) -> bool:
    if cheap.macs is None or dear.macs is None or cheap.macs >= dear.macs:
        return False
    if cheap.single is None or dear.single is None:
        return True
    high, low = cheap.single.milliseconds.high, dear.single.milliseconds.low
    return high is not None and low is not None and high < low


def _millions(macs: int | None) -> str:
    return f"{(macs or 0) / 1e6:,.1f}"


def _alike(comparison: Comparison, data: str) -> list[Finding]:
    """No net is better than another beyond chance: how many images would tell them apart."""
    if any(each.better for each in comparison.pairs) or not comparison.pairs:
        return []
    widest = max(comparison.pairs, key=lambda each: abs(float(each.difference)))
    gap, n = abs(float(widest.difference)), comparison.nets[0].n
    differ = (widest.only_a + widest.only_b) / n if n else 0.0
    # McNemar: the difference of n images has the variance (share that differs - gap squared) / n
    z = quantile_of_normal(0.95) + quantile_of_normal(0.6)  # two-sided 5 %, power 80 %
    needed = z * z * max(differ - gap * gap, 0.0) / gap**2 if gap > 0 else 0.0
    more = f"; about {needed:,.0f} images would tell them apart" if n < needed < MOST_NEEDED else ""
    return [
        Finding(
            id="alike/nets",
            check="alike",
            severity="note",
            sure=1.0,
            seen=f"No net is better than another beyond chance on these {n:,} images: the widest gap is "
            f"{100 * gap:.1f} points, between {widest.a} and {widest.b}{more}.",
            evidence=(
                Evidence(f"accuracy of {widest.a} less that of {widest.b}", widest.difference),
                Evidence("images on which they say the same", widest.agreement),
            ),
            mend="Choose by what they cost, or measure on more images.",
            command=shlex.join(["striate", "compare", *(each.name for each in comparison.nets), "--data", data]),
        )
    ]


def _fallen(comparison: Comparison, paired: str) -> list[Finding]:
    """Figures that are clearly worse in the second report, and accuracy where it is clearly better."""
    found = []
    for one in comparison.differences:
        if not one.clear or not (one.what == "accuracy" or one.what.startswith("recall of ")):
            continue
        worse = float(one.difference) < 0
        if not worse and one.what != "accuracy":
            continue
        found.append(_moved(one, comparison, paired, worse=worse))
    return found[: SHOWN + 1]


def _moved(one: Difference, comparison: Comparison, paired: str, *, worse: bool) -> Finding:
    subject = one.what.removeprefix("recall of ")
    points = 100 * abs(float(one.difference))
    return Finding(
        id=f"{'fell' if worse else 'rose'}/{subject}",
        check="fell" if worse else "rose",
        severity="warning" if worse else "note",
        sure=sureness(float(one.p)),
        seen=f"The {one.what} {'fell' if worse else 'rose'} by {points:.1f} points, from {percent(one.a)} in "
        f"{comparison.nets[0].name} to {percent(one.b)} in {comparison.nets[1].name}.",
        evidence=(
            Evidence(f"{one.what}, second less first", one.difference),
            Evidence(comparison.nets[0].name, one.a),
            Evidence(comparison.nets[1].name, one.b),
        ),
        mend="See what changed between the two: data, recipe, preprocessing."
        if worse
        else "Keep what changed between the two.",
        command=paired,
    )


def _same_images(comparison: Comparison, paired: str) -> list[Finding]:
    if not comparison.note.startswith("Both"):
        return []
    unclear = [one for one in comparison.differences if not one.clear]
    if not unclear:
        return []
    return [
        Finding(
            id="paired/nets",
            check="paired",
            severity="note",
            sure=1.0,
            seen=f"Both reports are of the same {comparison.nets[0].n:,} images: {len(unclear)} of "
            f"{len(comparison.differences)} differences are not clear here, and a paired test may tell more.",
            evidence=(
                Evidence("figures compared", Number(float(len(comparison.differences)), why="counted")),
                Evidence("not clear", Number(float(len(unclear)), why="counted")),
            ),
            mend="Compare the nets themselves.",
            command=paired,
        )
    ]
