"""`striate transfer --by-layer`: which layers of a net serve other classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.learn.transfer.payload import ByLayer

from .options import at_least_one
from .session import Session, check_folder, shown, write_into
from .train import defaults_of

ELSEWHERE = ("policy", "against", "classifier", "norm", "shots", "draws", "rate")  # options of a transfer of one net
CITES = ("yosinski2014transferable",)


def layer_report(run: Session, given: Mapping[str, Any], folder: Path) -> Report[ByLayer]:
    """Train all nets, or those that are still to be trained, then report."""
    from striate.learn.transfer.by_layer import SHORT, measure_layers
    from striate.learn.transfer.findings import layer_findings

    defaults = defaults_of("transfer")
    for name in ELSEWHERE:
        if given[name] != defaults[name]:
            raise StriateError(f"--{name} does nothing with --by-layer", accepted="--seeds, --epochs, --batch, --size")
    net = given["net"]
    if not isinstance(net, str):
        raise StriateError("--by-layer with a net that is given as an object", accepted="SOURCE/ARCH")
    if not given["resume"]:
        check_folder(folder, overwrite=run["overwrite"])
    splits = run.splits(given["data"], size=given["size"])
    run.progress.say(splits.said)
    epochs, batch = given["epochs"], run["batch"] or SHORT.batch
    name = SHORT.name if epochs is None and batch == SHORT.batch else f"{SHORT.name}, changed"
    result = measure_layers(
        net,
        splits,
        out=folder / "runs",
        seeds=range(run["seed"], run["seed"] + at_least_one(given["seeds"], "seeds")),
        recipe=replace(SHORT, name=name, epochs=epochs, batch=batch),
        device=run["device"],
        workers=run["workers"],
        progress=run.progress,
    )
    data, place = str(shown(given["data"])), str(shown(folder))
    result = replace(result, net=net, data=data, run=place)
    report = run.report(result, findings=layer_findings(result), cites=CITES)
    return write_into(report, folder)
