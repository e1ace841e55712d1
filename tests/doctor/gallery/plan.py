"""Plan: one training set-up of somebody else's, in parts that a fault can spoil; its loop is written as such loops are.

Nothing here is Striate's: a model, tensors, loaders, an optimizer, a loop with ``train()`` and ``test()``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

Make = Callable[[nn.Module], torch.optim.Optimizer]


class Items(Dataset[tuple[Tensor, Tensor]]):
    """Pairs that a transform may change each time they are drawn."""

    def __init__(self, x: Tensor, y: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> None:
        self.x, self.y, self.change = x, y, change

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        x = self.x[row]
        return (x if self.change is None else self.change(x)), self.y[row]


def _zero(plan: Plan) -> None:
    for each in plan.optimizers:
        each.zero_grad()


def _backward(plan: Plan, loss: Tensor) -> None:
    loss.backward()


def _step(plan: Plan) -> None:
    for each in plan.optimizers:
        each.step()


def _nothing(plan: Plan) -> None:
    """Nothing."""


def one_turn(plan: Plan, x: Tensor, y: Tensor) -> None:
    """One batch of training: clear, forward, loss, backward, step."""
    plan.clear(plan)
    loss = plan.loss_fn(plan.forward(plan, x), y)
    plan.backward(plan, loss)
    plan.before_step(plan)
    plan.step(plan)
    plan.after_step(plan)


def share_right(output: Tensor, y: Tensor) -> float:
    """Share of samples whose class has the highest score; NaN where outputs are no scores of classes."""
    if output.dim() != 2 or y.dim() != 1 or y.is_floating_point():
        return float("nan")
    return float((output.argmax(1) == y).float().mean())


@dataclass(eq=False)
class Plan:
    """One set-up. Faults change its parts before it is run; those that are callables take the plan.

    Attributes:
        x: Training inputs (n, C, H, W), as the model takes them.
        y: Targets.
        tx: Test inputs.
        ty: Test targets.
        model: What is trained.
        loss_fn: ``loss_fn(output, y)``.
        make_optimizers: From the model, one or several.
        make_scheduler: From the first optimizer; None for none.
        scheduler_each: ``"step"``, ``"epoch"``, or ``"plateau"`` (each epoch, told the error of the test).
        epochs: Passes over the training data.
        batch: Samples a step.
        shuffle: Whether the training loader shuffles.
        change: Drawn anew for each training sample, or None.
        test_change: The same for test samples.
        train_mode: Before each epoch of training.
        test_mode: Before each test.
        no_grad: Whether the test runs without gradients.
        clear: Before each backward.
        backward: From the loss.
        before_step: Between backward and step: clipping, noise.
        step: The optimizers' step.
        after_step: After it: a mean of the weights.
        forward: ``forward(plan, x)`` in training.
        tested_on: Which split the test reads.
        average: A running mean of the weights, told to the doctor.
        pretrained: Told to the doctor.
        worker_init: The loader's ``worker_init_fn``, and
        workers: how many workers it has (the loop itself runs without: it would be slow and learn the same).
        drop_last: Whether the last, smaller batch is left out.
        collate: The loaders' ``collate_fn``.
        turn: One batch of training, where a loop has another order than `one_turn` (a closure, accumulation, mixup).
        infer: What the test calls, where the model gives more than scores.
        measure: Of all test outputs and targets, the larger the better: `share_right`, or another for other tasks.
        unpack: Inputs and targets of what the loader gives.
        sampler: The training loader's, made from the training targets; instead of ``shuffle``.
        accuracy: What ``measure`` gave in the last test.
    """

    x: Tensor
    y: Tensor
    tx: Tensor
    ty: Tensor
    model: nn.Module
    loss_fn: Callable[..., Tensor]
    make_optimizers: Callable[[nn.Module], list[torch.optim.Optimizer]]
    make_scheduler: Callable[[torch.optim.Optimizer, int], Any] | None = None
    scheduler_each: str = "step"
    epochs: int = 4
    batch: int = 64
    shuffle: bool = True
    change: Callable[[Tensor], Tensor] | None = None
    test_change: Callable[[Tensor], Tensor] | None = None
    train_mode: Callable[[Plan], None] = lambda plan: plan.model.train() and None
    test_mode: Callable[[Plan], None] = lambda plan: plan.model.eval() and None
    no_grad: bool = True
    clear: Callable[[Plan], None] = _zero
    backward: Callable[[Plan, Tensor], None] = _backward
    before_step: Callable[[Plan], None] = _nothing
    step: Callable[[Plan], None] = _step
    after_step: Callable[[Plan], None] = _nothing
    forward: Callable[[Plan, Tensor], Tensor] = lambda plan, x: plan.model(x)
    tested_on: str = "test"
    average: nn.Module | None = None
    pretrained: bool = False
    worker_init: Callable[[int], None] | None = None
    workers: int = 0
    drop_last: bool = True
    collate: Callable[[list[Any]], Any] | None = None
    turn: Callable[[Plan, Tensor, Tensor], None] = one_turn
    infer: Callable[[Plan, Tensor], Tensor] = lambda plan, x: plan.model(x)
    measure: Callable[[Tensor, Tensor], float] = share_right
    unpack: Callable[[Any], Any] = lambda batch: batch
    sampler: Callable[[Tensor], Any] | None = None
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    scheduler: Any = None
    accuracy: float = float("nan")
    count: int = 0

    def train_set(self) -> Dataset[tuple[Tensor, Tensor]]:
        """The training data."""
        return TensorDataset(self.x, self.y) if self.change is None else Items(self.x, self.y, self.change)  # type: ignore[return-value]

    def test_set(self) -> Dataset[tuple[Tensor, Tensor]]:
        """The test data."""
        return (
            TensorDataset(self.tx, self.ty)  # type: ignore[return-value]
            if self.test_change is None
            else Items(self.tx, self.ty, self.test_change)
        )

    def loaders(self) -> tuple[DataLoader[Any], DataLoader[Any]]:
        """Of training and of test."""
        sampler = None if self.sampler is None else self.sampler(self.y)
        return (
            DataLoader(
                self.train_set(), batch_size=self.batch, shuffle=self.shuffle and sampler is None, sampler=sampler,
                drop_last=self.drop_last, worker_init_fn=self.worker_init, collate_fn=self.collate,
            ),
            DataLoader(self.test_set(), batch_size=256, collate_fn=self.collate),
        )  # fmt: skip

    def ready(self) -> Plan:
        """The same with optimizers and scheduler made."""
        self.optimizers = self.make_optimizers(self.model)
        steps = self.epochs * max(1, len(self.x) // self.batch)
        self.scheduler = self.make_scheduler(self.optimizers[0], steps) if self.make_scheduler else None
        return self

    def fit(self, train: DataLoader[Any], test: DataLoader[Any]) -> None:
        """Epochs of training, each with a test after it, the way the PyTorch examples do it."""
        for _ in range(self.epochs):
            self.train_epoch(train)
            self.test_epoch(test if self.tested_on == "test" else train)
            if self.scheduler is not None and self.scheduler_each == "epoch":
                self.scheduler.step()
            if self.scheduler is not None and self.scheduler_each == "plateau":
                self.scheduler.step(1 - self.accuracy)

    def train_epoch(self, loader: DataLoader[Any]) -> None:
        """One pass over the training data."""
        self.train_mode(self)
        for batch in loader:
            x, y = self.unpack(batch)
            self.turn(self, x, y)
            self.count += 1
            if self.scheduler is not None and self.scheduler_each == "step":
                self.scheduler.step()

    def test_epoch(self, loader: DataLoader[Any]) -> None:
        """What ``measure`` makes of the outputs."""
        self.test_mode(self)
        outputs, targets = [], []
        with torch.set_grad_enabled(not self.no_grad):
            for batch in loader:
                x, y = self.unpack(batch)
                outputs.append(self.infer(self, x).detach())
                targets.append(y)
        self.accuracy = self.measure(torch.cat(outputs), torch.cat(targets))


def diagnosed(plan: Plan, *, preflight: bool = True) -> Any:
    """The plan run under the doctor's eyes; gives the watch."""
    import striate

    plan.ready()
    train, test = plan.loaders()
    told = plan.optimizers[0] if len(plan.optimizers) == 1 else plan.optimizers
    with striate.watch(
        plan.model, told, plan.loss_fn, train=train, test=test, scheduler=plan.scheduler, average=plan.average,
        pretrained=plan.pretrained, preflight=preflight, quiet=True,
    ) as doctor:  # fmt: skip
        plan.fit(train, test)
    return doctor
