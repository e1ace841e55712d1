"""One trunk for several tasks against a net for each, at equal images seen."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from striate.core.number import Number
from striate.data.batches import batches
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits
from striate.learn.transfer.several import SeveralTasks, Target, Trunk, head_for, targets_of
from striate.learn.transfer.shots import over_draws
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.recipe import AdamW, Recipe

NET, TASKS = "striate/small+width=0.25", ("shape", "colour", "texture")
IMAGES, EPOCHS = 2000, 20
SEEDS = range(6)


def shared_against_single() -> dict[str, Any]:
    """Shape, colour and texture of `shapes`, paired by seed: every net sees as many images, test the last epoch's."""
    drawn = load_splits("shapes")
    splits = replace(drawn, train=drawn.train.limit(IMAGES), dev=drawn.dev.limit(200), test=drawn.test.limit(4000))
    targets = targets_of(TASKS, *splits)
    shared: dict[str, list[float]] = {name: [] for name in TASKS}
    single: dict[str, list[float]] = {name: [] for name in TASKS}
    for seed in SEEDS:
        for name, share in shares(splits, targets, seed=seed).items():
            shared[name].append(share)
        for target in targets:
            single[target.name] += shares(splits, (target,), seed=seed).values()
    rows = []
    for name in TASKS:
        gap: Number = over_draws([a - b for a, b in zip(shared[name], single[name], strict=True)])
        rows.append(
            {
                "task": name,
                "shared": sum(shared[name]) / len(SEEDS),
                "single": sum(single[name]) / len(SEEDS),
                "shared less single": gap.value,
                "low": gap.low,
                "high": gap.high,
                "seeds": len(SEEDS),
            }
        )
    return {"rows": rows}


def shares(splits: Splits, targets: tuple[Target, ...], *, seed: int) -> dict[str, float]:
    """Share of the test images right in each task, of a net that learnt them together."""
    net = load_net(f"{NET}.random", seed=seed).adapted(mean=0.5, std=0.25)
    task = SeveralTasks(head_for(net, targets, seed=seed), targets)
    recipe = Recipe("several", AdamW(rate=3e-3, weight_decay=0.01), epochs=EPOCHS, batch=32)
    with tempfile.TemporaryDirectory() as folder:
        fit(task, splits, out=Path(folder) / "run", recipe=recipe, seed=seed)
    trunk = task.nets["net"]
    assert isinstance(trunk, Trunk)
    return measured(trunk, splits.test, targets)


@torch.no_grad()
def measured(trunk: Trunk, data: Dataset, targets: tuple[Target, ...]) -> dict[str, float]:
    """Share right by task."""
    trunk.eval()
    logits = torch.cat([trunk(images) for _, images, _ in batches(data, 250)])
    parts = torch.split(logits, [len(each.values) for each in targets], 1)
    found = {}
    for target, part in zip(targets, parts, strict=True):
        labels = torch.tensor([target.of[int(each)] for each in data.ids])
        found[target.name] = float((part.argmax(1) == labels).double().mean())
    return found
