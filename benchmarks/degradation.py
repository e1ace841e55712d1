"""Plain against residual nets as depth grows: part ``plain-residual`` of the proofs.

Width 8, the first 20,000 training images of FashionMNIST, no augmentation, three seeds: what is asked is whether a
deeper plain net fits its own training images worse, and whether a residual one does not. Source: He et al. 2016,
section 4.2; SGD with momentum .9 and decay 1e-4 from rate .1 as there, down half a cosine here.
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
from striate.training.loop import fit
from striate.training.recipe import Recipe, Sgd
from striate.training.schedules import Schedule

DEPTHS, WIDTH, IMAGES, EPOCHS, SEEDS = (8, 20, 44), 8, 20_000, 10, (0, 1, 2)
RECIPE = Recipe(
    name="degradation",
    optimizer=Sgd(rate=0.1, momentum=0.9, nesterov=False, weight_decay=1e-4, decay_all=True),
    schedule=Schedule("cosine", {"warm": 0.05}),
    epochs=EPOCHS,
    batch=128,
)


def plain_against_residual(kept: Path) -> dict[str, Any]:
    """Loss on the training images, as met in the last epoch, and the share of test images right, by depth."""
    splits = load_splits("FashionMNIST")
    given = replace(splits, train=splits.train.limit(IMAGES), dev=splits.dev.limit(1000))
    rows = []
    for kind in ("plain", "resnet"):
        for depth in DEPTHS:
            losses, rights, begun = [], [], time.process_time()
            for seed in SEEDS:
                folder = kept / f"degradation-{kind}{depth}-{seed}"
                found = fit(
                    f"striate/{kind}{depth}+width={WIDTH}",
                    given,
                    out=folder,
                    recipe=RECIPE,
                    seed=seed,
                    resume=(folder / "run.json").is_file(),
                )
                losses.append(found.history[-1].train_loss)
                rights.append(float(predict(load_net(folder), splits.test).correct.float().mean()))
                print(f"{kind}{depth}, seed {seed}: training loss {losses[-1]:.4f}, test {rights[-1]:.4f}", flush=True)
            rows.append(
                {
                    "net": f"{kind}{depth}, width {WIDTH}",
                    "training loss": mean(losses),
                    "deviation between seeds": stdev(losses),
                    **{f"seed {seed}": loss for seed, loss in zip(SEEDS, losses, strict=True)},
                    "test accuracy": mean(rights),
                    "CPU seconds": round(time.process_time() - begun, 1),
                }
            )
    return {"rows": rows}
