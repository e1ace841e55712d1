"""What the callbacks share: the data and the loss they are told, a watch that begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from striate.core.finding import Finding

from ..setup import Setup
from ..watch import Speak, Watch, to_stderr


class Watching:
    """Keeps the watch of one training at a time.

    Args:
        loss_fn: ``loss_fn(output, target)``; by default what the trainer's model tells.
        train: Training data: a loader, a data set, a pair of tensors; by default the trainer's, where it tells them.
        test: Data that are only measured on; likewise.
        speak: Called with the line of each serious finding; to stderr by default.
        quiet: Say nothing.

    Attributes:
        watch: The `Watch`, once training has begun.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any] | None = None,
        *,
        train: Any = None,
        test: Any = None,
        speak: Speak | None = None,
        quiet: bool = False,
    ) -> None:
        super().__init__()
        self.loss_fn, self.train, self.test = loss_fn, train, test
        self.watch: Watch | None = None
        self._speak = None if quiet else (speak or to_stderr)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, causes first."""
        return () if self.watch is None else self.watch.findings

    def begin(self, setup: Setup, entrances: Sequence[nn.Module] = ()) -> None:
        """Look at data and model, then begin to watch; a watch that is still on ends first."""
        self.close()
        self.watch = Watch(setup, speak=self._speak, entrances=entrances)
        self.watch.__enter__()

    def close(self, error: BaseException | None = None) -> None:
        """End watching, if it is on; what was found is kept."""
        if self.watch is not None and not self.watch.case.finished:
            self.watch.__exit__(None if error is None else type(error), error, None)

    def __str__(self) -> str:
        return "" if self.watch is None else str(self.watch)
