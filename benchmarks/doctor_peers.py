"""What six packages that claim to find why a network does not learn say about one training set-up.

    make bench once, then: .venv-bench/bin/python benchmarks/doctor_peers.py [--data FOLDER]

`ask(name, case)` runs one of `PEERS` on a `Case` and gives its messages, each ``"error: ..."``, ``"warning: ..."`` or
``"info: ..."`` by the peer's own severity, once each however often it repeats them with other numbers. What a peer
says when all is well (torchtest2's PASS, guardtower's "all trainable parameters receive gradient") is no message.
Every peer is called as its own documentation calls it, with its own thresholds: those that look once get the model,
optimizer and batch as they are when the first step begins; those that watch see the whole run. `severe` keeps warnings
and errors.

Started as a script it tries them on one healthy set-up and on three faults planted in it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from striate.data.load import load_splits
from striate.training.init import seeded

Loss = Callable[[Tensor, Tensor], Tensor]
BeforeStep = Callable[[int, Tensor, Tensor], None]
AfterBackward = Callable[[int, Tensor], None]

EVERY = 50  # steps between two looks of peers that would look at each step for a price, and between evaluations
# Numbers that differ from step to step, but not a layer's: neither the 7 of "in 7" nor the 0.1 of "0.1.weight".
MEASURED = re.compile(
    r"(?<![\w.])\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+|(?=%| times| occurrences))(?![\w.])|(?<=step )\d+"
)
EVALUATED = 500  # test images in the loss that training-doctor is told


class Case(Protocol):
    """One training set-up, healthy or with a planted fault.

    Attributes:
        train: Images (n, C, H, W) and targets as the set-up feeds them; ``test`` alike.
        batch: Images a step.
        loss_fn: Loss of (outputs, targets), the very object that the set-up uses.
    """

    @property
    def train(self) -> tuple[Tensor, Tensor]: ...
    @property
    def test(self) -> tuple[Tensor, Tensor]: ...
    @property
    def batch(self) -> int: ...
    @property
    def loss_fn(self) -> Loss: ...

    def model(self) -> nn.Module:
        """A fresh model, the same one each time."""

    def optimizer(self, model: nn.Module) -> Optimizer:
        """The optimizer that the set-up gives this model."""

    def run(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        before_step: BeforeStep | None = None,
        after_backward: AfterBackward | None = None,
    ) -> object:
        """The training, faults and all.

        Calls ``before_step(step, images, targets)`` when a batch is drawn and nothing has been done with it, and
        ``after_backward(step, loss)`` between the backward pass and whatever follows it. Steps count from 0. What
        these functions raise is let through.
        """


@dataclass(frozen=True)
class Answer:
    """What a peer said of one case: its messages, what it or the run raised ("" if nothing), and CPU seconds."""

    peer: str
    messages: list[str]
    raised: str
    seconds: float


def ask(name: str, case: Case, *, seed: int = 0) -> Answer:
    """The answer of one peer; messages said before an exception are kept. Silent on the terminal."""
    messages: dict[str, str] = {}
    raised, begun = "", time.process_time()
    with seeded(seed, "doctor peers"), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            for message in PEERS[name](case):
                messages.setdefault(MEASURED.sub("#", message), message)
        except Exception as error:  # whatever a peer does, the others are heard
            raised = f"error: raised {type(error).__name__}: {error}".splitlines()[0]
    return Answer(name, list(messages.values()), raised, time.process_time() - begun)


def severe(messages: Iterable[str]) -> list[str]:
    """Those of severity warning or above."""
    return [each for each in messages if not each.startswith("info: ")]


class _Reached(Exception):  # noqa: N818  (not an error: how a run is left at its first step)
    """The first step was reached."""


def _begun(case: Case) -> tuple[nn.Module, Optimizer, Tensor, Tensor]:
    """Model and optimizer in the state the run gave them when its first step begins, and that step's batch."""
    model = case.model()
    optimizer = case.optimizer(model)
    drawn: list[Tensor] = []

    def look(_step: int, images: Tensor, targets: Tensor) -> None:
        drawn.extend((images, targets))
        raise _Reached

    with contextlib.suppress(_Reached):
        case.run(model, optimizer, look)
    images, targets = drawn
    return model, optimizer, images, targets


def torchtest2(case: Case) -> Iterator[str]:
    """`check_model` on the first batch: 18 checks, overfitting that batch in 200 steps among them."""
    package: Any = importlib.import_module("torchtest2")
    model, optimizer, images, targets = _begun(case)
    report = package.check_model(model, images, targets, loss_fn=case.loss_fn, optimizer=optimizer)
    words = {"FAIL": "error", "WARN": "warning"}
    yield from (f"{words[each.status]}: {each.name}: {each.message}" for each in report if each.status in words)


