"""A loop of a linear model on points of three classes, each of whose parts can be another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import striate
from striate.core.finding import Finding


def points(count: int = 256) -> tuple[Tensor, Tensor]:
    """Points (n, 4) around three centres, and which they are of."""
    drawn = torch.Generator().manual_seed(0)
    y = torch.arange(count) % 3
    centres = 2.0 * torch.eye(4)[:3]
    return centres[y] + 0.5 * torch.randn(count, 4, generator=drawn), y


def _linear() -> nn.Module:
    model = nn.Linear(4, 3)
    with torch.no_grad():
        model.weight.copy_(0.5 * torch.randn(3, 4, generator=torch.Generator().manual_seed(1)))
        model.bias.fill_(0.01)
    return model


@dataclass(eq=False)
class Loop:
    """One training; ``run`` gives the doctor that watched it."""

    model: nn.Module = field(default_factory=_linear)
    make: Callable[[Iterable[nn.Parameter]], Any] = lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5)
    loss_fn: Callable[..., Tensor] = field(default_factory=nn.CrossEntropyLoss)
    clear: Callable[[Loop], None] = lambda loop: loop.optimizer.zero_grad()
    forward: Callable[[Loop, Tensor], Tensor] = lambda loop, x: loop.model(x)
    backward: Callable[[Loop, Tensor], Any] = lambda loop, loss: loss.backward()
    before: Callable[[Loop], Any] = lambda loop: None
    step: Callable[[Loop], Any] = lambda loop: loop.optimizer.step()
    after: Callable[[Loop], Any] = lambda loop: None
    schedule: Callable[[Any], Any] | None = None
    scheduled: int = 1  # steps between two of the schedule; 0 for never
    average: nn.Module | None = None
    pretrained: bool = False
    batch_size: int = 16
    steps: int = 64
    count: int = 0

    def __post_init__(self) -> None:
        self.twin = _linear()

    def run(self) -> Any:
        """The watch of ``steps`` steps."""
        torch.manual_seed(0)
        x, y = points()
        self.count = 0
        made = self.make(self.model.parameters())
        self.optimizer = made[0] if isinstance(made, list) else made
        scheduler = self.schedule(self.optimizer) if self.schedule else None
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(x, y), batch_size=self.batch_size, shuffle=True
        )
        with striate.watch(
            self.model, made, self.loss_fn, train=loader, scheduler=scheduler, average=self.average,
            pretrained=self.pretrained, quiet=True,
        ) as doctor:  # fmt: skip
            while self.count < self.steps:
                for batch in loader:
                    self.batch = batch
                    self.clear(self)
                    self.output = self.forward(self, batch[0])
                    self.backward(self, self.loss_fn(self.output, batch[1]))
                    self.before(self)
                    self.step(self)
                    self.after(self)
                    self.count += 1
                    if scheduler is not None and self.scheduled and self.count % self.scheduled == 0:
                        scheduler.step()
                    if self.count >= self.steps:
                        break
        assert not doctor.faults
        return doctor


FAMILIES = ("optimizers", "gradients", "loss", "rates", "schedules")


def names(doctor: Any) -> list[str]:
    """Checks of these families that found something serious, causes first."""
    own = {run.name for run in doctor.result.checks_run if run.family in FAMILIES}
    failed = [run for run in doctor.result.checks_run if run.state == "failed" and run.family in FAMILIES]
    assert not failed
    return [each.check for each in doctor.findings if each.check in own and each.severity != "note"]


def seen(doctor: Any, name: str) -> Finding:
    """The finding of one check, folded or not."""
    return next(finding for _, finding in doctor._checked.flat() if finding.check == name)
