"""Nets that learn or stall: equal starting weights, depth, and batch normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.data.load import load_data

from .claims import Computed, claim, holds
from .draw import curves

Fill = Callable[[Tensor], Any]


def zero_init() -> Computed:
    """From equal weights all units of a layer stay one: the net learns no more than one unit could.

    784-100-10 on MNIST, batch 128, SGD at .1 with momentum .9, one epoch. With ReLU nothing but the last biases ever
    moves from zero. The sigmoid net is computed in float64: differences of rounding grow from step to step.
    """
    images, labels, tested, truth = _numbers("MNIST", "zero-init")

    def from_zero(activation: Callable[[], nn.Module], kind: torch.dtype) -> tuple[nn.Sequential, float, float]:
        net = _dense([784, 100, 10], activation, nn.init.zeros_).to(kind)
        first = float(F.cross_entropy(net(images[:128].to(kind)), labels[:128]).detach())
        _learn(net, images.to(kind), labels, batch=128, momentum=0.9)
        return net, first, _right(net, tested.to(kind), truth)

    relu, start, stuck = from_zero(nn.ReLU, torch.float32)
    sigmoid, _, _ = from_zero(nn.Sigmoid, torch.float64)  # rounding parts equal units, in float32 visibly
    drawn = _dense([784, 100, 10], nn.ReLU, nn.init.kaiming_normal_)
    _learn(drawn, images, labels, batch=128, momentum=0.9)
    alone = _dense([784, 10], nn.ReLU, nn.init.zeros_)
    _learn(alone, images, labels, batch=128, momentum=0.9)
    rows = _weight(sigmoid, 0)
    return Computed(
        (
            claim("loss of equal scores", start, 2.302585, tolerance=5e-6),
            holds(
                "with ReLU from zero all images get one class",
                any(abs(stuck - float((truth == kind).float().mean())) < 1e-6 for kind in range(10)),
                note="often the commonest one, whose share is .1135",
            ),
            holds("its weights are all zero still", not bool(_weight(relu, 0).any() or _weight(relu, 1).any())),
            claim(
                "largest difference between units of a sigmoid layer",
                float((rows - rows[:1]).abs().max()),
                0.0,
                tolerance=1e-6,
            ),
            claim("right from random weights", _right(drawn, tested, truth), 0.955, tolerance=0.03),
            claim(
                "right with one layer from zero",
                _right(alone, tested, truth),
                0.92,
                tolerance=0.03,
                note="without a hidden layer zero is a good start: its gradients differ by class and by pixel",
            ),
        )
    )


def he_30_layers() -> Computed:
    """ReLU nets of 8 and 30 layers with weights of variance 2 and 1 over the inputs.

    128 units a layer, 20,000 images of FashionMNIST, batch 128, SGD at .005 with momentum .9, one epoch.
    """
    images, labels, tested, truth = _numbers("FashionMNIST", "he-30-layers", most=20_000)
    mean, deviation = images.mean(), images.std()
    images, tested = (images - mean) / deviation, (tested - mean) / deviation
    paths: dict[str, tuple[list[float], list[float]]] = {}
    right: dict[tuple[str, int], float] = {}
    fills: dict[str, Fill] = {"He": nn.init.kaiming_normal_, "Xavier": nn.init.xavier_normal_}
    for depth in (8, 30):
        widths = [784, *[128] * (depth - 1), 10]
        for name, fill in fills.items():
            torch.manual_seed(torch.initial_seed())
            net = _dense(widths, nn.ReLU, fill)
            losses = _learn(net, images, labels, batch=128, rate=0.005, momentum=0.9)
            right[name, depth] = _right(net, tested, truth)
            tens = range(0, len(losses) - 9, 10)
            paths[f"{name}, {depth}"] = ([i + 10.0 for i in tens], [sum(losses[i : i + 10]) / 10 for i in tens])
    picture = curves("Thirty layers learn from He's weights alone", paths, x_label="step", y_label="loss")
    return Computed(
        (
            holds("with He's weights 8 layers learn", right["He", 8] > 0.6),
            holds("with Xavier's 8 layers learn", right["Xavier", 8] > 0.6),
            holds("with He's weights 30 layers learn", right["He", 30] > 0.4),
            claim("right with Xavier's at 30 layers, after an epoch", right["Xavier", 30], 0.1, tolerance=0.02),
        ),
        picture,
    )


def bn_mnist() -> Computed:
    """Three sigmoid layers of 100 units on MNIST, with batch normalisation before each activation and without.

    Batch 60, SGD at .1, weights normal with deviation .01, 2000 steps.
    """
    images, labels, tested, truth = _numbers("MNIST", "bn-mnist")
    paths: dict[str, tuple[list[float], list[float]]] = {}
    for name in ("without", "with"):
        torch.manual_seed(torch.initial_seed())
        net = _dense(
            [784, 100, 100, 100, 10], nn.Sigmoid, partial(nn.init.normal_, std=0.01), normalised=name == "with"
        )
        steps, found = [], []
        for step, _ in enumerate(_steps(net, images, labels, batch=60, steps=2000), start=1):
            if step in (1, 100, 200, 400, 700, 1000, 1300, 1600, 2000):
                steps.append(float(step))
                found.append(_right(net, tested, truth))
        paths[name] = (steps, found)
    last = {name: found[-1] for name, (_, found) in paths.items()}
    picture = curves("Sigmoid layers start at once behind batch normalisation", paths, x_label="step", y_label="right")
    return Computed(
        (
            claim("right at step 2000 without", last["without"], 0.11, tolerance=0.025),
            claim("right at step 2000 with", last["with"], 0.93, tolerance=0.02),
        ),
        picture,
    )


def _numbers(data: str, name: str, *, most: int | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and labels to learn from, and to test on."""
    try:
        splits = [load_data(data, split=split, partial=True, download=False) for split in ("train", "test")]
    except StriateError as error:
        raise StriateError(f"{name} needs {data} ({error})", accepted=f"{data} in the folder STRIATE_DATA") from error
    train, test = splits[0].limit(most), splits[1]
    return train.images(), train.labels, test.images(), test.labels


