"""A net and data so small that a whole run takes a blink, with all that makes a resume hard: dropout, BatchNorm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from striate.data.dataset import Dataset, Splits
from striate.nets.net import Net
from striate.training.recipe import Augment, Recipe, Sgd
from striate.training.schedules import Schedule

RECIPE = Recipe(
    name="tiny",
    optimizer=Sgd(0.2, weight_decay=1e-3),
    schedule=Schedule("one_cycle", {"warm": 0.3}),
    epochs=4,
    batch=16,
    label_smoothing=0.1,
    augment=Augment(mirror=0.5, shift=1),
)


def tiny_net(*, classes: int = 3, channels: int = 1, seed: int = 0) -> Net:
    """8 x 8 pixels, one convolution, BatchNorm, dropout, one linear layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(96, classes),
        )
    return Net(module, mean=0.4, std=0.3, classes=classes, name="tiny", size=(8, 8))


def tiny_split(split: str, count: int, *, classes: int = 3, seed: int = 0) -> Dataset:
    """Noise with a bright bar whose height in the image is its class."""
    made = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    pixels = torch.randint(0, 200, (count, 1, 8, 8), dtype=torch.uint8, generator=made)
    for row, label in enumerate(labels.tolist()):
        pixels[row, :, 2 * label : 2 * label + 2] += 45
    names = tuple(f"bar{index}" for index in range(classes))
    return Dataset.of(pixels, labels, classes=names, name="bars", split=split, ids=torch.arange(count) + 1000 * seed)


def tiny_splits(count: int = 70, **parts: Dataset) -> Splits:
    """Bars to learn from, to choose by, to test on; ``parts`` replaces some."""
    splits = Splits(
        tiny_split("train", count, seed=1), tiny_split("dev", 30, seed=2), tiny_split("test", 30, seed=3), "bars"
    )
    return replace(splits, **parts)


def saved(folder: Path) -> Net:
    """A tiny net with the weights that a run left."""
    net = tiny_net()
    net.module.load_state_dict(load_file(folder / "weights.safetensors"))
    return net.eval()


def bits(folder: Path) -> dict[str, bytes | str]:
    """The bytes of every saved tensor and what the file says of itself (in whose order safetensors is free)."""
    with safe_open(folder / "weights.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name).numpy().tobytes() for name in file.keys()}  # noqa: SIM118
        return {**tensors, **file.metadata()}
