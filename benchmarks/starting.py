"""What nets without normalisation reach from each scheme of starting weights: part ``inits`` of the proofs.

The first 10,000 training images of FashionMNIST, two epochs of one-cycle SGD with Nesterov's momentum at one rate for
all, three seeds: what is asked is which starts learn at all, and how far they get in the same time.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from striate.core.errors import RunError
from striate.data.load import load_splits
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipe import Recipe, Sgd
from striate.training.schedules import Schedule

NETS = ("striate/small+norm=none", "striate/mlp")
SCHEMES = ("built", "he_normal", "xavier_normal", "orthogonal", "lsuv", "normal_01", "sparse", "zeros")
IMAGES, TESTED, EPOCHS, SEEDS, RATE = 10_000, 2_000, 2, (0, 1, 2), 0.05
RECIPE = Recipe(
    name="inits",
    optimizer=Sgd(rate=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4),
    schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
    epochs=EPOCHS,
    batch=64,
)


def from_schemes(kept: Path) -> dict[str, Any]:
    """Training loss of the last epoch and share of 2,000 test images right, by net and scheme."""
    splits = load_splits("FashionMNIST")
    given = replace(splits, train=splits.train.limit(IMAGES), dev=splits.dev.limit(500))
    rows = []
    for net in NETS:
        for scheme in SCHEMES:
            losses, rights, lost, begun = [], [], 0, time.process_time()
            for seed in SEEDS:
                folder = kept / f"inits-{net.partition('/')[2]}-{scheme}-{seed}"
                try:
                    found = fit(
                        net, given, out=folder, recipe=replace(RECIPE, init=scheme), seed=seed,
                        resume=(folder / "run.json").is_file(),
                    )  # fmt: skip
                except RunError:  # the loss became no number: that is a result
                    lost += 1
                    continue
                losses.append(found.history[-1].train_loss)
                rights.append(float(predict(load_net(folder), splits.test.limit(TESTED)).correct.float().mean()))
                print(f"{net}, {scheme}, seed {seed}: loss {losses[-1]:.4f}, test {rights[-1]:.4f}", flush=True)
            rows.append(
                {
                    "net": net,
                    "start": scheme,
                    "training loss": mean(losses) if losses else "no number",
                    "test accuracy": mean(rights) if rights else "-",
                    "deviation between seeds": stdev(rights) if len(rights) > 1 else "-",
                    "runs lost": lost,
                    "CPU seconds": round(time.process_time() - begun, 1),
                }
            )
    return {"rows": rows}
