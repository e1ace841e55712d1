"""What was seen of a run: a line a step, a closer look at some, the passes that were only measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from .graph import Graph


@dataclass(eq=False, slots=True)
class Step:
    """One step of an optimizer.

    Attributes:
        number: Steps before it.
        loss: Loss whose backward came last before it; a tensor until somebody reads `Trace.losses`.
        rates: Learning rate of each parameter group, all optimizers.
        batch: Samples in the forward pass before it.
        backwards: Backward passes since the step before.
        training: Whether the model was in training mode in that pass.
        kept: Whether gradients of the step before were still there when backward began.
        second: Seconds of the clock since the watch began.
        optimizer: Which one it was.
        skipped: Backward passes since the step before whose gradients were cleared without a step (float16's scaler
            leaves steps out).
        passes: Passes forward with a graph since the step before.
        again: Backward passes from the very tensor that the one before came from.
        inside: Backward passes within the optimizer's step: a closure's.
    """

    number: int
    loss: Tensor | float
    rates: tuple[float, ...]
    batch: int
    backwards: int
    training: bool
    kept: bool
    second: float
    optimizer: int = 0
    skipped: int = 0
    passes: int = 0
    again: int = 0
    inside: int = 0


@dataclass(eq=False)
class Probe:
    """One step that was looked into.

    Attributes:
        step: Its number.
        graph: What autograd wrote down of the loss.
        gradients: Norm of each parameter's gradient, as the optimizer took it; None where there was none.
        before: Norm of all gradients after backward, before anything else touched them, without a scaler's factor.
        after: The same as the optimizer took them: less where they were clipped.
        weights: Norm of each parameter before the step.
        updates: Norm of each parameter's change by the step.
        noise: Norm of the difference of this gradient and that of the probe before, over their mean's.
        modes: Share of BatchNorm layers, and of dropout layers, that were in training mode; None without such layers.
        inputs: Mean and standard deviation of the inputs.
        accuracy: Share of the batch that is right, where the graph tells targets and logits.
        predicted: How many samples each class was predicted for, likewise.
        finite: Whether every gradient is.
        tracked: BatchNorm batches counted so far (the largest count), to see whether statistics move.
        scale: Factor that a gradient scaler put on the loss; 1 without one.
        half: Floating type of autocast in the pass, such as ``float16``; empty without autocast.
        zeros: Share of the gradients' entries that are exactly 0, looked up where `half` is float16.
    """

    step: int
    graph: Graph | None = None
    gradients: Mapping[str, float | None] = field(default_factory=dict)
    before: float = math.nan
    after: float = math.nan
    weights: Mapping[str, float] = field(default_factory=dict)
    updates: Mapping[str, float] = field(default_factory=dict)
    modes: tuple[float | None, float | None] = (None, None)
    inputs: tuple[float, float] | None = None
    shape: tuple[int, ...] = ()
    accuracy: float | None = None
    predicted: tuple[int, ...] = ()
    finite: bool = True
    tracked: int | None = None
    scale: float = 1.0
    half: str = ""
    zeros: float | None = None
    first: Tensor | None = None

    def ratios(self) -> dict[str, float]:
        """Update over weight of each parameter that has a weight."""
        return {
            name: self.updates[name] / norm for name, norm in self.weights.items() if norm > 0 and name in self.updates
        }


@dataclass(eq=False)
class Evaluation:
    """Passes that followed one another without a step between: a test, as a loop makes it.

    Attributes:
        step: Steps before it.
        passes: How many there were.
        samples: In all of them.
        training: Share of the passes in training mode.
        graphs: Share of the passes that wrote down a graph for a backward that never came.
        first: The first batch of inputs, at most 16 samples: what data it was can be looked up.
        predicted: How many samples each class was predicted for, outputs (n, K) only.
        last: The last batch of inputs, likewise: loops that measure training and test data do so in one go.
    """

    step: int
    passes: int = 0
    samples: int = 0
    training: float = 0.0
    graphs: float = 0.0
    first: Tensor | None = None
    predicted: dict[int, int] = field(default_factory=dict)
    last: Tensor | None = None


@dataclass(eq=False)
class Trace:
    """A run as it was watched.

    Attributes:
        steps: Each step, the first first.
        probes: Steps that were looked into.
        evaluations: Passes that were only measured.
        seconds: What watching itself took.
        elapsed: What the whole block took.
        passes: Passes forward in all.
        backwards: Backward passes in all.
        error: What the loop raised, in words, or empty.
        changed: Whether the model has other modules or parameters than when the watch began.
        skipped: Backward passes in all whose gradients were cleared without a step.
    """

    steps: list[Step] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    seconds: float = 0.0
    elapsed: float = 0.0
    passes: int = 0
    backwards: int = 0
    error: str = ""
    changed: bool = False
    skipped: int = 0

    def losses(self) -> list[float]:
        """The loss of each step."""
        for each in self.steps:
            if isinstance(each.loss, Tensor):
                each.loss = float(each.loss)
        return [float(each.loss) for each in self.steps]

    def rates(self) -> list[float]:
        """The largest learning rate of each step."""
        return [max(each.rates, default=0.0) for each in self.steps]
