"""Tiny nets, data and runs for tasks whose images need no labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from striate.data.dataset import Dataset, Splits
from striate.nets.net import Net
from striate.training.loop import fit
from striate.training.payload import Epoch, Training
from striate.training.recipe import AdamW, Augment, Recipe
from striate.training.schedules import Schedule

RECIPE = Recipe("tiny", AdamW(0.01, weight_decay=0.0), Schedule("constant"), epochs=3, batch=8, augment=Augment(0.5))


def encoder(*, seed: int = 0, channels: int = 1) -> Net:
    """Maps and a vector on the way to two classes, on images of 16 x 16 or any size."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(96, 2),
        )
    return Net(module, name="tiny encoder", channels=channels, least_size=8)


def pictures(count: int, *, seed: int = 0, channels: int = 1, side: int = 16) -> Tensor:
    """Blots: noise of a quarter of the size, enlarged."""
    made = torch.Generator().manual_seed(seed)
    small = torch.rand(count, channels, side // 4, side // 4, generator=made)
    return nn.functional.interpolate(small, size=(side, side), mode="bilinear")


def unlabelled(count: int = 40, **options: int) -> Splits:
    """Pictures without labels to learn from and to choose by."""

    def part(split: str, number: int, seed: int) -> Dataset:
        data = Dataset.of(pictures(number, seed=seed, **options), torch.zeros(number), name="blots", split=split)
        return replace(data, labels=torch.full((number,), -1), classes=(), task="none")

    return Splits(part("train", count, 1), part("dev", 10, 2), part("test", 10, 3), "blots")


def rows(training: Training) -> list[Epoch]:
    """The history without its seconds."""
    return [replace(row, seconds=0.0) for row in training.history]


def bits(folder: Path) -> dict[str, bytes | str]:
    """The bytes of every saved tensor, and what the file says of itself."""
    with safe_open(folder / "weights.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name).numpy().tobytes() for name in file.keys()}  # noqa: SIM118
        return {**tensors, **file.metadata()}


def interrupted_and_resumed(build: object, splits: Splits, folder: Path) -> tuple[Training, Training]:
    """A whole run in ``folder/whole``, and one in ``folder/run`` that was stopped in its third epoch and resumed."""
    whole = fit(build(), splits, out=folder / "whole", recipe=RECIPE)

    def press(state: object) -> None:
        if state.epoch == 2:
            raise KeyboardInterrupt

    observers = [lambda events: events.attached(step=press)]
    try:
        fit(build(), splits, out=folder / "run", recipe=RECIPE, observers=observers)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("nobody pressed Ctrl-C")
    return whole, fit(build(), splits, out=folder / "run", recipe=RECIPE, resume=True)
