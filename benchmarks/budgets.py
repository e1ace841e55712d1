"""Optimizers, and batch sizes, at equal CPU seconds: part ``budgets`` of the proofs.

The first 10,000 training images of FashionMNIST, `striate/mlp`, no augmentation, constant rates, cross-entropy. Of each
optimizer the best of three rates by the loss that seed 0 ends with (the grid stands below: its usual rate, a third and
three times of it), then three seeds at that rate. What is told is the loss of the first 2,000 of the
training images after so many CPU seconds of steps. L-BFGS sees all images at once.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from striate.data.load import load_splits
from striate.figures.budgets import IMAGES, descend
from striate.training.catalog import OPTIMIZERS
from striate.training.optimizers.specs import Optimizer

NET, SECONDS, SEEDS = "striate/mlp", 1.5, (0, 1, 2)
BATCHES = (1, 8, 32, 128, 512, IMAGES)


def budgets(kept: Path) -> dict[str, Any]:
    """One row for each optimizer at batch 128, then for each batch size under momentum; each is kept when done."""
    torch.set_num_threads(1)
    train = load_splits("FashionMNIST").train.limit(IMAGES)
    images, labels = train.images(), train.labels
    plans = [(name, IMAGES if name == "lbfgs" else 128) for name in OPTIMIZERS]
    plans += [("momentum", batch) for batch in BATCHES if batch != 128]
    rows = []
    for name, batch in plans:
        place = kept / "budgets" / f"{name}-{batch}.json"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            row = _row(OPTIMIZERS.load(name), name, batch, images, labels)
            place.write_text(json.dumps(row), encoding="utf-8")
        rows.append(json.loads(place.read_text(encoding="utf-8")))
        print(rows[-1], flush=True)
    return {"rows": rows}


def _row(spec: Optimizer, name: str, batch: int, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    def ends(rate: float, seed: int) -> float:
        found = descend(replace(spec, rate=rate), images, labels, batch=batch, seconds=SECONDS, seed=seed, net=NET)
        return found.losses[-1]

    rates = [spec.rate / 3, spec.rate, spec.rate * 3]
    first = {rate: ends(rate, SEEDS[0]) for rate in rates}
    rate = min(first, key=lambda each: first[each])
    losses = [first[rate], *(ends(rate, seed) for seed in SEEDS[1:])]
    return {
        "optimizer": name,
        "batch": batch,
        "rates tried": ", ".join(f"{each:.3g}" for each in rates),
        "best": f"{rate:.3g}",
        "loss": mean(losses),
        "deviation": stdev(losses),
    }
