"""Healthy plans that faults are planted in: data sets by nets, all small enough for a second each."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from doctor.gallery.plan import Plan

DATA = ("digits", "FashionMNIST", "CIFAR10", "shapes")
NETS = ("mlp", "cnn")
TRAIN, TEST = 1_500, 500


@cache
def tensors(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test images (n, C, H, W) in [0, 1] at half their side, with labels."""
    from striate.data.load import load_splits

    root = os.environ.get("STRIATE_DATA")
    splits = load_splits(name, root=Path(root) if root else None, partial=name == "CIFAR10")
    out: list[Tensor] = []
    for part, most in ((splits.train, TRAIN), (splits.test, TEST)):
        rows = torch.randperm(len(part), generator=torch.Generator().manual_seed(0))[:most]
        out += [torch.nn.functional.avg_pool2d(part.images(rows), 2), part.labels[rows].clone()]
    return out[0], out[1], out[2], out[3]


def mlp(channels: int, side: int, classes: int, width: int = 64) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * side * side, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, classes),
    )  # fmt: skip


def cnn(channels: int, side: int, classes: int, width: int = 12) -> nn.Module:
    """Two convolutions with BatchNorm, a pool after each, a hidden linear layer with dropout."""
    left = side // 4
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * width * left * left, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, classes),
    )  # fmt: skip


BUILD: dict[str, Callable[..., nn.Module]] = {"mlp": mlp, "cnn": cnn}


def base(data: str, net: str, seed: int) -> Plan:
    """A healthy plan: Adam at .001 and .002, cross-entropy, inputs of mean 0 and deviation 1."""
    torch.manual_seed(seed)
    x, y, tx, ty = tensors(data)
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    x, tx = (x - mean) / std, (tx - mean) / std
    model = BUILD[net](x.shape[1], x.shape[2], int(y.max()) + 1)
    return Plan(
        x, y.clone(), tx, ty.clone(), model, nn.CrossEntropyLoss(),
        lambda made: [torch.optim.Adam(made.parameters(), lr=0.002)],
    )  # fmt: skip
