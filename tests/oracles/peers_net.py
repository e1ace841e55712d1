"""A small fixed net and images, made by formula, on which peers' values are written down and compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 5
TARGETS = (3, 1, 4, 0)


class FixedNet(nn.Module):
    """Two convolutions, one ReLU that is functional and one that is in place, pooling, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)
        self.linear = nn.Linear(8 * 4 * 4, CLASSES)
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                count = torch.arange(parameter.numel(), dtype=torch.float64)
                wave = torch.sin(count * 1.7 + number) + 0.5 * torch.cos(count * 0.37 * (number + 1))
                parameter.copy_((0.35 * wave).view_as(parameter).float())

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (N, 5) of images (N, 3, 16, 16)."""
        first = torch.relu(self.conv1((pixels - 0.5) / 0.25))
        return self.linear(self.pool(self.act(self.conv2(first))).flatten(1))


def fixed_images() -> Tensor:
    """Four images (4, 3, 16, 16) in [0.02, 0.98]."""
    count = torch.arange(4 * 3 * 16 * 16, dtype=torch.float64)
    return (0.5 + 0.48 * torch.sin(count * 0.113 + 3.0 * torch.cos(count * 0.0171))).view(4, 3, 16, 16).float()


class Normalise(nn.Module):
    """(pixels - 0.5) / 0.25."""

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels - 0.5) / 0.25


def sequential(pool: nn.Module | None = None) -> nn.Sequential:
    """The same weights as modules in a row, normalisation first, with max pooling, as peers' rules need them."""
    net = FixedNet()
    parts = [Normalise(), net.conv1, nn.ReLU(), net.conv2, nn.ReLU(), pool or nn.MaxPool2d(2), nn.Flatten(), net.linear]
    return nn.Sequential(*parts).eval()
