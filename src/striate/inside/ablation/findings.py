"""What an ablation gives notice of: units without which a class is lost, and units that change nothing."""

from __future__ import annotations

from striate.core.finding import Evidence, Finding
from striate.core.number import Number

from .payload import Ablation, Effect

LOST = 0.5  # of a class's recall: from here on one unit alone carries it
FEWEST = 10  # images of a class, that a change of its recall means something
SHOWN = 5
STILL = 1e-3  # nats of the loss: less than this and no changed verdict is no effect


def ablation_findings(result: Ablation, *, net: str) -> tuple[Finding, ...]:
    """One warning a unit that a class hangs on, one note on units without effect."""
    single = [one for one in result.effects if len(one.units) == 1]
    found = [each for one in single for each in _lost(result, one, net)]
    found.sort(key=lambda each: float(each.evidence[0].number or 0.0))
    return (*found[:SHOWN], *_idle(result, single))


def _lost(result: Ablation, one: Effect, net: str) -> list[Finding]:
    worst = min(
        (label for label in range(len(result.names)) if result.support[label] >= FEWEST),
        key=lambda label: one.classes[label],
        default=None,
    )
    if worst is None or one.classes[worst] > -LOST:
        return []
    name, unit, lost = result.names[worst], one.units[0], -one.classes[worst]
    return [
        Finding(
            id=f"carries/{one.site}/{unit}",
            check="carries",
            severity="warning",
            sure=0.95,
            seen=f"Without unit {unit} of {one.site} {net} loses {100 * lost:.0f} points of the recall of {name}.",
            evidence=(
                Evidence(
                    f"change of the recall of {name}", Number(-lost, n=result.support[worst], why="paired images")
                ),
                Evidence("change of the accuracy", one.change),
            ),
            mend="A class that hangs on one unit is easily lost: train with dropout, or with more varied images of it.",
        )
    ]


def _idle(result: Ablation, single: list[Effect]) -> list[Finding]:
    idle = [one for one in single if one.change.value == 0 and abs(float(one.loss)) < STILL and not any(one.classes)]
    if not idle:
        return []
    names = ", ".join(str(one.units[0]) for one in idle[:8]) + (", ..." if len(idle) > 8 else "")
    return [
        Finding(
            id=f"idle/{result.site}",
            check="idle",
            severity="note",
            sure=0.9,
            seen=f"{len(idle)} of {len(single)} units of {result.site} change nothing when switched off alone: "
            f"no verdict on {result.n:,} images, and the loss by less than {STILL:g} nats ({names}).",
            evidence=(Evidence("units without effect", Number(float(len(idle)), n=len(single), why="counted")),),
            mend="They may stand in for each other, or be dead; switched off together (--units) they tell which.",
        )
    ]
