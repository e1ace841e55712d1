"""An autoencoder: images through a few units and back, with or without dropout on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, MutableMapping

from torch import Tensor, nn

from striate.core.errors import StriateError

from .init import seeded
from .payload import BY_LOSS
from .task import Batch, Update

UNITS = 256


class Autoencoder(nn.Module):
    """Images (n, C, H, W) in [0, 1] to images in [0, 1]: a linear layer, ReLU, dropout, a linear layer, sigmoid.

    Args:
        size: (C, H, W) of an image.
        units: Of the layer between.
        dropout: Share of its units that each image loses in training; those that stay are divided by what is kept.

    Raises:
        StriateError: ``units`` is below 1, or ``dropout`` is not in [0, 1).
    """

    def __init__(self, size: tuple[int, int, int], *, units: int = UNITS, dropout: float = 0.0) -> None:
        super().__init__()
        if units < 1:
            raise StriateError(f"units is {units}", accepted="a whole number of at least 1")
        if not 0 <= dropout < 1:
            raise StriateError(f"dropout is {dropout}", accepted="a share from 0 to below 1")
        self.name, self.size = "autoencoder", size
        self.encoder = nn.Linear(math.prod(size), units)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(units, math.prod(size))

    def code(self, images: Tensor) -> Tensor:
        """What the units say (n, units), before any of them is dropped."""
        code: Tensor = self.relu(self.encoder(images.flatten(1)))
        return code

    def forward(self, images: Tensor) -> Tensor:
        """The images as they come back."""
        painted: Tensor = self.decoder(self.dropout(self.code(images))).sigmoid()
        return painted.reshape(-1, *self.size)


class Autoencoding:
    """The squared distance between an image and what comes back, mean over its values, of which labels know nothing.

    Figures: ``loss``, that distance; ``firing``, the share of units that say more than 0 of the image.

    Args:
        size: (C, H, W) of an image.
        units: Of the layer between.
        dropout: Share of them that each image loses in training.
        seed: Of the starting weights.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, "Dropout", sections 7.1 and 7.2: an
    autoencoder of MNIST with 256 rectified units, with and without dropout of one half.
    """

    nets: MutableMapping[str, nn.Module]
    name = "autoencode"
    figures: tuple[str, ...] = ("loss", "firing")
    choice = BY_LOSS
    labelled = False
    about: Mapping[str, str]

    def __init__(self, size: tuple[int, int, int], *, units: int = UNITS, dropout: float = 0.0, seed: int = 0) -> None:
        with seeded(seed, "train/init"):
            net = Autoencoder(size, units=units, dropout=dropout)
        self.nets = {"autoencoder": net}
        self._relu = net.relu
        self._code: Tensor | None = None
        net.relu.register_forward_hook(self._keep)
        self.about = {"size": json.dumps(list(size)), "units": str(units), "dropout": repr(dropout)}

    def _keep(self, _: nn.Module, __: tuple[Tensor, ...], code: Tensor) -> None:
        self._code = code.detach()

    def step(self, batch: Batch, update: Update) -> Mapping[str, Tensor]:
        """One step on the squared distance."""
        figures = self.judge(self.predict(batch), batch)
        update(figures["loss"].mean(), "autoencoder")
        return {name: value.detach() for name, value in figures.items()}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The images that come back, and the share of units that fire for each."""
        painted = self.nets["autoencoder"](batch.images)
        assert self._code is not None  # the hook has just kept it
        return painted, (self._code > 0).to(painted.dtype).mean(1)

    def judge(self, prediction: tuple[Tensor, Tensor], batch: Batch) -> Mapping[str, Tensor]:
        """The squared distance (n,) and the share of units that fire (n,)."""
        painted, firing = prediction
        return {"loss": (painted - batch.images).square().flatten(1).mean(1), "firing": firing}
