"""`striate demo`: train a small net, examine it, show where the page is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

from striate.core.number import Number
from striate.core.report import Report
from striate.page.payload import Demonstration

from .options import Computing, DataLike, Option
from .session import MARK, claim_folder, session, shown


def demo(
    *,
    data: Annotated[DataLike, Option("data set to train on", "DATA")] = "shapes",
    fast: Annotated[bool, Option("a tenth of the training, to see that all works")] = False,
    out: Annotated[str | Path, Option("folder for the run and the page", "DIR")] = "demo",
    **shared: Unpack[Computing],
) -> Report[Demonstration]:
    """Train `striate/small`, then examine it: at most three minutes on two cores of a laptop.

    The folder then holds the run (weights, history) and ``report.html``, which opens in any browser.
    """
    with session("demo", {"data": data, "fast": fast, "out": out}, shared, Computing) as run:
        from .examine import examine
        from .train import train

        folder = claim_folder(Path(out), overwrite=run["overwrite"])
        (folder / MARK).write_text("{}\n", encoding="utf-8")
        place, page = folder / "run", folder / "report.html"
        computing: dict[str, Any] = {name: value for name, value in shared.items() if name not in ("out", "overwrite")}
        run.progress.say(f"training striate/small on {data} ...")
        learning = {name: value for name, value in computing.items() if name not in ("batch", "memory")}
        train(data, out=place, limit=4000 if fast else None, epochs=2 if fast else None, **learning)
        run.progress.say(f"examining {place} ...")
        examined = examine(place, data, out=page, overwrite=True, limit=500 if fast else None, **computing)
        robust = examined.result.robustness
        result = Demonstration(
            run=str(shown(place)),
            page=str(shown(page)),
            accuracy=examined.result.evaluation.accuracy,
            robust_accuracy=robust.robust_accuracy if robust else Number.missing("the attack was left out"),
            next=tuple(dict.fromkeys(each.command for each in examined.findings if each.command))[:3],
        )
        report = run.report(result, findings=examined.findings, cites=examined.origin.cites)
        report.save(folder / MARK)
        return report