def guardtower(case: Case) -> Iterator[str]:
    """`audit` of the first step, then `monitor` around the run; its notes that all is well are left out."""
    package: Any = importlib.import_module("guardtower")
    well = ("all trainable parameters", "optimizer covers", "global gradient norm =", "loss depends on all")
    model, optimizer, images, targets = _begun(case)
    inputs = images.detach().clone()
    found = package.audit(model, lambda: case.loss_fn(model(inputs), targets), optimizer=optimizer, inputs=inputs)
    words = {"FAIL": "error", "WARN": "warning", "INFO": "info"}
    for each in found:
        if not each.message.startswith(well):
            yield f"{words[each.severity.label]}: {each.check}: {each.message}"
    model = case.model()
    watch = package.monitor(model, on_nonfinite="warn")
    try:
        with watch:
            case.run(model, case.optimizer(model))
    finally:
        yield from (f"error: monitor: non-finite activation in {each}" for each in dict.fromkeys(watch.hits))


def torchdiag(case: Case) -> Iterator[str]:
    """`verify_step` and `check_dead_neurons` on the first batch, `check_gradients` and the dead during the run."""
    package: Any = importlib.import_module("torchdiag")
    model, optimizer, images, targets = _begun(case)
    yield from _printed(lambda: package.summary(model))
    yield from _printed(lambda: package.check_dead_neurons(model, images))
    yield from _printed(lambda: package.verify_step(model, optimizer, case.loss_fn, images, targets))
    model = case.model()
    heard: list[str] = []

    def gradients(step: int, _loss: Tensor) -> None:
        if step % EVERY == 0:
            heard.extend(_printed(lambda: package.check_gradients(model)))

    try:
        case.run(model, case.optimizer(model), None, gradients)
        heard.extend(_printed(lambda: package.check_dead_neurons(model, images)))
    finally:
        yield from heard


def _printed(call: Callable[[], object]) -> list[str]:
    """The issues that torchdiag prints; what its table calls failed, critical, exploding or disconnected is an error.

    It returns numbers without a verdict, so that the issues are only in what it prints.
    """
    with contextlib.redirect_stdout(io.StringIO()) as text:
        call()
    said = []
    for line in re.findall(r"^ *• (.*)$", text.getvalue(), re.MULTILINE):
        dead = re.search(r": (\d+)% neurons dead", line)
        grave = int(dead[1]) > 50 if dead else re.search(r"fail|explod|disconnect|not finite|frozen|not learning", line)
        said.append(f"{'error' if grave else 'warning'}: {line}")
    return said


def torchmortem(case: Case) -> Iterator[str]:
    """`Autopsy` around the run, its default sampling; a step is closed when the next one begins or the run ends."""
    package: Any = importlib.import_module("torchmortem")
    model = case.model()
    optimizer = case.optimizer(model)
    autopsy = package.Autopsy(model, optimizer=optimizer)
    open_step: list[float] = []

    def close(*_: object) -> None:
        if open_step:
            autopsy.step(loss=open_step.pop())

    try:
        with autopsy:
            case.run(model, optimizer, close, lambda _, loss: open_step.append(float(loss)))
            close()
    finally:
        words = {"CRITICAL": "error", "WARNING": "warning", "INFO": "info"}
        report = autopsy.get_report()
        yield from (f"{words[each.severity.name]}: {each.title}: {each.summary}" for each in report.findings)


def training_doctor(case: Case) -> Iterator[str]:
    """`Doctor.log` of loss, rate and gradient norm each step, and of the test loss every `EVERY` steps."""
    package: Any = importlib.import_module("training_doctor")
    model = case.model()
    optimizer = case.optimizer(model)
    doctor = package.Doctor()
    images, targets = (each[:EVALUATED] for each in case.test)

    def log(step: int, loss: Tensor) -> None:
        slopes = [each.grad.norm() for each in model.parameters() if each.grad is not None]
        told = {"loss": float(loss), "lr": optimizer.param_groups[0]["lr"]}
        told |= {"grad_norm": float(torch.stack(slopes).norm())} if slopes else {}
        told |= {"eval_loss": _test_loss(model, images, targets, case.loss_fn)} if step % EVERY == 0 else {}
        doctor.log(step, **told)

    try:
        case.run(model, optimizer, None, log)
    finally:
        words = {"critical": "error", "warning": "warning", "info": "info"}
        for each in doctor.diagnoses:
            because = "; ".join(str(one) for one in each.evidence)
            yield f"{words[each.severity.value]}: {each.problem}: {because}"


