"""The doctor beside `striate train`: a run of ours as a `Setup`, its data as samples, an observer of the loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from striate.data.dataset import Dataset, Splits
from striate.nets.auxiliary import WithAuxiliary
from striate.nets.net import Net
from striate.training.events import Events, State, best_of
from striate.training.task import Classification, Task

from .history import History
from .samples import MOST, Samples, spread
from .setup import Setup
from .watch import Speak, Watch

BYTES = 64 << 20  # of the inputs that are looked at
UNKNOWN = History((), 0, False, 0, 0, 0, 0)


def attends(task: Task, net: nn.Module) -> bool:
    """Whether checks know this task with this net of it: one that is taught classes by gradients."""
    return type(task) is Classification and isinstance(net, Net)


def setup_of(task: Task, net: nn.Module, optimizer: torch.optim.Optimizer | None) -> Setup:
    """The parts of a classifier as the doctor takes them: the module within the net, after its normalisation.

    A net with heads that only training looks at has no loss here: it takes more than the logits.
    """
    assert isinstance(task, Classification)
    assert isinstance(net, Net)
    heads = any(isinstance(each, WithAuxiliary) for each in net.modules())
    teaching, answering = copy.copy(task), net

    def loss_fn(output: Tensor, labels: Tensor) -> Tensor:
        return teaching.losses(answering.as_logits(output), labels).mean()

    inner = optimizer if optimizer is None else getattr(optimizer, "optimizer", optimizer)
    return Setup(net.module, inner, None if heads else loss_fn, pretrained=not task.fresh)


def samples_of(data: Dataset, net: nn.Module, *, batch: int | None = None, most: int = MOST) -> Samples:
    """Samples of a split as the module within the net takes them: normalised, otherwise unchanged; labels (n,).

    ``batch`` is that of training, whose order is drawn anew each epoch; None for a split that is only measured on.
    """
    assert isinstance(net, Net)
    height, width = data.size or (32, 32)
    fitting = max(64, BYTES // (4 * data.channels * height * width))
    rows = torch.tensor(spread(len(data), min(most, fitting)))[: min(most, fitting)]
    device = next((each.device for each in net.parameters()), torch.device("cpu"))
    with torch.no_grad():
        x = torch.cat([net._normalised(part.to(device)).cpu() for part in torch.split(data.images(rows), 256)])
    shuffled = None if batch is None else True
    return Samples(x, data.labels[rows].clone(), rows, len(data), shuffled=shuffled, batch=batch)


class Attending:
    """An observer of the training loop that watches the run, and says what is serious while it trains.

    What it does leaves the run as it is, bit for bit: it reads, or works on copies. Of several processes none is
    watched: a look at the first net alone would wait for the others.

    Attributes:
        watched: The run as it is watched, once it has begun; None before, and for tasks that no check knows.
    """

    def __init__(self, splits: Splits, *, batch: int, speak: Speak | None = None, about: History = UNKNOWN) -> None:
        self.splits, self.speak, self.about = splits, speak, about
        self.batch = min(batch, len(splits.train))
        self.watched: Watch | None = None

    @contextmanager
    def __call__(self, events: Events) -> Iterator[None]:
        """Hang on the events of a run; undone at its end."""
        with ExitStack() as stack:

            def begin(state: State) -> None:
                if len(state.nets) == 1 and attends(state.task, *state.nets.values()):
                    self._begin(state, stack)

            def end(state: State) -> None:
                if self.watched is not None and state.history:
                    self.watched.case.history = self._history(state)

            with events.attached(run_start=begin, run_end=end):
                yield

    def _begin(self, state: State, stack: ExitStack) -> None:
        ((name, net),) = state.nets.items()
        watched = Watch(setup_of(state.task, net, state.optimizers[name]), speak=self.speak)
        watched.case.__dict__["train"] = samples_of(self.splits.train, net, batch=self.batch)
        watched.case.__dict__["test"] = samples_of(self.splits.dev, net)
        if state.step:
            watched.case.omit("start", f"the run goes on from step {state.step:,}")
        self.watched = watched
        stack.enter_context(watched)

    def _history(self, state: State) -> History:
        train, dev = self.splits.train, self.splits.dev
        return replace(
            self.about,
            epochs=tuple(state.history),
            planned=state.epochs,
            complete=True,
            best=best_of(state.history, state.task.choice).epoch,
            classes=len(train.classes),
            train=len(train),
            dev=len(dev),
        )
