"""The page of a search: the best, how much it is too good, what mattered, and every trial."""

from __future__ import annotations

from striate.core.number import Number
from striate.core.report import Report
from striate.learn.search.payload import Search

from . import record
from .charts import Axis, Bar, bar_chart
from .format import count, fixed, points, seconds, shown, value_of
from .outline import Outline
from .searched_charts import (
    figure_text,
    front_chart,
    history_chart,
    parallel_chart,
    percent_of,
    scored,
    slice_chart,
    value_text,
)
from .section import Section
from .verdict import Headline, tally

MOST_ROWS = 400


def outline(report: Report[Search]) -> Outline:
    """What a search puts on its page."""
    found = report.result
    return Outline(
        subject=f"search of {found.net if not found.architecture else found.architecture + ' architectures'}",
        other=found.data,
        lead=f"{search_claim(found)} {tally(report.findings)}",
        headlines=tuple(_headlines(found)),
        pictures=(),
        sections=lambda _shelf, dropped: _sections(report, dropped),
    )


def search_claim(found: Search) -> str:
    """Which trial is best, on dev and on test."""
    if found.best is None:
        return f"None of {count(len(found.trials), 'trial')} has a figure."
    best = found.best
    claim = f"Of {count(len(found.trials), 'trial')}, number {best.number} is best on dev"
    claim += f" with {value_of(best.dev, percent=percent_of(found))}"
    if best.test.value is not None:
        claim += f"; on test, which chose nothing, it has {value_of(best.test, percent=percent_of(found))}"
    return f"{claim}."


def _headlines(found: Search) -> list[Headline]:
    figures = []
    share = percent_of(found)
    if found.best is not None:
        best = found.best
        figures = [
            Headline("", f"test {found.figure} of the best", best.test, percent=share, note="measured once"),
            Headline(
                "", f"dev {found.figure} of the best", best.dev, percent=share, note=f"best of {len(found.trials)}"
            ),
            Headline("", "dev is too good by, points", points(best.too_good), percent=False),
        ]
    done = {state: sum(each.state == state for each in found.trials) for state in ("complete", "pruned", "failed")}
    figures.append(
        Headline(
            "",
            "trials",
            Number(float(len(found.trials)), why="counted"),
            percent=False,
            note=f"{done['pruned']} pruned, {done['failed']} failed",
        )
    )
    spent = sum(each.seconds for each in found.trials)
    figures.append(Headline("", "seconds of all trials", Number(spent, why="by the clock"), percent=False))
    return [each for each in figures if each.number.value is not None]


def _sections(report: Report[Search], dropped: str) -> tuple[Section, ...]:
    found = report.result
    limits = [
        "Every trial is judged on the same dev images, the best epoch of each counts, and the best trial is chosen by "
        "them: its dev figure is too good. Test was measured for the best alone, once.",
        "One training a trial: another seed moves every figure.",
    ]
    if found.pruner == "asha":
        limits.append("Successive halving stops a trial for good, where the paper would pause it.")
    sections = (
        best_section(found),
        history_section(found),
        importances_section(found),
        parallel_section(found),
        slices_section(found),
        front_section(found),
        agreements_section(found),
        trials_section(found),
        record.method_section(report, dropped, limits=limits, left_out=_left_out(found)),
        record.citations_section(report.origin),
    )
    return tuple(section for section in sections if section is not None)


def _left_out(found: Search) -> list[str]:
    return [f"importances: {found.importances_why}"] if found.importances_why and not found.architecture else []


def best_section(found: Search) -> Section | None:
    """The best trial's parameters and its command."""
    if found.best is None:
        return None
    best = found.best
    ours = next((each for each in found.trials if each.number == found.default), None)
    default = ours.parameters if ours is not None else {}
    rows = [(name, value_text(value), value_text(default.get(name))) for name, value in best.parameters.items()]
    facts = [
        (f"dev {found.figure}", shown(best.dev, percent=percent_of(found))),
        (
            f"test {found.figure}",
            shown(best.test, percent=percent_of(found)) if best.test.value is not None else best.test.why,
        ),
        ("dev less test, points", shown(points(best.too_good)) if best.too_good.value is not None else ""),
        (
            f"best of {len(found.trials)} by chance, points",
            f"at most {fixed(100 * float(best.chance), 1)}" if best.chance.value else "",
        ),
        ("run", best.run),
    ]
    content = {
        "head": ("parameter", "best", *(("the recipe",) if default else ())),
        "rows": [row if default else row[:2] for row in rows],
        "facts": [fact for fact in facts if fact[1]],
        "command": best.command,
    }
    return Section("search-best", "The best", search_claim(found), content)


