"""History: the epochs of a run of `striate train`, with what its findings and their commands need to know of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from striate.training.payload import Epoch


@dataclass(frozen=True)
class History:
    """What a run measured, epoch by epoch.

    Attributes:
        epochs: The finished ones, at least one.
        planned: How many there were to be.
        complete: Whether the run was done, to its last epoch or to its patience's end.
        best: Number of the epoch that was kept.
        classes: Classes of the data; 0 where nothing is classified.
        train: Images that it learnt from.
        dev: Images that chose the epoch.
        run: Its folder, as commands write it.
        data: The data, likewise.
        net: The net, likewise.
        size: Side that images were brought to, where one was asked for.
        why: Why it was stopped, as the run folder says.
    """

    epochs: tuple[Epoch, ...]
    planned: int
    complete: bool
    best: int
    classes: int
    train: int
    dev: int
    run: str = ""
    data: str = ""
    net: str = ""
    size: int | None = None
    why: str = ""

    @property
    def kept(self) -> Epoch:
        """The epoch that was kept."""
        return next((each for each in self.epochs if each.epoch == self.best), self.epochs[-1])

    def command(self, *words: str, net: bool = False) -> str:
        """A command on the same data, empty where their name is not known; with ``net`` about the same net too."""
        if not self.data or (net and not self.net):
            return ""
        sized = [] if self.size is None else ["--size", str(self.size)]
        return shlex.join(["striate", *words, self.data, *(["--net", self.net] if net else []), *sized])
