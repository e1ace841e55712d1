"""The page of a race: each surface with its paths, the height by step, the film."""

from __future__ import annotations

from striate.core.number import Number
from striate.core.report import Report
from striate.training.descent.payload import Descent, Path, Scene

from . import record
from .charts import Chart, Series
from .contours import contour_chart
from .format import count
from .log_charts import log_chart
from .outline import Outline
from .pictures import Shelf
from .section import Section
from .verdict import Headline

FILM = 320  # pixels of a film's short side


def outline(report: Report[Descent]) -> Outline:
    """What a race puts on its page."""
    result = report.result
    return Outline(
        subject="Descent",
        other=", ".join(each.surface for each in result.scenes),
        lead=" ".join(scene_claim(each) for each in result.scenes[:2]),
        headlines=_headlines(result),
        pictures=tuple(each.film for each in result.scenes if each.film),
        sections=lambda shelf, dropped: _sections(report, shelf, dropped),
    )


def scene_claim(scene: Scene) -> str:
    """Who arrives first on a surface, and who does not arrive."""
    arrived = [each for each in scene.paths if each.arrived.value is not None]
    if not arrived:
        return f"On {scene.surface} nobody comes within a thousandth of the lowest point."
    first = min(arrived, key=lambda each: float(each.arrived))
    claim = f"On {scene.surface} {first.optimizer} arrives first, after {count(int(float(first.arrived)), 'step')}"
    late = [each.optimizer for each in scene.paths if each.arrived.value is None]
    return f"{claim}; {', '.join(late)} not at all." if late else f"{claim}."


def _headlines(result: Descent) -> tuple[Headline, ...]:
    found = []
    for scene in result.scenes[:6]:
        arrived = [each for each in scene.paths if each.arrived.value is not None]
        if arrived:
            first = min(arrived, key=lambda each: float(each.arrived))
            found.append(Headline("", f"steps on {scene.surface}, {first.optimizer}", first.arrived, percent=False))
    return tuple(found)


def loss_chart(scene: Scene, *, key: str) -> Chart:
    """Height above the lowest point by step; what rounding makes of 0 is drawn at the lower edge."""
    floor = 1e-9 * max(scene.paths[0].losses[0] - scene.lowest, 1e-9)
    series = [Series(each.optimizer, _heights(each, scene.lowest, floor)) for each in scene.paths]
    title = f"Height above the lowest point, {scene.surface}"
    return log_chart(title, series, key=key, x="step", y="height above the lowest point")


def _heights(each: Path, lowest: float, floor: float) -> tuple[tuple[float, Number], ...]:
    return tuple((float(step), Number.of(max(loss - lowest, floor))) for step, loss in enumerate(each.losses))


def _sections(report: Report[Descent], shelf: Shelf, dropped: str) -> tuple[Section, ...]:
    result = report.result
    scenes = []
    for scene in (each for each in result.scenes if each.paths):
        chart = contour_chart(scene, key=f"paths-{scene.surface}", title=f"Paths over {scene.formula}")
        picture = shelf.show(scene.film, f"Film of the paths over {scene.surface}", target=FILM) if scene.film else None
        scenes.append((scene, scene_claim(scene), chart, loss_chart(scene, key=f"loss-{scene.surface}"), picture))
    limits = [
        f"Two numbers and no noise: a net has millions, its gradient comes from a batch. {result.rule.capitalize()}.",
        "L-BFGS looks at the surface several times a step, as the tables' evaluations say.",
    ]
    found = (
        Section("paths", "Paths", " ".join(scene_claim(each) for each in result.scenes), {"scenes": scenes}),
        record.method_section(report, dropped, limits=limits, left_out=result.left_out),
        record.citations_section(report.origin),
    )
    return tuple(each for each in found if each is not None)