def history_section(found: Search) -> Section | None:
    """How the search went."""
    if not scored(found):
        return None
    failed = sum(each.state == "failed" for each in found.trials)
    pruned = [each for each in found.trials if each.state == "pruned"]
    claim = f"{count(len(found.trials), 'trial')} were made"
    if pruned:
        saved = sum(found.epochs - each.epochs for each in pruned)
        claim += f", of which {len(pruned)} were stopped early, which saved {count(saved, 'epoch')}"
    claim += f"; {failed} failed." if failed else "."
    return Section("search-history", "History", claim, {"chart": history_chart(found)})


def importances_section(found: Search) -> Section | None:
    """What mattered."""
    if not found.importances:
        return None
    first = found.importances[0]
    claim = f"{first.name} explains {value_of(first.share, percent=True)} of how much the figure varies over the space."
    bars = [Bar(each.name, each.share, marked=index == 0) for index, each in enumerate(found.importances)]
    chart = bar_chart(
        claim.rstrip("."),
        bars,
        key="importances",
        axis=Axis("share of the variance, %", 0, 1, percent=True),
        name="parameter",
    )
    return Section("search-importances", "What matters", claim, {"chart": chart})


def parallel_section(found: Search) -> Section | None:
    """All parameters at once."""
    listed = scored(found)
    if len(found.space) < 2 or len(listed) < 3 or found.architecture:
        return None
    return Section("search-parallel", "All at once", _where(found), {"chart": parallel_chart(found)})


def _where(found: Search) -> str:
    order = sorted(scored(found), key=lambda each: float(each.value or 0), reverse=found.highest)
    top = order[: max(3, len(order) // 10)]
    parts = []
    for part in found.space:
        values = [each.parameters[part.name] for each in top if part.name in each.parameters]
        if part.kind == "choice":
            parts.append(f"{part.name} {'|'.join(dict.fromkeys(map(str, values)))}")
        else:
            numbers = [float(value) for value in values]
            parts.append(f"{part.name} {min(numbers):.3g} to {max(numbers):.3g}")
    return f"The best {len(top)} trials have {', '.join(parts)}."


def slices_section(found: Search) -> Section | None:
    """One parameter at a time."""
    if len(scored(found)) < 3 or found.architecture:
        return None
    charts = [slice_chart(found, part, index) for index, part in enumerate(found.space)]
    claim = "The figure over one parameter at a time, all others as they came."
    return Section("search-slices", "Slices", claim, {"charts": charts})


def front_section(found: Search) -> Section | None:
    """What accuracy costs."""
    if len(found.front) < 2:
        return None
    chosen = [each for each in found.trials if each.number in found.front]
    least = min(chosen, key=lambda each: each.costs["macs"])
    most = max(chosen, key=lambda each: each.costs["macs"])
    claim = (
        f"From {fixed(least.costs['macs'] / 1e6, 2)} to {fixed(most.costs['macs'] / 1e6, 2)} million multiply-adds the "
        f"best on dev rise from {figure_text(found, least.value)} to {figure_text(found, most.value)}."
    )
    return Section("search-front", "Cost", claim, {"chart": front_chart(found)})


def agreements_section(found: Search) -> Section | None:
    """What proxies are worth."""
    known = [each for each in found.agreements if each.rho.value is not None]
    if not known:
        return None
    best = max(known, key=lambda each: float(each.rho))
    claim = f"Before training, {best.name} ranks these architectures best: Spearman's rho {value_of(best.rho)}."
    bars = [Bar(each.name, each.rho, marked=each is best) for each in known]
    chart = bar_chart(claim.rstrip("."), bars, key="agreements", axis=Axis("rank correlation with dev"), name="proxy")
    return Section("search-proxies", "Proxies", claim, {"chart": chart})


def trials_section(found: Search) -> Section | None:
    """Every trial."""
    if not found.trials:
        return None
    names = [part.name for part in found.space]
    rows = [
        (
            str(each.number),
            *(value_text(each.parameters.get(name)) for name in names),
            figure_text(found, each.value),
            each.state,
            str(each.epochs),
            seconds(each.seconds),
            each.why,
        )
        for each in found.trials[:MOST_ROWS]
    ]
    head = ("trial", *names, "dev", "state", "epochs", "time", "why")
    left = len(found.trials) - len(rows)
    claim = f"{count(len(found.trials), 'trial')} of {count(found.asked, 'trial')} asked for, by {found.sampler}."
    numbers = [0, *range(len(names) + 1, len(names) + 2), len(names) + 3, len(names) + 4]
    return Section("search-trials", "Trials", claim, {"head": head, "rows": rows, "numbers": numbers, "left": left})
