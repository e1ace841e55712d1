"""Several tasks at once: one trunk, a head for each, losses weighed by fixed numbers or by learnt uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.nets.head import replace_head
from striate.nets.net import Net
from striate.training.losses import cross_entropy
from striate.training.payload import BY_LOSS, Choice
from striate.training.task import Batch, Update

Weighing = Literal["fixed", "uncertainty"]


@dataclass(frozen=True)
class Target:
    """One thing to tell of every image: its name, the names of its values, the number of each image's by its id."""

    name: str
    values: tuple[str, ...]
    of: Mapping[int, int]


def targets_of(names: Sequence[str], *parts: Dataset) -> tuple[Target, ...]:
    """What attributes of these names say of every image of all parts; ``label`` is the class itself.

    Raises:
        StriateError: No such attribute, one that some image lacks, that is a number, or that has one value alone.
    """
    known = [part.attributes() for part in parts]
    found = []
    for name in names:
        if name == "label":
            of = {int(i): int(k) for part in parts for i, k in zip(part.ids, part.labels, strict=True)}
            found.append(Target(name, parts[0].classes, of))
            continue
        if any(name not in each for each in known):
            raise StriateError(
                f"no attribute {name!r} of {parts[0].name}", accepted=", ".join(["label", *sorted(known[0])])
            )
        said = [value for each in known for value in each[name]]
        if not all(isinstance(value, str) for value in said):
            raise StriateError(f"attribute {name!r} is not a word of every image", accepted="words, one for each image")
        values = tuple(sorted({str(value) for value in said}))
        if len(values) < 2:
            raise StriateError(f"attribute {name!r} is always {values[0]!r}", accepted="two values or more")
        ids = [int(each) for part in parts for each in part.ids]
        found.append(Target(name, values, {i: values.index(str(v)) for i, v in zip(ids, said, strict=True)}))
    return tuple(found)


class Trunk(nn.Module):
    """A net whose head gives the logits of all tasks one after the other, and the log-variances of the tasks."""

    def __init__(self, net: Net, tasks: int) -> None:
        super().__init__()
        self.net = net
        self.log_variances = nn.Parameter(torch.zeros(tasks))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, K1 + K2 + ...)."""
        logits: Tensor = self.net(images)
        return logits


class SeveralTasks:
    """One trunk and a linear head for each task, their cross-entropies weighed into one loss.

    ``fixed`` weighs them by given numbers. ``uncertainty`` learns a log-variance s for each: ``exp(-s) L + s / 2``.

    Args:
        net: A net whose last layer has an output for every value of every task, in their order (`head_for`).
        targets: What is to be told.
        weighing: ``fixed`` or ``uncertainty``.
        weights: Of the fixed sum, 1 each by default.

    Raises:
        StriateError: The net has another number of outputs, or the weights are not one above 0 for each task.

    Source: Caruana 1997, "Multitask learning", for the shared trunk; Kendall, Gal & Cipolla 2018, equation 10, for
    the weights, with cross-entropy's scale as their equation 9 approximates it.
    """

    nets: MutableMapping[str, nn.Module]
    name = "several"
    choice: Choice = BY_LOSS
    labelled = False

    def __init__(
        self,
        net: Net,
        targets: Sequence[Target],
        *,
        weighing: Weighing = "fixed",
        weights: Sequence[float] | None = None,
    ) -> None:
        self.targets = tuple(targets)
        counts = [len(target.values) for target in targets]
        given = tuple(weights) if weights is not None else (1.0,) * len(counts)
        if not counts or len(net.classes) != sum(counts):
            raise StriateError(f"{net.name} has {len(net.classes)} outputs for tasks of {counts}", hint="head_for(...)")
        if len(given) != len(counts) or min(given) <= 0 or weighing not in {"fixed", "uncertainty"}:
            raise StriateError(
                f"weighing {weighing!r} with {given}", accepted="fixed or uncertainty; one weight above 0 for each task"
            )
        self.counts, self.weights, self.weighing = counts, given, weighing
        self.nets = {"net": Trunk(net, len(counts))}
        self.figures: tuple[str, ...] = ("loss", *(f"accuracy_{target.name}" for target in targets))
        self.about: Mapping[str, str] = MappingProxyType(
            {"tasks": ", ".join(target.name for target in targets), "weighing": weighing}
        )

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """The weighed loss, and each task's share right."""
        logits = self.predict(batch)
        losses, right = self._told(logits, batch)
        trunk = self.nets["net"]
        if self.weighing == "uncertainty":
            weighed = weigh(losses, trunk.log_variances)  # type: ignore[arg-type]
        else:
            weighed = (losses * torch.tensor(self.weights).to(losses)).sum(1)
        update(weighed.mean(), "net")
        return {"loss": weighed.detach(), **right}

    def predict(self, batch: Batch) -> Tensor:
        """Logits of all tasks, (n, K1 + K2 + ...)."""
        found: Tensor = self.nets["net"](batch.images)
        return found

    def judge(self, prediction: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """The plain sum of the cross-entropies, and each task's share right."""
        losses, right = self._told(prediction, batch)
        return {"loss": losses.sum(1), **right}

    def _told(self, logits: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        losses, right = [], {}
        for target, part in zip(self.targets, torch.split(logits, self.counts, 1), strict=True):
            labels = torch.tensor([target.of[int(each)] for each in batch.ids], device=logits.device)
            losses.append(cross_entropy(part, labels))
            right[f"accuracy_{target.name}"] = (part.detach().argmax(1) == labels).float()
        return torch.stack(losses, 1), right


def weigh(losses: Tensor, log_variances: Tensor) -> Tensor:
    """The sum over tasks of ``exp(-s) L + s / 2``, (n,), of losses (n, tasks) and s (tasks,).

    Source: Kendall, Gal & Cipolla 2018, equation 10, with s = log of the variance, as their section 3.2 advises.
    """
    return ((-log_variances).exp() * losses + log_variances / 2).sum(1)


def head_for(net: Net, targets: Sequence[Target], *, seed: int = 0) -> Net:
    """A copy of the net with a new last layer for all values of all tasks, drawn from ``seed``."""
    return replace_head(net, [f"{target.name}: {value}" for target in targets for value in target.values], seed=seed)
