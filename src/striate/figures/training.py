"""Layers and rules of training, on numbers small enough to follow."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.data.splits import stratified

from .claims import SAME, Computed, claim, holds
from .draw import curves


def activations() -> Computed:
    """Non-linearities at seven points."""
    x = torch.tensor([-2, -1, -0.5, 0, 0.5, 1, 2], dtype=torch.float64)
    tanh_form, exact = F.gelu(x, approximate="tanh"), F.gelu(x)
    line = torch.linspace(-3, 3, 121, dtype=torch.float64)
    kinds = {"ReLU": F.relu(line), "GELU": F.gelu(line), "ELU": F.elu(line), "leaky .1": F.leaky_relu(line, 0.1)}
    picture = curves(
        "Activations differ below zero",
        {name: (line.tolist(), values.tolist()) for name, values in kinds.items()},
        x_label="x",
        y_label="output",
    )
    return Computed(
        (
            claim(
                "GELU by tanh",
                tanh_form,
                [-0.0454, -0.1588, -0.1543, 0, 0.3457, 0.8412, 1.9546],
                tolerance=1e-4,
                note="within .0005 of the exact form with erf (Hendrycks & Gimpel 2016)",
            ),
            holds("GELU by tanh is within .0005 of GELU by erf", float((tanh_form - exact).abs().max()) < 5e-4),
            claim("ELU at -2, -1, -.5", F.elu(x)[:3], [-0.8647, -0.6321, -0.3935], tolerance=1e-4),
            claim("leaky ReLU, slope .1", F.leaky_relu(x, 0.1), [-0.2, -0.1, -0.05, 0, 0.5, 1, 2]),
        ),
        picture,
    )


def no_nonlinearity() -> Computed:
    """Two linear layers with nothing between them are one: W2 W1 x + (W2 b1 + b2)."""
    first, second = nn.Linear(20, 50).double(), nn.Linear(50, 10).double()
    x = torch.randn(64, 20, dtype=torch.float64)
    with torch.no_grad():
        one = x @ (second.weight @ first.weight).T + (second.weight @ first.bias + second.bias)
        gap = (second(first(x)) - one).abs().max()
        bent = (second(first(x).relu()) - one).abs().max()
    return Computed(
        (
            claim("largest difference from one layer", gap, 0.0, tolerance=1e-6),
            holds("with a ReLU between them they are not one", float(bent) > 1e-2),
        )
    )


def weight_decay() -> Computed:
    """The penalty l/(2m) |w|^2 in the loss, against torch's weight_decay = l/m: one step of SGD, the same weights."""
    penalty, images, rate = 0.7, 32, 0.1
    x, y = torch.randn(images, 5, dtype=torch.float64), torch.randn(images, 1, dtype=torch.float64)
    start = torch.randn(5, 1, dtype=torch.float64)
    first, second = start.clone().requires_grad_(), start.clone().requires_grad_()
    loss = F.mse_loss(x @ first, y) + penalty / (2 * images) * first.square().sum()
    (gradient,) = torch.autograd.grad(loss, first)
    optimiser = torch.optim.SGD([second], lr=rate, weight_decay=penalty / images)
    torch.autograd.backward(F.mse_loss(x @ second, y))
    optimiser.step()
    gap = (start - rate * gradient - second.detach()).abs().max()
    return Computed((claim("largest difference of the weights", gap, 0.0, tolerance=1e-12),))


def bn_example() -> Computed:
    """Batch normalisation of 1, 2, 3, 4: divided by the biased deviation, remembered by the unbiased variance."""
    layer = nn.BatchNorm1d(1, momentum=1.0).double().train()
    found = layer(torch.tensor([[1.0], [2], [3], [4]], dtype=torch.float64)).detach().flatten()
    assert layer.running_var is not None  # momentum 1: it holds this batch alone
    note = "the lecture keeps the biased variance; for testing it is unbiased (Ioffe & Szegedy 2015, algorithm 2)"
    undo = "gamma must be sqrt(var + eps) to undo the layer, where the lecture has sqrt(var)"
    restored = found * math.sqrt(1.25 + layer.eps) + 2.5
    return Computed(
        (
            claim("normalised", found, [-1.341635, -0.447212, 0.447212, 1.341635]),
            claim("running variance", layer.running_var[0], 5 / 3, says=1.25, note=note),
            claim("undone by gamma and beta", restored, [1, 2, 3, 4], tolerance=1e-12, note=undo),
        )
    )


