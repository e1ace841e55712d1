"""Activations and normalisations in the place of those of `small`: part ``parts`` of the proofs.

The first 10,000 training images of FashionMNIST, two epochs of the recipe ``momentum`` whatever the part, three seeds.
What is asked is which parts matter at one small budget under one recipe, not which is best when each has its own.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from striate.data.load import load_splits
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.training.catalog import RECIPES
from striate.training.loop import fit

IMAGES, EPOCHS, SEEDS = 10_000, 2, (0, 1, 2)
OPTIONS = (
    *(f"activation={kind}" for kind in ("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu")),
    *(f"activation={kind}" for kind in ("maxout", "tanh", "sigmoid", "none")),
    *(f"norm={kind}" for kind in ("batch", "layer", "instance", "group", "weight", "lrn", "lcn", "none")),
)


def parts_compared(kept: Path) -> dict[str, Any]:
    """The share of test images right, by part."""
    splits = load_splits("FashionMNIST")
    given = replace(splits, train=splits.train.limit(IMAGES), dev=splits.dev.limit(1000))
    recipe = replace(RECIPES.load("momentum"), name="parts", epochs=EPOCHS)
    rows = []
    for option in OPTIONS:
        rights, begun, count = [], time.process_time(), 0
        for seed in SEEDS:
            folder = kept / f"parts-{option.replace('=', '-')}-{seed}"
            resume = (folder / "run.json").is_file()
            fit(f"striate/small+{option}", given, out=folder, recipe=recipe, seed=seed, resume=resume)
            net = load_net(folder)
            count = sum(each.numel() for each in net.parameters())
            rights.append(float(predict(net, splits.test).correct.float().mean()))
        print(f"{option}: {mean(rights):.4f}", flush=True)
        rows.append(
            {
                "part": option,
                "parameters": count,
                "test accuracy": mean(rights),
                "deviation between seeds": stdev(rights),
                "CPU seconds a run": round((time.process_time() - begun) / len(SEEDS), 1),
            }
        )
    return {"rows": rows}