def _dense(
    widths: list[int],
    activation: Callable[[], nn.Module],
    fill: Fill,
    *,
    normalised: bool = False,
) -> nn.Sequential:
    """Linear layers with biases of zero, an activation behind all but the last."""
    layers: list[nn.Module] = [nn.Flatten()]
    for index, (taken, made) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(taken, made))
        if index < len(widths) - 2:
            layers += [*([nn.BatchNorm1d(made)] if normalised else []), activation()]
    return _filled(nn.Sequential(*layers), fill)


def _filled(net: nn.Sequential, fill: Fill) -> nn.Sequential:
    for layer in net:
        if isinstance(layer, nn.Linear):
            fill(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return net


def _weight(net: nn.Sequential, index: int) -> Tensor:
    """The weight of the linear layer number ``index``."""
    return [each.weight for each in net if isinstance(each, nn.Linear)][index].detach()


def _learn(
    net: nn.Module, images: Tensor, labels: Tensor, *, batch: int, rate: float = 0.1, momentum: float = 0.0
) -> list[float]:
    """One epoch; the losses of its batches."""
    steps = len(images) // batch
    return list(_steps(net, images, labels, batch=batch, rate=rate, momentum=momentum, steps=steps))


def _steps(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    batch: int,
    steps: int,
    rate: float = 0.1,
    momentum: float = 0.0,
) -> Iterator[float]:
    """Steps of SGD in an order drawn for each epoch; the loss of each."""
    optimizer = torch.optim.SGD(net.parameters(), rate, momentum=momentum)
    order = torch.randperm(len(images))
    for step in range(steps):
        begun = step * batch % (len(images) // batch * batch)
        if begun == 0 and step:
            order = torch.randperm(len(images))
        rows = order[begun : begun + batch]
        net.train()
        loss = F.cross_entropy(net(images[rows]), labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        yield float(loss.detach())


def _right(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that are right, in eval mode."""
    net.eval()
    with torch.no_grad():
        found = torch.cat([net(images[at : at + 1000]).argmax(1) for at in range(0, len(images), 1000)])
    return float((found == labels).float().mean())