def bn_modes() -> Computed:
    """An image alone and the same image in a batch: equal in evaluation, not in training."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).double()
    images = torch.rand(16, 3, 12, 12, dtype=torch.float64)
    with torch.no_grad():
        net.train()(images)  # fills the running statistics
        trained = (net(images)[:1] - net(images[:1])).abs().max()
        net.eval()
        evaluated = (net(images)[:1] - net(images[:1])).abs().max()
    return Computed(
        (
            claim("difference in evaluation", evaluated, 0.0, tolerance=1e-12),
            holds("in training the companions change the output", float(trained) > 1e-3),
        )
    )


def norm_axes() -> Computed:
    """Four normalisations of one 8x6x4x4 tensor differ only in the axes over which mean and deviation are taken."""
    x, eps = torch.randn(8, 6, 4, 4, dtype=torch.float64) * 3 + 2, 1e-12
    grouped = nn.GroupNorm(2, 6, eps=eps).double()(x).detach()
    outputs: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "batch: N, H, W": (F.batch_norm(x, None, None, training=True, eps=eps), (0, 2, 3)),
        "layer: C, H, W": (F.layer_norm(x, [6, 4, 4], eps=eps), (1, 2, 3)),
        "instance: H, W": (F.instance_norm(x, eps=eps), (2, 3)),
        "group: C/2, H, W": (grouped.view(8, 2, 3, 4, 4), (2, 3, 4)),
    }
    claims = []
    for name, (values, axes) in outputs.items():
        mean = values.mean(axes).abs().max()
        deviation = (values.std(axes, correction=0) - 1).abs().max()
        claims.append(claim(f"{name}: largest |mean|, |deviation - 1|", [mean, deviation], [0.0, 0.0], tolerance=1e-9))
    return Computed(tuple(claims))


def dropout_scale() -> Computed:
    """Units are kept with .8 and divided by .8, so that the mean stays."""
    keep, n = 0.8, 200_000
    x = torch.ones(n, dtype=torch.float64)
    dropped = F.dropout(x, p=1 - keep, training=True)
    error = dropped.std() / math.sqrt(n)
    note = "the slides scale at test, their code in training; both are right (Srivastava et al. 2014, 4 and 10)"
    return Computed(
        (
            claim("mean", dropped.mean(), 1.0, tolerance=float(3 * error), note=note),
            claim("values that occur", sorted(set(dropped.tolist())), [0, 1.25]),
            claim("share kept", (dropped > 0).double().mean(), keep, tolerance=3 * math.sqrt(0.16 / n)),
            claim("output in evaluation", F.dropout(x, p=0.2, training=False)[0], 1),
        )
    )


def dropout_conspiracy() -> Computed:
    """Fifty people who all must act rightly, against ten groups of five of which one must."""
    right = 0.9
    large = right**50
    small = 1 - (1 - right**5) ** 10
    chances = [i / 100 for i in range(50, 101)]
    picture = curves(
        "Many small conspiracies succeed where a large one fails",
        {
            "ten of five": (chances, [1 - (1 - p**5) ** 10 for p in chances]),
            "one of fifty": (chances, [p**50 for p in chances]),
        },
        x_label="each one's chance to act rightly",
        y_label="chance of success",
    )
    return Computed(
        (
            claim("one conspiracy of 50", large, 0.005154, says="likely to fail"),
            claim("one of ten conspiracies of 5", small, 0.999867, says="likely to succeed"),
        ),
        picture,
    )


def train_statistics() -> Computed:
    """Mean, deviation, range come from the training images, whatever the test images are."""
    train, test = torch.rand(500, 8), torch.rand(100, 8)

    def prepared(tests: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = train.mean(0), train.std(0)
        return torch.stack([mean, deviation, train.amin(0), train.amax(0)]), (tests - mean) / deviation

    before, scaled = prepared(test)
    after, brighter = prepared(test * 5 + 3)
    return Computed(
        (
            holds("other test images change no statistic", torch.equal(before, after)),
            holds("the test images are changed by the statistics of training", not torch.equal(scaled, brighter)),
        )
    )


def split_sizes() -> Computed:
    """How many images go where, and folds that keep the classes' shares."""

    def sizes(n: int, dev: int, test: int) -> list[int]:
        order = range(n)
        return [len(each) for each in (order[dev + test :], order[:dev], order[dev : dev + test])]

    million, four = sizes(1_000_000, 10_000, 10_000), sizes(4_000_000, 10_000, 10_000)
    labels = torch.tensor([0] * 53 + [1] * 31 + [2] * 16)
    folds = stratified(labels, (0.2,) * 5, seed=0)
    counts = [[int((labels[rows] == label).sum()) for rows in folds] for label in range(3)]
    return Computed(
        (
            claim("of a million: train, dev, test", million, [980_000, 10_000, 10_000], says=SAME),
            claim("of four million", four, [3_980_000, 10_000, 10_000], says=SAME),
            claim("in percent", [100 * each / 4_000_000 for each in four], [99.5, 0.25, 0.25], says=SAME),
            claim("60/20/20 of 1000", sizes(1000, 200, 200), [600, 200, 200], says=SAME),
            claim("images in five folds", sorted(torch.cat(folds).tolist()), list(range(100))),
            holds("five stratified folds differ by at most 1 a class", all(max(row) - min(row) <= 1 for row in counts)),
        )
    )


def ng_errors() -> Computed:
    """Where the error comes from: what people reach, what training misses, what does not carry over."""
    human, train, dev, test = 1.0, 10.0, 10.2, 10.4
    gaps = {"avoidable bias": train - human, "variance": dev - train, "gap of the test set": test - dev}
    note = "the lecture calls accuracy bias; bias is the training error less the human error (Ng 2018)"
    return Computed(
        (
            claim(", ".join(gaps), list(gaps.values()), [9, 0.2, 0.2], tolerance=1e-9, note=note),
            claim("largest", max(gaps, key=lambda name: gaps[name]), "avoidable bias", says=SAME),
        )
    )


def small_sums() -> Computed:
    """Four sums that the lectures give in passing."""
    years = 1.4363e12 / (365 * 24 * 3600)
    growth = [100 * ((high / low) ** (1 / span) - 1) for low, high, span in ((1.3, 40.4, 8), (1.3, 37.4, 9))]
    images = sum((490_356, 55_608, 224_840, 19_370, 182_637, 20_342))
    point = "the lecture prints 45.544, with a point for the thousands; 45,544.8 years of 365 days"
    rate = "the lecture gives 48 %; 40.4/1.3 in 8 years is 53.7 % a year, 37.4/1.3 in 9 years 45.2 %"
    return Computed(
        (
            claim("years for 1.4363e12 photos at one a second", years, 45_545, says=45.544, tolerance=0.5, note=point),
            claim("375 million over 300 million", 375 / 300, 1.25, says=1.26),
            claim("growth a year in percent", growth, [53.7, 45.2], says=[48, 48], tolerance=0.06, note=rate),
            claim("images of six data sets", images, 993_153, says=SAME),
        )
    )
