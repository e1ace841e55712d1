"""Distillation: a small net learns what a large one says, softened by a temperature."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.training.losses import cross_entropy
from striate.training.task import Batch, Classification, Update


class Distilling(Classification):
    """A student that is taught by a teacher's soft targets beside the labels.

    The loss of an image is ``(1 - a) CE(student, label) + a T^2 CE(softmax(student / T), softmax(teacher / T))``: T^2
    keeps the soft targets' gradient of one size whatever the temperature, as it shrinks with 1 / T^2.

    Args:
        net: The student; of as many classes.
        teacher: Left as it is; it sees the very images, random changes included, that the student sees.
        temperature: T, above 0; 1 takes the teacher's probabilities as they are.
        share: a, the weight of the soft targets, above 0 to 1; with 1 no label is looked at.
        label_smoothing: Of the labels' part.

    Raises:
        StriateError: A number is out of its range, or the two differ in classes or channels.

    Source: Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network", section 2.
    """

    def __init__(
        self, net: Net, teacher: Net, *, temperature: float = 4.0, share: float = 0.9, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(net, label_smoothing=label_smoothing)
        if temperature <= 0 or not 0 < share <= 1:
            raise StriateError(
                f"temperature {temperature}, share {share}", accepted="a temperature above 0, a share above 0 to 1"
            )
        if len(teacher.classes) != len(net.classes) or teacher.channels != net.channels:
            raise StriateError(
                f"the teacher {teacher.name} has {len(teacher.classes)} classes and takes {teacher.channels} channels",
                accepted=f"{len(net.classes)} classes and {net.channels} channels, as the student",
                hint="striate transfer gives a net a head for these classes",
            )
        self.teacher = copy.deepcopy(teacher).eval().requires_grad_(False)
        self.temperature, self.share = temperature, share
        self.about: Mapping[str, str] = {
            "taught_by": teacher.fingerprint()[:16], "temperature": f"{temperature:g}", "soft_share": f"{share:g}",
        }  # fmt: skip

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """The loss of both parts; ``loss`` is what is minimised, ``accuracy`` by the labels."""
        logits = self.predict(batch)
        self.teacher.to(batch.images.device)
        with torch.no_grad():
            taught = self.teacher.logits(batch.images)
        hard = cross_entropy(logits, batch.labels, smoothing=self.label_smoothing)
        losses = (1 - self.share) * hard + self.share * soft_loss(logits, taught, self.temperature)
        update(losses.mean(), "net")
        labels = batch.labels.argmax(1) if batch.labels.dim() == 2 else batch.labels
        return {"loss": losses.detach(), "accuracy": (logits.detach().argmax(1) == labels).float()}


def soft_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """T^2 times the cross-entropy of the softened student against the softened teacher, an image each, (n,).

    Its gradient by the student's logits is ``T (softmax(logits / T) - softmax(taught / T))``.
    """
    targets = F.softmax(taught / temperature, 1)
    return -(temperature**2) * (targets * F.log_softmax(logits / temperature, 1)).sum(1)
