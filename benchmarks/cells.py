"""Builds the table of trained cells on which strategies of architecture search are compared.

`python -m benchmarks.cells` trains each of the 435 cells that differ among 729 (skip, 3 x 3 convolution, 3 x 3 average
pooling on six edges; 8 channels, one cell a run, pooled between) on 1,000 images of MNIST at 8 px, and writes
`tests/expected/cells.json`: for each its accuracy on 2,000 dev and 2,000 test images, weights, multiply-adds, CPU
seconds, what proxies say of it untrained, and what it reaches with the weights of one supernet. It goes on where it
stopped.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from striate.core.rng import Rng
from striate.data.load import load_splits
from striate.learn.search.architecture.space import CellSpace
from striate.nets.load import load_net
from striate.training.init import seeded
from striate.training.schedules import one_cycle

TABLE = Path(__file__).parents[1] / "tests" / "expected" / "cells.json"
SPACE = CellSpace(digits="134", width=8, halving="pooled")
IMAGES, JUDGED, SIZE, EPOCHS, BATCH, RATE = 1_000, 2_000, 8, 3, 40, 0.1
Data = tuple[torch.Tensor, torch.Tensor]


def images_of() -> tuple[Data, Data, Data]:
    """Normalised images and labels of the three splits."""
    splits = load_splits("MNIST", size=SIZE, download=False)
    parts = [splits.train.limit(IMAGES), splits.dev.limit(JUDGED), splits.test.limit(JUDGED)]
    pixels = [part.images() for part in parts]
    mean, std = pixels[0].mean((0, 2, 3), keepdim=True), pixels[0].std((0, 2, 3), keepdim=True)
    train, dev, test = (((each - mean) / std, part.labels) for each, part in zip(pixels, parts, strict=True))
    return train, dev, test


def accuracy(module: torch.nn.Module, data: Data) -> float:
    """Share right."""
    module.eval()
    with torch.no_grad():
        found = torch.cat([module(part).argmax(1) for part in data[0].split(500)])
    return float((found == data[1]).double().mean())


def trained(code: str, train: Data, *, seed: int = 0) -> torch.nn.Module:
    """The net of this code after three epochs of SGD with one cycle."""
    net = load_net(f"{SPACE.net(code)}.random", channels=1, size=SIZE, seed=seed).module
    net.train()
    steps = EPOCHS * IMAGES // BATCH
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step in range(steps):
        if step % (IMAGES // BATCH) == 0:
            order = Rng(seed, "cells/order").permutation(IMAGES, step=step)
        rows = order[(step * BATCH) % IMAGES :][:BATCH]
        optimizer.param_groups[0]["lr"] = RATE * one_cycle(step, steps)
        loss = F.cross_entropy(net(train[0][rows]), train[1][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def train_all(table: dict[str, Any], *, seconds: float) -> None:
    """Trains what the table lacks, for so many CPU seconds at most."""
    torch.set_num_threads(1)
    train, dev, test = images_of()
    codes = {SPACE.canonical(code): code for code in reversed(SPACE.all())}
    begun = time.process_time()
    for key in Rng(0, "cells/shuffled").permutation(len(codes)).tolist():
        code = sorted(codes.values())[key]
        if code in table["cells"]:
            continue
        if time.process_time() - begun > seconds:
            break
        start = time.process_time()
        with seeded(0, "cells"):
            net = trained(code, train)
        table["cells"][code] = {
            "dev": accuracy(net, dev),
            "test": accuracy(net, test),
            "seconds": round(time.process_time() - start, 2),
        }
        if len(table["cells"]) % 10 == 0:
            save(table)
            print(len(table["cells"]), "of", len(codes), f"{time.process_time() - begun:.0f} CPU s", flush=True)
    save(table)


def save(table: dict[str, Any]) -> None:
    """One line a cell."""
    lines = ",\n".join(f"  {json.dumps(code)}: {json.dumps(row)}" for code, row in sorted(table["cells"].items()))
    rest = {key: value for key, value in table.items() if key != "cells"}
    TABLE.write_text(f'{json.dumps(rest)[:-1]}, "cells": {{\n{lines}\n}}}}\n')


def load() -> dict[str, Any]:
    """The table as it is, empty where there is none."""
    if TABLE.exists():
        return dict(json.loads(TABLE.read_text()))
    about = {"data": "MNIST", "images": IMAGES, "size": SIZE, "epochs": EPOCHS, "width": 8, "digits": SPACE.digits}
    return {"about": about, "cells": {}}


if __name__ == "__main__":
    train_all(load(), seconds=float(sys.argv[1]) if len(sys.argv) > 1 else 720.0)
