"""Object detectors emerge: what units of an object net and of a scene net follow: part ``units`` of the proofs.

Both nets have one architecture and see the same pictures of `shapes`; one learns the outline of the object, the other
the kind of ground. Source: Zhou et al. 2015; Bau et al. 2017, section 3.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from striate.data.dataset import Dataset, Splits
from striate.data.load import load_data, load_splits
from striate.data.outlines import CLASSES
from striate.data.shapes import GROUNDS
from striate.inside.meaning.labels import label_units
from striate.inside.meaning.table import layers_of
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.training.catalog import RECIPES
from striate.training.loop import fit

EPOCHS, LOOKED_AT = 4, 1000
LAYERS = ("stem.relu", "stage1.relu", "stage2.relu", "stage3.relu")


def detectors_emerge(kept: Path) -> dict[str, Any]:
    """Kinds of concepts by depth in both nets, and how many of the concepts of its task have a unit of their own."""
    splits, rows = load_splits("shapes"), []
    looked_at = load_data("shapes", split="test").limit(LOOKED_AT)
    for task, wanted in (("outline", CLASSES), ("ground", tuple(f"{one} ground" for one in GROUNDS))):
        given = (
            splits
            if task == "outline"
            else Splits(by_ground(splits.train), by_ground(splits.dev), by_ground(splits.test))
        )
        recipe = replace(RECIPES.load("momentum"), name=f"momentum with epochs {EPOCHS}", states="", epochs=EPOCHS)
        folder = kept / f"units-{task}"
        begun = time.process_time()
        fit("striate/small", given, out=folder, recipe=recipe, resume=(folder / "run.json").is_file())
        spent = time.process_time() - begun
        net = load_net(folder)
        right = float(predict(net, given.test.limit(LOOKED_AT)).correct.float().mean())
        begun = time.process_time()
        labels = label_units(net, looked_at, LAYERS)
        looked = time.process_time() - begun
        found = {label.concept for label in labels}
        for row in layers_of(labels, net=task):
            shares = {kind: share.value for kind, share in zip(row.kinds, row.shares, strict=True)}
            rows.append(
                {
                    "net learns": task,
                    "test accuracy": right,
                    "layer": row.site,
                    "units": row.units,
                    **shares,
                    "concepts of the task with a unit": f"{len(found & set(wanted))} of {len(wanted)}",
                    "CPU seconds, training": round(spent, 1),
                    "CPU seconds, all labels": round(looked, 1),
                }
            )
    return {"rows": rows}


def by_ground(part: Dataset) -> Dataset:
    """The same pictures with the kind of ground as their class."""
    grounds = part.attributes()["ground"]
    labels = torch.tensor([GROUNDS.index(str(each)) for each in grounds])
    return replace(part, labels=labels, classes=GROUNDS)
