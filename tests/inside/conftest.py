"""Small nets and images of these tests."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.rng import Rng
from striate.nets.net import Net


@pytest.fixture
def photos():
    """Four smooth colour images of 16 x 16 pixels."""
    coarse = Rng(0, "photos").uniform(torch.arange(4), (3, 4, 4))
    return nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")


@pytest.fixture
def net():
    """A small classifier with normalisation, in-place and re-used ReLU, BatchNorm, dropout; five classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = Small()
        module.train()
        module(torch.randn(64, 3, 16, 16))
    module.eval()
    return Net(
        module, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), classes=("ant", "bee", "cat", "dog", "eel"), name="small"
    )


class Small(nn.Module):
    """Two convolutions, one ReLU module that runs twice and in place."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1, stride=2)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(12, 5)

    def forward(self, images):
        maps = self.relu(self.norm(self.conv1(images)))
        maps = self.relu(self.conv2(maps))
        return 5 * self.head(self.drop(nn.functional.adaptive_avg_pool2d(maps, 1).flatten(1)))
