"""A classifier that learns from the limits of what it can answer, so that intervals certify it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.attacks.bounds.interval import least_lead, pixels_within, worst_leads
from striate.attacks.bounds.propagation import bounded
from striate.core.errors import RunError
from striate.nets.net import Net
from striate.training.losses import cross_entropy
from striate.training.payload import Choice
from striate.training.task import Batch, Classification, Update

from .ascent import mode_of
from .spec import Hardening


@dataclass(frozen=True, eq=False)
class Limited:
    """What the net says of images as they are, logits (n, K), and its least leads (n,) within the radius."""

    clean: Tensor
    leads: Tensor


class Certifying:
    """A classifier trained by interval bound propagation.

    ``kappa * J(scores) + (1 - kappa) * J(worst scores)``, where the worst scores are those of intervals of half width
    ``radius * rise`` about the pixels. ``rise`` goes from 0 to 1 over the share ``ramp`` of the run, after a share
    ``warm`` at 0; kappa goes with it from 1 to its final value. The epoch is chosen by the share of dev that is
    certified at the whole radius.

    Args:
        task: The classifier; its net needs a rule for each of its operations (`striate.attacks.bounds.interval`).
        how: Scheme ``ibp``.

    Source: Gowal et al. 2019, section 4.1, equation 11. We differ: their nets have no BatchNorm; where there is one,
    the plain pass moves its statistics and the intervals go through the running ones.
    """

    labelled = True
    choice = Choice("certified_accuracy")
    figures: tuple[str, ...] = ("loss", "accuracy", "certified_accuracy")

    nets: MutableMapping[str, nn.Module]

    def __init__(self, task: Classification, how: Hardening) -> None:
        net = task.nets["net"]
        assert isinstance(net, Net)
        self.task, self.how, self._net = task, how, net
        self.nets = task.nets  # one mapping: the loop puts what Fabric makes of the nets into it
        self.name = task.name
        self.about: Mapping[str, str] = {**task.about, "hardening": how.words}

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """The loss of the paper at this point of the run."""
        if batch.labels.dim() == 2:
            raise RunError("intervals need the class of each image", accepted="a recipe that mixes no images")
        how = self.how
        assert how.kappa is not None
        assert how.warm is not None
        assert how.ramp is not None
        rise = min(1.0, max(0.0, batch.done - how.warm) / how.ramp) if how.ramp else float(batch.done >= how.warm)
        kappa = 1.0 - rise * (1.0 - how.kappa)
        clean = self.task.predict(batch).float()
        losses = cross_entropy(clean, batch.labels, smoothing=self.task.label_smoothing)
        leads = self._leads(batch, how.radius * rise)
        if kappa < 1:
            losses = kappa * losses + (1 - kappa) * cross_entropy(-leads, batch.labels)
        update(losses.mean(), "net")
        sure = least_lead(leads.detach(), batch.labels) > 0
        return {**self.task.judge(clean.detach(), batch), "loss": losses.detach(), "certified_accuracy": sure.float()}

    def predict(self, batch: Batch) -> Limited:
        """Logits of the images as they are, and their least leads at the whole radius."""
        leads = self._leads(batch, self.how.radius)
        return Limited(self.task.predict(batch), least_lead(leads, batch.labels))

    def judge(self, prediction: Limited, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, accuracy, and whether each image is certified (in float32)."""
        return {**self.task.judge(prediction.clean, batch), "certified_accuracy": (prediction.leads > 0).float()}

    def _leads(self, batch: Batch, radius: float) -> Tensor:
        device = batch.images.device.type
        with mode_of({"net": self._net}, training=False), torch.autocast(device, enabled=False):
            return worst_leads(bounded(self._net, pixels_within(batch.images, radius)), batch.labels)
