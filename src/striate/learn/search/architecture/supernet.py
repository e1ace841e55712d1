"""A supernet: one net whose edges hold every operation, so that its weights serve every cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.rng import Rng
from striate.nets.own.cell import EDGES, NODES, OPERATIONS, operation, skeleton

from .space import CellSpace, Draw


class SharedCell(nn.Module):
    """A cell that computes whatever code it is given, with weights that all codes share."""

    def __init__(self, digits: str, width: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                f"{source}to{node}with{digit}": operation(OPERATIONS[int(digit)], width)
                for source, node in EDGES
                for digit in digits
                if digit != "0"
            }
        )
        self.code = digits[-1] * len(EDGES)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the last node."""
        digit = dict(zip(EDGES, self.code, strict=True))
        nodes = [x]
        for node in range(1, NODES):
            come = [
                self.edges[f"{source}to{node}with{digit[source, node]}"](nodes[source])
                for source in range(node)
                if digit[source, node] != "0"
            ]
            nodes.append(sum(come[1:], come[0]) if come else torch.zeros_like(x))
        return nodes[-1]


class Supernet(nn.Module):
    """All cells of a space at once; `choose` says which one computes."""

    def __init__(self, space: CellSpace, *, channels: int, classes: int) -> None:
        super().__init__()
        parts = [SharedCell(space.digits, space.width << run) for run in range(3) for _ in range(space.cells)]
        self.net = skeleton(parts, channels=channels, classes=classes, width=space.width, halving=space.halving)
        self.cells = parts

    def choose(self, code: str) -> None:
        """From now on this cell computes."""
        for each in self.cells:
            each.code = code

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of the chosen cell."""
        logits: Tensor = self.net(x)
        return logits


def train_supernet(
    net: Supernet, space: CellSpace, images: Tensor, labels: Tensor, *, epochs: int, batch: int, rate: float, seed: int
) -> None:
    """One cell drawn at random for each step: single path, uniform sampling.

    Source: Guo et al. 2020, section 3.2, equation 7. SGD with momentum and a cosine down to zero.
    """
    draw, order = Draw(Rng(seed, "architecture/supernet")), Rng(seed, "architecture/order")
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    each = max(len(images) // batch, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * each)
    net.train()
    for epoch in range(epochs):
        rows = order.permutation(len(images), step=epoch)
        for step in range(each):
            part = rows[step * batch : (step + 1) * batch]
            net.choose(space.sample(draw))
            loss = F.cross_entropy(net(images[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def shared_accuracies(net: Supernet, codes: Sequence[str], images: Tensor, labels: Tensor) -> list[float]:
    """The share right of each code with the shared weights; batch norm by the statistics of these images.

    Source: Guo et al. 2020, section 3.3, where statistics are measured anew for each architecture.
    """
    found = []
    state = {key: value.clone() for key, value in net.state_dict().items()}
    net.train()
    with torch.no_grad():
        for code in codes:
            net.choose(code)
            found.append(float((net(images).argmax(1) == labels).double().mean()))
    net.load_state_dict(state)
    return found
