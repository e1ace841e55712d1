"""A training script that knows nothing of Striate, with the doctor around its loop: three lines.

python examples/watched.py                      digits, a healthy loop
python examples/watched.py --fault no-zero-grad one of the faults below, found while it trains
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import striate

FAULTS = ("none", "no-zero-grad", "softmax-twice", "rate", "labels", "eval-mode", "raw-pixels")


class Net(nn.Module):
    def __init__(self, *, softmax: bool = False) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.fc1, self.fc2 = nn.Linear(32 * 4 * 4, 64), nn.Linear(64, 10)
        self.softmax = softmax

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout(torch.flatten(F.max_pool2d(x, 2), 1))
        x = self.fc2(F.relu(self.fc1(x)))
        return F.softmax(x, dim=1) if self.softmax else x


def train(args: argparse.Namespace, model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> None:
    model.train(args.fault != "eval-mode")
    for data, target in loader:
        if args.fault != "no-zero-grad":
            optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()


def test(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            correct += (model(data).argmax(1) == target).sum().item()
    return correct / len(loader.dataset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    images, labels = (torch.as_tensor(each) for each in load_digits(return_X_y=True))
    x, y = images.float().reshape(-1, 1, 8, 8) / 16, labels.long()
    x = x * 255 if args.fault == "raw-pixels" else (x - 0.3) / 0.37
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    learnt = y[:1400][torch.randperm(1400)] if args.fault == "labels" else y[:1400]
    train_loader = DataLoader(TensorDataset(x[:1400], learnt), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=256)

    model = Net(softmax=args.fault == "softmax-twice")
    rate = 50.0 if args.fault == "rate" else args.lr
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)

    with striate.watch(model, optimizer, F.cross_entropy, train=train_loader, test=test_loader) as doctor:
        for epoch in range(1, args.epochs + 1):
            train(args, model, train_loader, optimizer)
            print(f"epoch {epoch}: {test(model, test_loader):.1%} of the test images right")
    print(doctor)


if __name__ == "__main__":
    main()
