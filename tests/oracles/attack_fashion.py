"""The FashionMNIST net with plain and robust weights that attacks are measured on; imports nothing of striate."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import torch
from torch import Tensor, nn


class FashionNet(nn.Module):
    """Convolutions 5x5/2 to 20, 3x3 to 32, 3x3/2 to 48, 3x3 to 64 channels, with BatchNorm and ReLU; then a line."""

    def __init__(self) -> None:
        super().__init__()
        widths, kernels, strides = (1, 20, 32, 48, 64), (5, 3, 3, 3), (2, 1, 2, 1)
        blocks = [
            nn.Sequential(
                nn.Conv2d(widths[at], widths[at + 1], kernels[at], strides[at], kernels[at] // 2, bias=False),
                nn.BatchNorm2d(widths[at + 1]),
                nn.ReLU(),
            )
            for at in range(4)
        ]
        self.stem, self.body = blocks[0], nn.Sequential(*blocks[1:])
        self.head = nn.Linear(576, 10)

    def forward(self, normalised: Tensor) -> Tensor:
        features = nn.functional.avg_pool2d(self.body(self.stem(normalised)), 3, 2)
        logits: Tensor = self.head(features.flatten(1))
        return logits


MEAN, STD = 0.2860, 0.3530


def fashion_net(name: str, folder: Path) -> FashionNet:
    """``fmnist_plain`` or ``fmnist_robust``; takes pixels normalised by MEAN and STD."""
    from safetensors.torch import load_file

    net = FashionNet()
    net.load_state_dict(load_file(folder / f"{name}.safetensors"))
    return net.eval()


def fashion_test(count: int, folder: Path) -> tuple[Tensor, Tensor]:
    """The first test images (count, 1, 28, 28) in [0, 1] and their labels."""

    def numbers(name: str) -> bytes:
        path = folder / "FashionMNIST" / "raw" / name
        return path.read_bytes() if path.exists() else gzip.decompress(path.with_name(name + ".gz").read_bytes())

    images, labels = numbers("t10k-images-idx3-ubyte"), numbers("t10k-labels-idx1-ubyte")
    assert struct.unpack(">IIII", images[:16]) == (2051, 10000, 28, 28)
    pixels = torch.frombuffer(bytearray(images[16 : 16 + count * 784]), dtype=torch.uint8)
    return pixels.view(count, 1, 28, 28).float() / 255, torch.tensor(list(labels[8 : 8 + count]), dtype=torch.int64)
