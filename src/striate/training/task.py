"""Task: what is trained. Classification is the first; a painter, a decoder or a segmenter is another class like it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from striate.core.errors import RunError
from striate.nets.auxiliary import take_auxiliary
from striate.nets.net import Net

from .losses import Loss, cross_entropy
from .payload import BY_ACCURACY, Choice


class Update(Protocol):
    """Backward from a loss, and the step of the optimizer of the net that is named."""

    def __call__(self, loss: Tensor, name: str, again: Callable[[], Tensor] | None = None) -> None:
        """``again`` computes the same loss with the weights as they are by then; some optimizers (L-BFGS) ask."""


@dataclass(frozen=True)
class Batch:
    """Images (n, C, H, W) in [0, 1] with labels, the ids (n,) their random draws hang on, rows in the split.

    Labels are numbers of classes (n,), or shares of them (n, K) where images were mixed; -1 where there are none.
    ``done`` is the share of the run's steps that came before this batch.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    rows: Tensor
    done: float = 0.0


class Task(Protocol):
    """What is trained.

    Attributes:
        nets: The nets by name, each with an optimizer of its own. While a run lasts the loop puts in their place what
            Fabric made of them (precision, devices), so `step` and `predict` must take them from here at each call.
        name: What is learnt, as `striate train --task` calls it.
        figures: Names of the figures that `step` and `judge` give; ``loss`` is one.
        choice: The figure on dev by which the best epoch is chosen.
        labelled: Whether every image needs the number of a class.
        about: What else there is to know about what is learnt, in texts; the run folder and its weights keep it. A run
            is gone on with only where it is the same.
    """

    nets: MutableMapping[str, nn.Module]
    name: str
    figures: tuple[str, ...]
    choice: Choice
    labelled: bool
    about: Mapping[str, str]

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """Learn from one batch; ``update(loss, name)`` runs backward and the step of that net's optimizer.

        A task that can compute the loss of the batch again gives ``update(loss, name, again)``; without it, optimizers
        that ask more than once a batch refuse the task. Gives the task's figures, detached, one number per image.
        """

    def predict(self, batch: Batch) -> Any:
        """What the nets say about a batch; the loop has set them to eval mode and switched gradients off."""

    def judge(self, prediction: Any, batch: Batch) -> Mapping[str, Tensor]:
        """The task's figures of a prediction, one number per image; of some images only where a figure costs much."""


class Classification:
    """One net, a loss, the share of images whose largest logit is the label's.

    Args:
        net: The net.
        label_smoothing: Share of the target spread evenly over all classes.
        loss: What is learnt by; dev is always judged by plain cross-entropy.
        class_weights: Weight of each class's images in the mean loss (K,), of mixed images by shares; None: alike.
        fresh: Whether the net starts from weights that know nothing yet.
    """

    nets: MutableMapping[str, nn.Module]
    name = "classify"
    figures: tuple[str, ...] = ("loss", "accuracy")
    choice = BY_ACCURACY
    labelled = True
    about: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        net: Net,
        *,
        label_smoothing: float = 0.0,
        loss: Loss | None = None,
        class_weights: Tensor | None = None,
        fresh: bool = False,
    ) -> None:
        if net.outputs == "other":
            raise RunError(
                f"outputs of {net.name or 'the net'} are {net.outputs!r}", accepted="a net that gives logits of classes"
            )
        self.nets = {"net": net}
        self.label_smoothing, self.loss, self.class_weights = label_smoothing, loss or Loss(), class_weights
        self.fresh = fresh
        self._as_logits = net.as_logits

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """The loss, its smoothing, class weights and auxiliary heads; ``loss`` is what is minimised, one an image."""
        logits, losses = self.answered(batch)
        update(losses.mean(), "net", lambda: torch.mean(self.answered(batch)[1]))
        return {"loss": losses.detach(), "accuracy": _right(logits.detach(), batch.labels)}

    def answered(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (n, K), and what is minimised (n,), with what auxiliary heads add to it."""
        logits = self.predict(batch)
        losses = self.losses(logits, batch.labels)
        for auxiliary, weight in take_auxiliary(self.nets["net"]):
            losses = losses + weight * self.losses(auxiliary, batch.labels)
        return logits, losses

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What is minimised, one number per image (N,)."""
        losses = self.loss(logits, labels, smoothing=self.label_smoothing)
        if self.class_weights is None:
            return losses
        weights = self.class_weights.to(losses)
        return losses * (weights[labels] if labels.dim() == 1 else labels.to(weights) @ weights)

    def predict(self, batch: Batch) -> Tensor:
        """Logits (n, K), or log-probabilities where that is what the net's outputs give."""
        return self._as_logits(self.nets["net"](batch.images))

    def judge(self, prediction: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Plain cross-entropy, without smoothing, and whether each image is right."""
        return {"loss": cross_entropy(prediction, batch.labels), "accuracy": _right(prediction, batch.labels)}


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit is the label's, or that of the largest share."""
    labels = labels.argmax(1) if labels.dim() == 2 else labels
    return (logits.argmax(1) == labels).to(torch.float32)
