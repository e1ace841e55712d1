"""What the training loop costs over a bare PyTorch loop: same net, data, batch, memory format, optimizer.

    python benchmarks/loop.py        writes benchmarks/loop.md

One block is one epoch with its look at the dev split. Ours includes all that hangs on it (order by counter-based
randomness, accuracy of every batch, checks for a loss that is no number, CSV, checkpoint, weights of the best epoch);
the bare loop has none of that. Blocks alternate in one process, CPU time is measured, and the interval of the median
of the ratios is between order statistics (distribution-free).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch.nn.functional as F
from timing import median_interval
from torch import Tensor

from striate.data.dataset import Dataset, Splits
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.events import Events, Observer, State
from striate.training.loop import fit
from striate.training.recipe import Augment, Recipe, Sgd
from striate.training.recipes import QUICK

BLOCKS, LIMIT = 30, 1.08
TRAIN, DEV, SIZE, CLASSES = 8192, 1024, 32, 10  # less than an epoch of any named data set but digits


def random_split(split: str, count: int, seed: int) -> Dataset:
    """Random pixels: what they show does not matter to the clock."""
    made = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=made)
    classes = tuple(str(index) for index in range(CLASSES))
    return Dataset.of(pixels, torch.arange(count) % CLASSES, classes=classes, name="noise", split=split)


def batches_of(order: Tensor, batch: int) -> list[Tensor]:
    """The order in pieces of a batch."""
    return [order[first : first + batch] for first in range(0, len(order), batch)]


def bare_loop(net: Net, recipe: Recipe, train: Dataset, dev: Dataset) -> Callable[[], None]:
    """One epoch as one would write it by hand."""
    assert isinstance(recipe.optimizer, Sgd)
    assert net.mean is not None
    assert net.std is not None
    mean, std = net.mean, net.std
    module = net.module.to(memory_format=torch.channels_last)
    how = recipe.optimizer
    optimizer = torch.optim.SGD(
        module.parameters(), lr=1e-3, momentum=how.momentum, nesterov=True, weight_decay=how.weight_decay, fused=True
    )
    pixels, others = train.pixels(), dev.pixels()

    def forward(raw: Tensor) -> Tensor:
        images = raw.to(torch.float32).div_(255).contiguous(memory_format=torch.channels_last)
        logits: Tensor = module((images - mean) / std)
        return logits

    def block() -> None:
        module.train()
        for rows in batches_of(torch.randperm(len(pixels)), recipe.batch):
            loss = F.cross_entropy(forward(pixels[rows]), train.labels[rows], label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        module.eval()
        right = 0
        with torch.no_grad():
            for rows in batches_of(torch.arange(len(others)), recipe.batch):
                right += int((forward(others[rows]).argmax(1) == dev.labels[rows]).sum())

    return block


def alternating(block: Callable[[], None], ours: list[float], bare: list[float]) -> Observer:
    """Times each epoch of ours up to its last file, then one block of the bare loop."""

    @contextmanager
    def watch(events: Events) -> Iterator[None]:
        begun = [0.0]

        def start(_: State) -> None:
            begun[0] = time.process_time()

        def end(_: State) -> None:
            now = time.process_time()
            ours.append(now - begun[0])
            block()
            bare.append(time.process_time() - now)

        with events.attached(epoch_start=start, epoch_end=end):
            yield

    return watch


def main() -> None:
    threads = 1
    splits = Splits(random_split("train", TRAIN, 1), random_split("dev", DEV, 2), random_split("test", 8, 3))
    name, ours, bare = "striate/small", [], []  # type: ignore[var-annotated]
    recipe = replace(QUICK, name="benchmark", epochs=BLOCKS + 1, augment=Augment())
    torch.set_num_threads(threads)
    loaded = load_net(name, classes=splits.train.classes, channels=3, weights=False)
    net = Net(loaded.module, mean=[0.5] * 3, std=[0.29] * 3, classes=CLASSES, name=name)
    observer = alternating(bare_loop(net, recipe, splits.train, splits.dev), ours, bare)
    with tempfile.TemporaryDirectory() as folder:
        fit(name, splits, out=Path(folder) / "run", recipe=recipe, threads=threads, observers=[observer])
    ratios = [one / other for one, other in zip(ours[1:], bare[1:], strict=True)]  # the first block warms up
    middle, low, high = median_interval(ratios)
    verdict = "holds" if high <= LIMIT else "does not hold"
    text = f"""# The loop against a bare PyTorch loop

Command: `python benchmarks/loop.py`, {datetime.now(UTC):%Y-%m-%d}. torch {torch.__version__}, CPU, {threads} thread.

`{name}`, {TRAIN} random images of {SIZE} x {SIZE} x 3 and {DEV} for dev, batch {recipe.batch}, channels_last, SGD with
Nesterov momentum, label smoothing. One block is an epoch with its look at dev; ours writes metrics, checkpoint and
weights in it. {len(ratios)} blocks of each, alternating in one process, CPU seconds.

| | ours | bare |
|---|---|---|
| median of a block, CPU s | {statistics.median(ours[1:]):.3f} | {statistics.median(bare[1:]):.3f} |

Median of the ratios **{middle:.3f}**, 95 % interval {low:.3f} to {high:.3f} (order statistics). Wanted: upper end at
most {LIMIT}. It {verdict}.
"""
    (Path(__file__).parent / "loop.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
