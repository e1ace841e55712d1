"""What features made by hand reach beside a small net that learns from the same images: part ``baselines``.

5,000 training images (all there are of fewer), settings chosen on at most 1,250 of dev, 2,000 images of test; the net
is `small` under `quick` for ten epochs on the same training images. One data set at a time, each kept as it is done.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.data.load import load_splits
from striate.learn.baselines.measure import measure_baselines
from striate.learn.baselines.reported import reported
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipes import QUICK

TRAIN, DEV, TEST, EPOCHS = 5_000, 1_250, 2_000, 10
CLASSIFIERS = ("svm", "nearest", "means")
DATA = {  # by name: what is loaded, and at which size
    "shapes": ("shapes", None),
    "DTD, 10 classes": ("dtd/dtd10_200.zip", 96),
    "MNIST": ("MNIST", None),
    "CIFAR10": ("CIFAR10", None),
    "FashionMNIST": ("FashionMNIST", None),
}


def measured_baselines(kept: Path) -> dict[str, Any]:
    """One row for each data set and feature, by its best classifier on dev, and one for the net."""
    rows: list[dict[str, Any]] = []
    for name, (source, size) in DATA.items():
        place = kept / f"baselines-{name.partition(',')[0]}.json"
        if not place.is_file():
            place.write_text(json.dumps(_rows(name, source, size, kept)), encoding="utf-8")
        rows += json.loads(place.read_text(encoding="utf-8"))
    return {"rows": rows}


def _rows(name: str, source: str, size: int | None, kept: Path) -> list[dict[str, Any]]:
    path = Path(os.environ["STRIATE_DATA"]) / source
    splits = load_splits(path if path.suffix else source, size=size, partial=True, download=False)
    splits = replace(splits, train=splits.train.limit(TRAIN), dev=splits.dev.limit(DEV), test=splits.test.limit(TEST))
    found = measure_baselines(*splits, classifiers=CLASSIFIERS, choosing=DEV)
    begun = time.process_time()
    folder = kept / f"baselines-{name.partition(',')[0]}-small"
    fit(
        "striate/small", splits, out=folder, recipe=replace(QUICK, epochs=EPOCHS), seed=0,
        resume=(folder / "run.json").is_file(),
    )  # fmt: skip
    spent = time.process_time() - begun
    table = predict(load_net(folder), splits.test)
    result = reported(found, splits.train, nets={"small": table}, data=name)
    rows = []
    for feature in result.features:
        best = max((row for row in result.rows if row.feature == feature.name), key=lambda row: row.dev)
        accuracy, seconds = best.accuracy, best.seconds + feature.seconds
        rows.append({"data": name, "what": f"{best.name} ({best.chosen})".replace(" ()", ""), "test": accuracy.value,
                     "low": accuracy.low, "high": accuracy.high, "CPU seconds": round(seconds, 1),
                     "learnt from": feature.train, "best on dev": best.best})  # fmt: skip
    net = result.nets[0]
    rows.append({"data": name, "what": f"striate/small, {EPOCHS} epochs", "test": net.accuracy.value,
                 "low": net.accuracy.low, "high": net.accuracy.high, "CPU seconds": round(spent, 1),
                 "learnt from": len(splits.train), "best on dev": False})  # fmt: skip
    print(json.dumps(rows), flush=True)
    return rows
