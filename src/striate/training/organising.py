"""The task of a neocognitron: stages that organise themselves one after another, and a head that learns labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from striate.core.errors import RunError
from striate.nets.net import Net
from striate.nets.own.neocognitron import Neocognitron, organise

from .losses import Loss
from .task import Batch, Classification, Update

SHARE: Final = 0.5  # of a run in which stages learn; afterwards the head learns from what no longer changes


class Organising(Classification):
    """Classification by a neocognitron.

    In the first half of a run its stages learn one after another, each for a sixth of all steps, without labels;
    throughout, the linear layer learns by cross-entropy. Figures are those of classification.
    """

    def __init__(
        self, net: Net, *, label_smoothing: float = 0.0, loss: Loss | None = None,
        class_weights: Tensor | None = None, fresh: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(net, label_smoothing=label_smoothing, loss=loss, class_weights=class_weights, fresh=fresh)
        if not isinstance(net.module, Neocognitron):
            raise RunError(f"{net.name} does not organise itself", accepted="striate/neocognitron")
        self._net, self._module = net, net.module

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """The stage whose turn it is sees the batch image by image; then the head takes its step."""
        if batch.done < SHARE:
            stage = 1 + int(batch.done / SHARE * self._module.stages)
            with torch.autocast(batch.images.device.type, enabled=False):
                organise(self._module, self._normalised(batch.images.float()), stages=(stage,))
        return super().step(batch, update)

    @torch.no_grad()
    def _normalised(self, images: Tensor) -> Tensor:
        mean, std = self._net.mean, self._net.std
        centred = images if mean is None else images - mean
        return centred if std is None else centred / std