def _test_loss(model: nn.Module, images: Tensor, targets: Tensor, loss_fn: Loss) -> float:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        loss = float(loss_fn(model(images), targets))
    for module, training in modes:
        module.training = training
    return loss


def torch_audit(case: Case) -> Iterator[str]:
    """`autopatch` of the model, and `audit` of gradients and weights after a backward pass, every `EVERY` steps.

    The optimizer is not patched: its patch breaks learning-rate schedules that are made after it. The audit of the
    optimizer phase, which looks at the weights after a step, comes as one-shot audit at the start of the next.
    """
    package: Any = importlib.import_module("torch_audit")
    model = case.model()
    optimizer = case.optimizer(model)
    auditor = package.autopatch(model, optimizer=optimizer, every_n_steps=EVERY, patch_optimizer=False)
    found: list[Any] = []

    def count(step: int, _images: Tensor, _targets: Tensor) -> None:
        auditor.step = step
        if step % EVERY == 1:
            found.extend(package.audit(model, step, package.Phase.OPTIMIZER, optimizer=optimizer).findings)

    def gradients(step: int, _loss: Tensor) -> None:
        if step % EVERY == 0:
            found.extend(package.audit(model, step, package.Phase.BACKWARD, optimizer=optimizer).findings)

    try:
        case.run(model, optimizer, count, gradients)
    finally:
        auditor.unpatch()
        words = {"FATAL": "error", "ERROR": "error", "WARN": "warning", "INFO": "info"}
        for each in [*auditor.finish().findings, *found]:
            where = f" ({each.module_path})" if each.module_path else ""
            yield f"{words[each.severity.value]}: {each.rule_id}: {each.message}{where}"


Peer = Callable[[Case], Iterator[str]]
PEERS: dict[str, Peer] = {
    "torchtest2": torchtest2,
    "guardtower": guardtower,
    "torchdiag": torchdiag,
    "torchmortem": torchmortem,
    "training-doctor": training_doctor,
    "torch-audit": torch_audit,
}


@dataclass(frozen=True)
class Trial:
    """A small CNN on FashionMNIST under Adam, with at most one fault in it; the trial's `Case`."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    fault: str = ""
    batch: int = 64
    epochs: int = 3
    loss_fn: Loss = field(default_factory=nn.CrossEntropyLoss)

    def model(self) -> nn.Module:
        """Two convolutions and a linear layer; with "softmax" the probabilities, not the logits."""
        with seeded(0, "trial"):
            layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
            layers += [nn.Linear(32 * 7 * 7, 10)]
        return nn.Sequential(*layers, *([nn.Softmax(dim=1)] if self.fault == "softmax" else []))

    def optimizer(self, model: nn.Module) -> Optimizer:
        """Adam; with "rate" at 100."""
        return torch.optim.Adam(model.parameters(), lr=100.0 if self.fault == "rate" else 1e-3)

    def run(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        before_step: BeforeStep | None = None,
        after_backward: AfterBackward | None = None,
    ) -> None:
        """Epochs in an order drawn anew; with "zero_grad" gradients add up."""
        order = torch.Generator().manual_seed(0)
        images, targets = self.train
        step = 0
        for _ in range(self.epochs):
            for rows in torch.randperm(len(images), generator=order).split(self.batch):  # type: ignore[no-untyped-call]
                if before_step:
                    before_step(step, images[rows], targets[rows])
                if self.fault != "zero_grad":
                    optimizer.zero_grad()
                loss = self.loss_fn(model(images[rows]), targets[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                if after_backward:
                    after_backward(step, loss.detach())
                optimizer.step()
                step += 1


def main() -> int:
    """Every peer on the trial's four set-ups."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", default=os.environ.get("STRIATE_DATA"), help="folder with FashionMNIST")
    options.add_argument("--images", type=int, default=6000)
    options.add_argument("--all", action="store_true", help="print every message")
    given = options.parse_args()
    splits = load_splits("FashionMNIST", root=given.data)
    train, test = (
        (split.images(range(count)), split.labels[:count])
        for split, count in ((splits.train, given.images), (splits.test, 1000))
    )
    torch.set_num_threads(1)
    for fault in ("", "softmax", "zero_grad", "rate"):
        case: Case = Trial(train, test, fault)
        for name in PEERS:
            answer = ask(name, case)
            counts = f"{len(answer.messages):3} said, {len(severe(answer.messages)):3} severe"
            print(f"{fault or 'healthy':10} {name:16} {counts} {answer.seconds:6.1f} s  {answer.raised}", flush=True)
            for each in answer.messages if given.all else answer.messages[:1]:
                print(f"{'':12}{each[:150]}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
