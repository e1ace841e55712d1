"""What a second of computing buys: batches of several sizes, optimizers, and LeNet-5 on its digits."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.optim import build_optimizer
from striate.training.optimizers.specs import Lbfgs, Optimizer, Sgd
from striate.training.recipe import Augment
from striate.training.recipes import MOMENTUM
from striate.training.schedules import Schedule

from .claims import Computed, holds
from .draw import curves

IMAGES, JUDGED, LOOKS = 10_000, 2000, 8
SECONDS = 2.0
BATCHES = {"1": 1, "128": 128, "all": IMAGES}
RATES = (0.01, 0.1, 0.5)


@dataclass(frozen=True)
class Descent:
    """Losses on the first training images at CPU seconds of training; inf from where it broke."""

    rate: float
    seconds: tuple[float, ...]
    losses: tuple[float, ...]


def descend(
    spec: Optimizer, images: Tensor, labels: Tensor, *, batch: int, seconds: float, seed: int, net: str
) -> Descent:
    """A net from scratch under an optimizer at a constant rate for so many CPU seconds.

    The loss is looked at eight times, outside the clock.
    """
    size = (images.shape[2], images.shape[3])
    module = load_net(f"{net}.random", classes=10, channels=images.shape[1], size=size, seed=seed)
    pixels = (images - images.mean()) / images.std()
    optimizer, spent, looks = build_optimizer(spec, module), 0.0, [0.0]
    losses, epoch, place = [_loss(module.module, pixels, labels)], 0, 0
    order = Rng(seed, "figures/budgets").permutation(len(labels), step=epoch)
    while spent < seconds:
        begun = time.process_time()
        while time.process_time() - begun < seconds / LOOKS:
            rows = order[place : place + batch]
            _step(module.module, optimizer, pixels[rows], labels[rows], again=isinstance(spec, Lbfgs))
            place += batch
            if place + batch > len(labels):
                epoch, place = epoch + 1, 0
                order = Rng(seed, "figures/budgets").permutation(len(labels), step=epoch)
        spent += time.process_time() - begun
        looks.append(spent)
        losses.append(_loss(module.module, pixels, labels))
    return Descent(spec.rate, tuple(looks), tuple(losses))


def best_of_rates(spec: Optimizer, rates: tuple[float, ...], run: Callable[[Optimizer], Descent]) -> Descent:
    """The descent of the rate that ends lowest."""
    return min((run(replace(spec, rate=rate)) for rate in rates), key=lambda found: found.losses[-1])


def batch_sizes() -> Computed:
    """Loss at equal CPU seconds of stochastic, mini-batch and batch descent, each at its best rate of three."""
    images, labels = _fashion("batch-sizes")
    found = {
        name: best_of_rates(
            Sgd(0.1, momentum=0.0, nesterov=False, weight_decay=0.0),
            RATES,
            lambda spec, size=size: descend(  # type: ignore[misc]
                spec, images, labels, batch=size, seconds=SECONDS, seed=0, net="striate/mlp"
            ),
        )
        for name, size in BATCHES.items()
    }
    ends = {name: each.losses[-1] for name, each in found.items()}
    told = ", ".join(f"batch {name} (rate {found[name].rate:g}): {loss:.3f}" for name, loss in ends.items())
    return Computed(
        (
            holds(
                f"after {SECONDS:g} CPU seconds batches of 128 have the lowest loss; {told}",
                min(ends, key=lambda name: ends[name]) == "128",
                note="an mlp on 10,000 images of FashionMNIST, cross-entropy of the first 2,000 of them",
            ),
            holds("a whole pass a step falls slowest", max(ends, key=lambda name: ends[name]) == "all"),
        ),
        curves(
            "Small batches step often, large ones in parallel: the middle wins",
            {f"batch {name}": (each.seconds, each.losses) for name, each in found.items()},
            x_label="CPU seconds",
            y_label="loss",
        ),
    )


def lenet5_mnist() -> Computed:
    """LeNet-5, as built now, on the digits it was made for."""
    splits = _splits("MNIST", "lenet5-mnist")
    recipe = replace(
        MOMENTUM,
        name="lenet5",
        optimizer=Sgd(rate=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
        schedule=Schedule("one_cycle", {"warm": 0.2, "start": 0.1, "end": 0.0}),
        samples=440_000,
        augment=Augment(shift=1),  # a mirrored digit is none
    )
    with tempfile.TemporaryDirectory() as folder:
        history = fit("striate/lenet5", splits, out=Path(folder) / "run", recipe=recipe, seed=0).history
        right = predict(load_net(Path(folder) / "run"), splits.test).correct
    accuracy = float(right.float().mean())
    epochs = [row.epoch for row in history]
    return Computed(
        (
            holds(
                f"at least 98.9 % of the 10,000 test images are right: {accuracy:.2%}",
                accuracy >= 0.989,
                note="LeCun et al. 1998, section III.C: 99.05 %, and 99.2 % with distorted images",
            ),
        ),
        curves(
            f"LeNet-5 on MNIST: {1 - accuracy:.2%} of the test images wrong",
            {
                "train": (epochs, [1 - (row.train_accuracy or 0.0) for row in history]),
                "dev": (epochs, [1 - (row.dev_accuracy or 0.0) for row in history]),
            },
            x_label="epoch",
            y_label="share wrong",
        ),
    )


def _step(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, *, again: bool
) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(module(images), labels)
        torch.autograd.backward(loss)
        return loss.detach()

    if again:
        optimizer.step(closure)  # type: ignore[arg-type]
    else:
        closure()
        optimizer.step()


def _loss(module: torch.nn.Module, images: Tensor, labels: Tensor) -> float:
    module.eval()
    with torch.no_grad():
        loss = float(F.cross_entropy(module(images[:JUDGED]), labels[:JUDGED]))
    module.train()
    return loss if math.isfinite(loss) else math.inf


def _fashion(figure: str) -> tuple[Tensor, Tensor]:
    train = _splits("FashionMNIST", figure).train.limit(IMAGES)
    return train.images(), train.labels


def _splits(name: str, figure: str) -> Splits:
    try:
        return load_splits(name, download=False)
    except StriateError as error:
        raise StriateError(f"{figure} needs {name} ({error})", accepted=f"{name} in the folder STRIATE_DATA") from error
