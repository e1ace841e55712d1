"""What dropout does to the units of an autoencoder of digits."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge
from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.inside.heatmap import colour
from striate.nets.weights import fit_weights
from striate.synthesis.learnt import read_learnt
from striate.synthesis.sheet import contact_sheet
from striate.training.autoencoder import Autoencoder, Autoencoding
from striate.training.loop import fit
from striate.training.recipes import DECODE

from .claims import Computed, holds

IMAGES, EPOCHS, TEST = 5000, 15, 1000
SHOWN = 40  # units of each net in the picture
RATES = (0.0, 0.5)


def dropout_features(seed: int = 0) -> Computed:
    """Two autoencoders with 256 ReLU units, dropout 0 and one half: how many units fire, and what they look for.

    Seed 0 was tried. About 17 CPU seconds.
    """
    splits = _digits()
    test = splits.test.images()
    firing, strength, rows = {}, {}, []
    for rate in RATES:
        net = learn(splits, rate, seed=seed)
        with torch.no_grad():
            code = net.code(test)
        firing[rate] = float((code > 0).double().mean())
        strength[rate] = float(code.double().mean())
        rows.append(_features(net))
    plain, dropped = (f"{100 * firing[rate]:.0f} %" for rate in RATES)
    return Computed(
        (
            holds(
                "with dropout fewer units fire for a test image",
                firing[0.5] < firing[0.0] - 0.1,
                note=f"{dropped} of the units instead of {plain}; at least a tenth of all fewer is asked for",
            ),
            holds(
                "and they say less: the mean of all is less than half",
                strength[0.5] < strength[0.0] / 2,
                note=f"{strength[0.5]:.2f} instead of {strength[0.0]:.2f}",
            ),
        ),
        encode_png(contact_sheet(torch.cat(rows), across=10)),
    )


def learn(splits: Splits, dropout: float, *, seed: int) -> Autoencoder:
    """An autoencoder of the digits at the epoch that is best on dev."""
    size = (1, 28, 28)
    recipe = replace(DECODE, name="autoencode", epochs=EPOCHS, batch=64)
    with tempfile.TemporaryDirectory() as folder:
        fit(Autoencoding(size, dropout=dropout, seed=seed), splits, out=Path(folder) / "run", recipe=recipe, seed=seed)
        net = Autoencoder(size, dropout=dropout)
        fit_weights(net, read_learnt(Path(folder) / "run", Autoencoding.name), name="an autoencoder")
    return net.eval()


def _features(net: Autoencoder) -> Tensor:
    """Weights into the units that weigh most, as signed pictures (N, 3, h, w), each at its own scale."""
    weights = net.encoder.weight.detach()
    first = weights.square().sum(1).sort(descending=True, stable=True).indices[:SHOWN]
    drawn = []
    for each in weights[first].reshape(-1, 28, 28):
        end = float(each.abs().max()) or 1.0
        drawn.append(enlarge(colour(each, (-end, end), signed=True), 56))
    return torch.stack(drawn)


def _digits() -> Splits:
    try:
        splits = load_splits("MNIST", download=False)
    except StriateError as error:
        raise StriateError(
            f"dropout-features needs MNIST ({error})", accepted="MNIST in the folder STRIATE_DATA"
        ) from error
    return replace(splits, train=splits.train.limit(IMAGES), dev=splits.dev.limit(TEST), test=splits.test.limit(TEST))
