"""The perceptron rule: add the image to the right class's weights, take it from those of the wrong one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from striate.core.progress import Step, idle
from striate.core.rng import Rng

EPOCHS = (1, 3, 10)


@dataclass(frozen=True)
class Learnt:
    """What one or more epochs of the rule leave.

    Attributes:
        last: Weights (K, width + 1) after the last image; the last column is the bias.
        averaged: Mean of the weights that met each image, (K, width + 1).
        mistakes: Images of each epoch that were wrong when they came, and changed the weights.
    """

    last: Tensor
    averaged: Tensor
    mistakes: tuple[int, ...]


@dataclass(frozen=True)
class Perceptron:
    """Averaged weights (epochs, K, width + 1) after each number of epochs."""

    settings: tuple[str, ...]
    weights: Tensor

    def __call__(self, codes: Tensor) -> Tensor:
        """Classes of the highest score, (epochs, N)."""
        return torch.stack([answers(each, codes) for each in self.weights])


def answers(weights: Tensor, codes: Tensor) -> Tensor:
    """Classes (N,) of the highest score ``w x + b``."""
    table = weights.to(codes.dtype)
    return torch.addmm(table[:, -1], codes, table[:, :-1].T).argmax(1)


def learn_perceptron(
    codes: Tensor, labels: Tensor, *, classes: int, epochs: int = 1, seed: int = 0, known: Learnt | None = None
) -> Learnt:
    """The rule run over codes (N, width), each epoch in a random order of its own.

    Where the class y' of the highest score is not the label y: ``w_y += x`` and ``w_y' -= x``, with a 1 behind x for
    the bias; else nothing. Of two classes that lie apart by a margin g, within a radius R, at most (R / g)^2 images
    are ever wrong, however many there are and however often they come.

    Args:
        codes: (N, width).
        labels: (N,).
        classes: K.
        epochs: Passes.
        seed: Of the orders.
        known: What earlier epochs left, to go on from.

    Source: Rosenblatt 1958; for several classes Duda & Hart 1973, section 5.12.2 (Kesler's construction); bound of
    Novikoff 1962; averaged weights of Freund & Schapire 1999, section 2 (there a vote; the mean is its linear twin).
    """
    rows = np.concatenate([codes.numpy(), np.ones((len(codes), 1), dtype=codes.numpy().dtype)], 1)
    truth = labels.numpy()
    done = 0 if known is None else len(known.mistakes)
    shape = (classes, rows.shape[1])
    weights = np.zeros(shape) if known is None else known.last.numpy().astype(np.float64)
    met = done * len(rows)  # images so far
    # the mean of all weights is the last ones less each change times the share of images that came before it
    late = np.zeros(shape) if known is None else (weights - known.averaged.numpy()) * met
    mistakes = [] if known is None else list(known.mistakes)
    for epoch in range(done, done + epochs):
        wrong = 0
        for row in Rng(seed, "baselines/perceptron").permutation(len(rows), step=epoch).tolist():
            met += 1
            image, label = rows[row], truth[row]
            said = int((weights @ image).argmax())
            if said != label:
                wrong += 1
                weights[label] += image
                weights[said] -= image
                late[label] += met * image
                late[said] -= met * image
        mistakes.append(wrong)
    averaged = weights - late / max(met, 1)
    return Learnt(torch.from_numpy(weights.copy()), torch.from_numpy(averaged), tuple(mistakes))


def perceptron(codes: Tensor, labels: Tensor, *, classes: int, seed: int = 0, step: Step = idle) -> Perceptron:
    """Averaged weights after 1, 3 and 10 epochs.

    Random: the order of the images, by the seed.
    """
    found: Learnt | None = None
    weights = []
    for epochs in EPOCHS:
        step(0)
        more = epochs - (0 if found is None else len(found.mistakes))
        found = learn_perceptron(codes, labels, classes=classes, epochs=more, seed=seed, known=found)
        weights.append(found.averaged)
    return Perceptron(tuple(f"{epochs} epoch{'s' if epochs > 1 else ''}" for epochs in EPOCHS), torch.stack(weights))
