"""CPU time of an epoch of training: ours, a script in the manner of timm, Lightning's Trainer.

    .venv-bench/bin/python benchmarks/training.py [ROUNDS]        writes benchmarks/training.md (needs STRIATE_DATA)

Same net, images, batch, memory format, optimizer and one thread. All of them learn, look at dev and write what is
needed to go on after each epoch; ours also changes images at random by counters (off here: no peer does), checks the
loss of every step, and keeps the weights of the best epoch. The sides take turns by whole epochs in one process.
"""

from __future__ import annotations

import copy
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timing import median_interval
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.nets.load import load_net
from striate.training.events import Events, Observer, State
from striate.training.loop import fit
from striate.training.recipe import Augment, Sgd
from striate.training.recipes import QUICK

TRAIN, DEV = 5120, 512
RECIPE = replace(QUICK, name="benchmark", augment=Augment())
LAYOUT = torch.channels_last


def optimizer_of(net: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the recipe, as one writes it by hand."""
    how = RECIPE.optimizer
    assert isinstance(how, Sgd)
    return torch.optim.SGD(
        net.parameters(), lr=1e-3, momentum=how.momentum, nesterov=True, weight_decay=how.weight_decay, fused=True
    )


def pixels_of(raw: Tensor) -> Tensor:
    """Images as floats, normalised, in the layout of the net."""
    return raw.to(torch.float32).div_(255).sub_(0.286).div_(0.353).contiguous(memory_format=LAYOUT)


def loaders(splits: Splits) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """torch's loaders over tensors in memory: a shuffled one, and one of dev."""
    train, dev = (TensorDataset(part.pixels(), part.labels) for part in (splits.train, splits.dev))
    return DataLoader(train, RECIPE.batch, shuffle=True, drop_last=True), DataLoader(dev, RECIPE.batch)


class Meter:
    """A running mean, as timm's scripts keep one."""

    def __init__(self) -> None:
        self.sum = self.count = 0.0

    def update(self, value: float, count: int) -> None:
        """Take in the mean of so many images."""
        self.sum += value * count
        self.count += count


def script(net: nn.Module, splits: Splits, folder: Path) -> Callable[[], None]:
    """An epoch of a plain script: loaders, meters, a checkpoint."""
    optimizer, (train, dev) = optimizer_of(net), loaders(splits)
    criterion = nn.CrossEntropyLoss(label_smoothing=RECIPE.label_smoothing)

    def epoch() -> None:
        losses, right = Meter(), Meter()
        net.train()
        for raw, labels in train:
            output = net(pixels_of(raw))
            loss = criterion(output, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.update(loss.item(), len(labels))
        net.eval()
        with torch.inference_mode():
            for raw, labels in dev:
                right.update(float((net(pixels_of(raw)).argmax(1) == labels).float().mean()), len(labels))
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, folder / "last.pt")

    return epoch


def trainer(net: nn.Module, splits: Splits, folder: Path, *, rounds: int, between: Callable[[float], None]) -> None:
    """Lightning's Trainer over all rounds; ``between`` gets the CPU seconds of each epoch."""
    import pytorch_lightning as pl

    class Lit(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            raw, labels = batch
            loss = F.cross_entropy(self.net(pixels_of(raw)), labels, label_smoothing=RECIPE.label_smoothing)
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
            raw, labels = batch
            self.log("accuracy", (self.net(pixels_of(raw)).argmax(1) == labels).float().mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizer_of(self.net)

    class Clock(pl.Callback):
        begun = 0.0

        def on_train_epoch_start(self, *_: Any) -> None:
            self.begun = time.process_time()

        def on_train_epoch_end(self, *_: Any) -> None:
            between(time.process_time() - self.begun)

    train, dev = loaders(splits)
    runner = pl.Trainer(
        max_epochs=rounds, accelerator="cpu", devices=1, callbacks=[Clock()], enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder,
        logger=pl.loggers.CSVLogger(folder),
    )  # fmt: skip
    runner.fit(Lit(), train, dev)


class Turns:
    """Our run in a thread of its own, which moves on by one epoch when it is told to."""

    def __init__(self, splits: Splits, folder: Path, rounds: int) -> None:
        self.go, self.done, self.spent = threading.Semaphore(0), threading.Semaphore(0), 0.0

        @contextmanager
        def watch(events: Events) -> Iterator[None]:
            begun = [0.0]

            def start(_: State) -> None:
                self.go.acquire()
                begun[0] = time.process_time()

            def end(_: State) -> None:
                self.spent = time.process_time() - begun[0]
                self.done.release()

            with events.attached(epoch_start=start, epoch_end=end):
                yield

        observer: Observer = watch
        recipe = replace(RECIPE, epochs=rounds)
        given = {"out": folder / "run", "recipe": recipe, "threads": 1, "observers": [observer]}
        self.thread = threading.Thread(target=lambda: fit("striate/small", splits, **given), daemon=True)  # type: ignore[arg-type]
        self.thread.start()

    def epoch(self) -> float:
        """One epoch; gives its CPU seconds."""
        self.go.release()
        self.done.acquire()
        return self.spent


def measure(splits: Splits, rounds: int, folder: Path) -> dict[str, list[float]]:
    """CPU seconds of the epochs of each side; the first round, which warms up, is left out."""
    torch.set_num_threads(1)
    net = load_net("striate/small", classes=splits.train.classes, channels=1, weights=False).module
    nets = [copy.deepcopy(net).to(memory_format=LAYOUT) for _ in range(2)]
    spent: dict[str, list[float]] = {"ours": [], "script": [], "Trainer": []}
    plain, turns = script(nets[0], splits, folder), Turns(splits, folder, rounds)

    def between(seconds: float) -> None:
        spent["Trainer"].append(seconds)
        begun = time.process_time()
        with torch.enable_grad():
            plain()
        spent["script"].append(time.process_time() - begun)
        spent["ours"].append(turns.epoch())
        print({name: round(values[-1], 2) for name, values in spent.items()}, flush=True)

    trainer(nets[1], splits, folder, rounds=rounds, between=between)
    return {name: values[1:] for name, values in spent.items()}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    warnings.simplefilter("ignore")
    given = load_splits("FashionMNIST")
    splits = replace(given, train=given.train.limit(TRAIN), dev=given.dev.limit(DEV))
    with tempfile.TemporaryDirectory() as folder:
        spent = measure(splits, rounds, Path(folder))
    rows = []
    for name, words in (("ours", "Striate"), ("script", "plain script"), ("Trainer", "Lightning Trainer")):
        ratios = [one / bare for one, bare in zip(spent[name], spent["script"], strict=True)]
        middle, low, high = median_interval(ratios)
        shown = "1" if name == "script" else f"{middle:.3f} ({low:.3f} to {high:.3f})"
        rows.append(f"| {words} | {statistics.median(spent[name]):.2f} | {shown} |")
    text = f"""# An epoch of training beside its peers

Command: `.venv-bench/bin/python benchmarks/training.py {rounds}`, {datetime.now(UTC):%Y-%m-%d}.
torch {torch.__version__}, pytorch-lightning {version("pytorch-lightning")}, CPU, one thread; others used the machine.

`striate/small`, {TRAIN:,} images of FashionMNIST and {DEV} for dev, batch {RECIPE.batch}, channels_last, float32, SGD
with Nesterov momentum, label smoothing. {len(spent["ours"])} epochs of each side, taking turns in one process.

| | median of an epoch, CPU s | ratio to the script, 95 % interval of the median |
|---|---|---|
{chr(10).join(rows)}
"""
    (Path(__file__).parent / "training.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
