"""Linear classifiers of digits: the perceptron rule, and softmax regression's templates."""

from __future__ import annotations

from statistics import median

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge
from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.inside.heatmap import colour
from striate.learn.baselines.linear import cross_entropy, fit_path
from striate.learn.baselines.perceptron import answers, learn_perceptron
from striate.measure.table import predict
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.sheet import contact_sheet

from .claims import SAME, Computed, claim, holds

MARK_I = 20  # photocells of a side
ORDERS = 9
COST = 1.0


def perceptron() -> Computed:
    """The rule once through the digits at 20 x 20, in nine orders: the last weights, and the mean of all of them."""
    splits = _digits("perceptron", size=MARK_I)
    images, labels = splits.train.images().flatten(1), splits.train.labels
    test = splits.test.images().flatten(1)

    def right(weights: Tensor) -> float:
        return float((answers(weights, test) == splits.test.labels).double().mean())

    found = [learn_perceptron(images, labels, classes=10, epochs=1, seed=seed) for seed in range(ORDERS)]
    last, averaged = ([right(getattr(each, name)) for each in found] for name in ("last", "averaged"))
    note = f"the last weights hang on which images came last: {min(last):.2f} to {max(last):.2f} over the nine orders"
    steady = max(averaged) - min(averaged)
    rows = [_drawn(weights[:, :-1], MARK_I) for weights in (found[0].last, found[0].averaged)]
    return Computed(
        (
            claim("share right, last weights, median", median(last), 0.88, tolerance=0.02, note=note),
            claim("share right, averaged weights, median", median(averaged), 0.92, tolerance=0.02),
            holds("averaged, every order is within .01", steady < 0.01),
            holds("averaged weights are better in every order", all(map(float.__lt__, last, averaged))),
        ),
        encode_png(contact_sheet(torch.cat(rows), across=10)),
    )


def linear_templates() -> Computed:
    """Softmax regression on the digits: the weights of each class are a picture, a template of it."""
    splits = _digits("linear-templates")
    images = splits.train.images().flatten(1)
    fitted = fit_path(images, splits.train.labels, classes=10, loss=cross_entropy, costs=(COST,))
    weights = fitted.weights[0] / fitted.scale
    net = load_net("striate/linear", weights=False, channels=1, size=28)
    _fill(net, weights, fitted.offsets[0] - fitted.mean @ weights)
    table = predict(net, splits.test)
    colours = load_net("striate/linear", weights=False, channels=3, size=32)
    counts = [sum(each.numel() for each in one.parameters()) for one in (net, colours)]
    accuracy = float(table.correct.double().mean())
    note = "the lecture calls them the rows of W; with scores xW they are its columns"
    return Computed(
        (
            claim("templates", len(weights.T), 10, says=SAME, note=note),
            claim("weights for 28 x 28 digits, 32 x 32 colour images", counts, [7850, 30730], says=SAME),
            holds(f"share right at least .915: {accuracy:.4f}", accuracy >= 0.915),
        ),
        encode_png(contact_sheet(_drawn(weights.T, 28), across=10)),
    )


def _fill(net: Net, weights: Tensor, offset: Tensor) -> None:
    """Puts scores ``x W + b`` of plain pixels into a linear net that normalises them first."""
    linear = next(module for module in net.modules() if isinstance(module, torch.nn.Linear))
    mean, std = net.mean, net.std
    if mean is None or std is None:
        raise StriateError("a linear net without normalisation", accepted="striate/linear")
    with torch.no_grad():
        linear.weight.copy_((weights * float(std.mean())).T)
        linear.bias.copy_(offset + float(mean.mean()) * weights.sum(0))


def _drawn(weights: Tensor, side: int) -> Tensor:
    """Weights (K, pixels) as signed maps (K, 3, h, w) with limits of their own, enlarged."""
    drawn = []
    for one in weights.reshape(-1, side, side):
        end = float(one.abs().max()) or 1.0
        drawn.append(enlarge(colour(one, (-end, end), signed=True), 84))
    return torch.stack(drawn)


def _digits(name: str, *, size: int | None = None) -> Splits:
    try:
        return load_splits("MNIST", size=size, download=False)
    except StriateError as error:
        raise StriateError(
            f"{name} needs the digits of MNIST ({error})", accepted="MNIST/raw in the folder STRIATE_DATA"
        ) from error
