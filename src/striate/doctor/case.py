"""Case: all that is known of one setup, each part looked up when a check first asks; or the reason why it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

from .end import End, look_at_end
from .history import History
from .samples import Samples, Unreadable, draw
from .setup import Setup
from .start import Failed, Start, look_at_start
from .trace import Trace

DECLARED = {"generator": "generate", "discriminator": "discriminate", "codes": "embed"}
FEW_STEPS = 3  # below these nothing is said of a run


@dataclass(eq=False)
class Case:
    """One setup and what was seen of it.

    Attributes:
        setup: The parts as they were given.
        trace: The run, where one was watched.
        finished: Whether the run is over, so that the trained model may be looked at.
        reasons: Why a part is not there, by its name.
        crashes: What model or loss raised, in words: a check makes a finding of it.
        history: Epochs of a run of `striate train`, where it is one.
    """

    setup: Setup
    trace: Trace | None = None
    finished: bool = False
    reasons: dict[str, str] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)
    history: History | None = None

    def _drawn(self, name: str) -> Samples | None:
        given = getattr(self.setup, name)
        if given is None:
            self.reasons[name] = f"{name} was not given"
            return None
        try:
            return draw(given)
        except Unreadable as error:
            self.reasons[name] = f"{name}: {error}"
        except Exception as error:  # a user's data set may raise anything; the run itself will show it
            self.reasons[name] = f"{name} raises {type(error).__name__}: {error}"
        return None

    @cached_property
    def train(self) -> Samples | None:
        """Samples of the training data."""
        return self._drawn("train")

    @cached_property
    def test(self) -> Samples | None:
        """Samples of the test data."""
        return self._drawn("test")

    @cached_property
    def start(self) -> Start | None:
        """One batch through a copy of the untrained model. Must be asked for before training begins."""
        if self.train is None:
            self.reasons["start"] = self.reasons.get("train", "no training data")
            return None
        try:
            return look_at_start(self.setup, self.train)
        except (Failed, Unreadable) as error:
            self.reasons["start"] = str(error)
            self.crashes.append(str(error))
        return None

    @cached_property
    def end(self) -> End | None:
        """The trained model on the samples."""
        if not self.finished:
            self.reasons["end"] = "the run is not over"
            return None
        if self.train is None:
            self.reasons["end"] = self.reasons.get("train", "no training data")
            return None
        try:
            return look_at_end(self.setup, self.train, self.test)
        except (Failed, Unreadable) as error:
            self.reasons["end"] = str(error)
        return None

    def omit(self, part: str, why: str) -> None:
        """Leave a part out for good, for a reason that the list of checks shows."""
        self.__dict__[part] = None
        self.reasons[part] = why

    @property
    def model(self) -> nn.Module:
        """The user's own, without wrappers: to be read, never called or changed."""
        return self.setup.core

    @property
    def classes(self) -> int:
        """Number of classes: the scores that the model gives, or what the labels show; 0 where there are none."""
        if self.train is None or self.train.targets != "classes":
            return 0
        shown = int(self.train.labels.max()) + 1
        if self.start is not None and self.start.output.dim() == 2 and self.start.output.shape[1] > 1:
            return self.start.output.shape[1]
        return shown

    def lacks(self, need: str) -> str:  # noqa: PLR0911, PLR0912  one answer for each need
        """Why a check that needs this cannot look; empty where it can."""
        train, setup = self.train, self.setup
        if need in ("train", "test"):
            return "" if getattr(self, need) is not None else self.reasons[need]
        if need == "model":
            return ""
        if need == "optimizer":
            return "" if setup.optimizers else "the optimizer was not given"
        if need == "loss":
            return "" if setup.loss_fn is not None else "the loss function was not given"
        if need in ("scheduler", "average"):
            return "" if getattr(setup, need) is not None else f"the {need} was not given"
        if need == "steps":
            return self._steps()
        if need == "probes":
            return "" if self.trace is not None and self.trace.probes else "no step was looked into"
        if need == "evaluations":
            return "" if self.trace is not None and self.trace.evaluations else "no pass without a step was watched"
        if need == "end":
            return "" if self.end is not None else self.reasons["end"]
        if need == "history":
            return "" if self.history is not None else "it is no run of striate train"
        if need in DECLARED:
            return "" if getattr(setup, DECLARED[need]) is not None else f"Setup.{DECLARED[need]} was not given"
        if need == "start":
            return "" if self.start is not None else self.reasons["start"]
        if train is None:
            return self.reasons["train"]
        return self._of_train(need, train)

    def _steps(self) -> str:
        if self.trace is None:
            return "no run was watched"
        count = len(self.trace.steps)
        return "" if count >= FEW_STEPS else f"{count} steps were watched, {FEW_STEPS} are needed"

    def _of_train(self, need: str, train: Samples) -> str:  # noqa: PLR0911
        if need == "images":
            return "" if train.images else f"inputs have the shape {tuple(train.x.shape)}"
        if need == "loader":
            return "" if train.loader is not None else "train is no DataLoader"
        if need == "again":
            return "" if train.again is not None else "samples cannot be drawn twice"
        kind = {"labels": "classes", "classes": "classes", "tags": "tags", "masks": "masks", "values": "values"}[need]
        if train.targets != kind:
            return f"targets are {train.targets}"
        if need == "classes":
            if self.start is None:
                return self.reasons["start"]
            shape = tuple(self.start.output.shape)
            if len(shape) != 2 or shape[1] < 2:
                return f"outputs have the shape {shape}, no score for each class"
            found = None if self.start.graph is None else self.start.graph.logits
            if found is not None and found.dim() == 2 and found.shape != shape:
                return "the loss compares outputs with each other: they are no scores of classes"
        return ""
