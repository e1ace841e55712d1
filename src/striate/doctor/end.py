"""The model after its run: what it makes of samples of training and test data, in eval mode and in training mode."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from .samples import Samples, Unreadable, unnoticed
from .setup import Setup
from .start import Failed, Start, affordable, copied, fitted, look_at_start, loss_of, output_of, short

BATCH = 128
SECONDS = 1.0  # for each look at a split


@dataclass(frozen=True, eq=False)
class Outcome:
    """Outputs (n, ...) of the trained copy for the first samples of a split, with their targets.

    Attributes:
        outputs: First tensor that it gives, on the CPU.
        y: Targets (n, ...), or None.
        loss: Mean over batches, each weighed by its samples; None without a loss function or targets.
        labels: Class numbers, where targets are classes.
    """

    outputs: Tensor
    y: Tensor | None
    loss: float | None
    labels: Tensor | None

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.outputs)

    @cached_property
    def predicted(self) -> Tensor:
        """The class with the highest score, of outputs (n, K)."""
        return self.outputs.argmax(1)

    @cached_property
    def right(self) -> int | None:
        """Samples whose class is named, where outputs are scores (n, K) and targets classes."""
        if self.labels is None or self.outputs.dim() != 2 or self.outputs.shape[1] < 2:
            return None
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float | None:
        """Share that is right."""
        return None if self.right is None else self.right / max(self.n, 1)


@dataclass(frozen=True, eq=False)
class End:
    """The trained model.

    Attributes:
        start: One batch through it, as before the run.
        train: Training samples, eval mode.
        learning: Training samples, training mode, in batches of the loader's size.
        test: Test samples, eval mode; None without.
        tested: Test samples, training mode; None without.
    """

    start: Start
    train: Outcome
    learning: Outcome
    test: Outcome | None
    tested: Outcome | None


def look_at_end(setup: Setup, train: Samples, test: Samples | None) -> End:
    """What a copy of the trained model gives; costs at most four passes over the samples.

    Raises:
        Failed: The model cannot be copied or raises.
    """
    start = look_at_start(setup, train)
    model = copied(setup.model)
    with unnoticed():
        torch.manual_seed(0)
        judged = outcome(setup, model, train, training=False)
        held_out = None if test is None else outcome(setup, model, test, training=False)
        learning = outcome(setup, model, train, training=True)
        tested = None if test is None else outcome(setup, model, test, training=True)
    return End(start, judged, learning, held_out, tested)


@torch.no_grad()
def outcome(setup: Setup, model: nn.Module, samples: Samples, *, training: bool) -> Outcome:
    """What ``model`` gives for the samples; buffers are put back afterwards.

    Raises:
        Failed: It raises.
    """
    buffers = {name: each.clone() for name, each in model.named_buffers()}
    outputs, losses, counts = [], [], []
    size = min(BATCH, samples.batch or BATCH) if training else BATCH
    size = affordable(model, fitted(samples.x[:2], model), size, named=samples.named)
    model.train(training)
    begun = time.perf_counter()
    try:
        for low in range(0, len(samples), size):
            x = fitted(samples.x[low : low + size], model)
            y = None if samples.y is None else samples.y[low : low + size].to(x.device)
            if training and len(x) < 2:
                break
            output = output_of(model, x, samples.named)
            outputs.append(output.float().cpu())
            loss = loss_of(setup.loss_fn, output, y)
            if loss is not None:
                losses.append(float(loss))
            counts.append(len(x))
            if time.perf_counter() - begun > SECONDS:
                break
        found = torch.cat(outputs)
    except (Failed, Unreadable):
        raise
    except Exception as error:
        raise Failed(f"the trained model raises: {short(error)}") from error
    finally:
        for name, each in model.named_buffers():
            each.copy_(buffers[name])
    n = len(found)
    total = sum(a * b for a, b in zip(losses, counts, strict=True)) if len(losses) == len(counts) else None
    return Outcome(
        found,
        None if samples.y is None else samples.y[:n],
        None if total is None or not losses else total / sum(counts),
        samples.labels[:n] if samples.targets == "classes" else None,
    )
