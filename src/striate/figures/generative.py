"""Generators, restorers, and losses of their kind."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from .claims import Computed, claim, holds
from .draw import curves
from .layers import count, on_meta, parameters


def cgan_params() -> Computed:
    """The generator of the conditional GAN: noise and label are mapped apart, then together."""
    parts = [nn.Linear(100, 200), nn.Linear(10, 1000), nn.Linear(200 + 1000, 1200), nn.Linear(1200, 28 * 28)]
    found = [parameters(part) for part in parts]
    return Computed(
        (
            claim("noise, label, both, image", found, [20_200, 11_000, 1_441_200, 941_584]),
            claim("parameters", sum(found), 2_413_984),
        )
    )


def dcgan_shapes() -> Computed:
    """The generator of DCGAN: from a 4x4 map of 1024 channels, each layer doubles the side."""

    def build() -> nn.Module:
        layers: list[nn.Module] = [nn.Linear(100, 4 * 4 * 1024), nn.Unflatten(1, (1024, 4, 4))]
        widths = (1024, 512, 256, 128, 3)
        layers += [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)]
        return nn.Sequential(*layers)

    shapes = [list(layer.shape) for layer in count(on_meta(build), (100,))[1:]]
    right = [[1024, 4, 4], [512, 8, 8], [256, 16, 16], [128, 32, 32], [3, 64, 64]]
    return Computed((claim("channels, height, width", shapes, right, note="Radford et al. 2016, figure 1"),))


def restoration_nets() -> Computed:
    """Two small nets that mend images: super-resolution 9-1-5, and a classifier of motion blur."""
    sharp = on_meta(lambda: nn.Sequential(nn.Conv2d(1, 64, 9), nn.Conv2d(64, 32, 1), nn.Conv2d(32, 1, 5)))

    def build() -> nn.Module:
        maps = [nn.Conv2d(3, 96, 7), nn.MaxPool2d(2), nn.Conv2d(96, 256, 5), nn.MaxPool2d(2)]
        return nn.Sequential(*maps, nn.Flatten(), nn.Linear(4 * 4 * 256, 1024), nn.Linear(1024, 73))

    blur = on_meta(build)
    sides = [layer.shape[1] for layer in count(blur, (3, 30, 30))[:4]]
    biases = 64 + 32 + 1
    return Computed(
        (
            claim(
                "parameters of SRCNN, and its weights", [parameters(sharp), parameters(sharp) - biases], [8129, 8032]
            ),
            claim("sides of the blur net's maps", sides, [24, 12, 8, 4]),
            claim("parameters of the blur net", parameters(blur), 4_899_017),
        )
    )


def age_loss() -> Computed:
    """Half squared error, half a bell that forgives what its deviation cannot tell."""
    y, a, sigma, weight = 30.0, 25.0, 3.0, 0.5

    def loss(age: float) -> float:
        bell = 1 - math.exp(-((y - age) ** 2) / (2 * sigma**2))
        return (1 - weight) * (y - age) ** 2 / 2 + weight * bell

    return Computed((claim("loss for true 30, found 25, deviation 3", loss(a), 6.625324), claim("at 30", loss(y), 0.0)))


def gan_gradient() -> Computed:
    """A generator that loses gets almost no gradient from log(1 - D), and a full one from -log D."""
    logits = torch.tensor([-6.0, -4, -2, 0], dtype=torch.float64, requires_grad=True)
    (saturating,) = torch.autograd.grad(F.logsigmoid(-logits).sum(), logits)
    (other,) = torch.autograd.grad(-F.logsigmoid(logits).sum(), logits)
    line = [i / 10 for i in range(-60, 41)]
    sizes = torch.tensor(line, dtype=torch.float64).sigmoid()
    return Computed(
        (
            claim("|gradient| of log(1 - D)", saturating.abs(), [0.0025, 0.0180, 0.1192, 0.5], tolerance=1e-4),
            claim("|gradient| of -log D", other.abs(), [0.9975, 0.9820, 0.8808, 0.5], tolerance=1e-4),
            holds("both point the same way", bool((saturating.sign() == other.sign()).all())),
        ),
        curves(
            "The generator's gradient",
            {"log(1 - D)": (line, sizes.tolist()), "-log D": (line, (1 - sizes).tolist())},
            x_label="logit of the discriminator for a made image",
            y_label="size of the gradient",
        ),
    )


def fool_linear_10() -> Computed:
    """A step of half the weights' signs turns a linear classifier round, though no number moves by more than .5."""
    x = torch.tensor([2, -1, 3, -2, 2, 2, 1, -4, 5, 1], dtype=torch.float64)
    w = torch.tensor([-1, -1, 1, -1, 1, -1, 1, 1, -1, 1], dtype=torch.float64)
    fooled = x + 0.5 * w
    scores = torch.stack([w @ x, w @ fooled])
    return Computed(
        (
            claim("scores before, after", scores, [-3, 2]),
            claim("probabilities", scores.sigmoid(), [0.0474, 0.8808], tolerance=5e-5),
            claim("largest change", (fooled - x).abs().max(), 0.5),
        )
    )
