"""What `train` gives: the best epoch, the history, and where the run lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PLAIN = ("loss", "accuracy")  # figures that have columns of their own


@dataclass(frozen=True)
class Choice:
    """By which figure on dev the best epoch is chosen; of equal ones that with the lowest dev loss, then the earliest.

    Attributes:
        figure: One of the task's figures.
        highest: Whether the highest is best, else the lowest.
    """

    figure: str = "accuracy"
    highest: bool = True


BY_ACCURACY, BY_LOSS = Choice(), Choice("loss", highest=False)


@dataclass(frozen=True)
class Best:
    """The epoch whose weights the run folder holds as its result."""

    metric: str
    value: float
    epoch: int


@dataclass(frozen=True)
class Epoch:
    """One row of ``metrics.csv``: mean losses an image (of a classifier in nats), the learning rate at the end.

    Accuracies are shares, None for a task that has none. ``more`` holds other figures of the task, as ``train_NAME``
    and ``dev_NAME``.
    """

    epoch: int
    train_loss: float
    train_accuracy: float | None
    dev_loss: float
    dev_accuracy: float | None
    rate: float
    seconds: float
    more: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, epoch: int, train: Mapping[str, float], dev: Mapping[str, float], *, rate: float, seconds: float
    ) -> Epoch:
        """The row of an epoch from the task's figures on both splits."""
        parts = {"train": train, "dev": dev}
        return cls(
            epoch=epoch,
            train_loss=train["loss"],
            train_accuracy=train.get("accuracy"),
            dev_loss=dev["loss"],
            dev_accuracy=dev.get("accuracy"),
            rate=rate,
            seconds=seconds,
            more={f"{part}_{name}": each[name] for part, each in parts.items() for name in each if name not in _PLAIN},
        )

    def dev(self, figure: str) -> float:
        """A figure of the task on dev."""
        value = {"loss": self.dev_loss, "accuracy": self.dev_accuracy}.get(figure, self.more.get(f"dev_{figure}"))
        if value is None:
            raise KeyError(figure)
        return value

    @property
    def columns(self) -> dict[str, float]:
        """What there is, by the names of ``metrics.csv``."""
        plain = {name: value for name, value in vars(self).items() if name != "more" and value is not None}
        return {**plain, **self.more}


@dataclass(frozen=True)
class Training:
    """A finished (or stopped) run.

    Attributes:
        run: Its folder.
        net: What was trained.
        data: On what.
        recipe: How.
        epochs: Passes over the training split, in all.
        best: The epoch that was kept.
        history: The epochs that are done.
        complete: Whether that is all of them.
        notes: Sentences on what was noticed about the data.
        task: What for: ``classify``, ``style``, ``decode``.
        about: What else the run is, in the task's own words.
    """

    run: str
    net: str
    data: str
    recipe: str
    epochs: int
    best: Best
    history: tuple[Epoch, ...]
    complete: bool
    notes: tuple[str, ...] = ()
    task: str = "classify"
    about: Mapping[str, str] = field(default_factory=dict)
