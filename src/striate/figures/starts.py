"""Weights to start from: how the spread of activations runs through ten layers, and what fifty layers do to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from .claims import Computed, claim
from .draw import curves

LAYERS, WIDTH, ROWS = 10, 500, 1000
# percent by layer: how far one run with ReLU strays from the wide limit, standard deviation over 120 seeds
MEAN_SPREAD = (0.27, 3.2, 4.6, 5.7, 7.1, 7.7, 8.9, 9.2, 10.2, 11.3)
STD_SPREAD = (0.21, 1.7, 3.0, 4.6, 5.5, 6.7, 7.9, 8.8, 9.3, 10.4)
NAMELESS = "the slides name no activation; their numbers fit tanh here"


def activations_of(scale: float, squash: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Activations of ten random layers 500 wide on 1000 standard normal rows; weights are ``scale`` times normal."""
    hidden = torch.randn(ROWS, WIDTH)
    found = []
    for _ in range(LAYERS):
        hidden = squash(hidden @ (torch.randn(WIDTH, WIDTH) * scale))
        found.append(hidden)
    return found


def tanh_theory(scale: float) -> list[float]:
    """Deviation of the activations layer by layer for infinite width: q -> E[tanh(sqrt(n scale^2 q) z)^2]."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / math.sqrt(2 * math.pi)
    q, found = 1.0, []
    for _ in range(LAYERS):
        q = float((weights * np.tanh(math.sqrt(WIDTH * scale**2 * q) * nodes) ** 2).sum())
        found.append(math.sqrt(q))
    return found


def _picture(title: str, ours: list[float], theory: list[float], *, log: bool) -> str:
    layers = range(1, LAYERS + 1)
    return curves(
        title,
        {"this run": (layers, ours), "wide limit": (layers, theory)},
        x_label="layer",
        y_label="standard deviation",
        log_y=log,
    )


def _tanh(scale: float, right: list[float], slide: list[float], digits: float, title: str, *, log: bool) -> Computed:
    ours = [float(each.std()) for each in activations_of(scale, torch.tanh)]
    theory = tanh_theory(scale)
    used = len(right)
    ratios = [a / b for a, b in zip(ours, theory, strict=True)]
    return Computed(
        (
            claim(
                "deviation in the wide limit", theory[:used], right, says=slide[:used], tolerance=digits, note=NAMELESS
            ),
            claim("one run over the limit, layers 1 to 10", ratios, [1] * LAYERS, tolerance=0.03),
        ),
        _picture(title, ours, theory, log=log),
    )


def init_small() -> Computed:
    """Normal weights times .01: the activations die out."""
    slide = [0.213667, 0.047754, 0.010667, 0.002391, 0.000535, 0.000119]
    right = [0.2135, 0.0476, 0.0107, 0.0024, 0.00053, 0.00012]
    return _tanh(0.01, right, slide, 5e-5, "Weights too small: the signal dies", log=True)


def init_xavier_tanh() -> Computed:
    """Normal weights over sqrt(inputs): tanh activations keep their spread."""
    slide = [0.6285, 0.4862, 0.4089, 0.3580, 0.3236, 0.2950, 0.2723, 0.2547, 0.2397, 0.2272]
    right = [0.6279, 0.4863, 0.4082, 0.3576, 0.3216, 0.2944, 0.2729, 0.2554, 0.2409, 0.2285]
    return _tanh(1 / math.sqrt(WIDTH), right, slide, 5.1e-5, "Weights over the root of inputs, tanh", log=False)


def _relu(gain: float, slide_mean: list[float], slide_std: list[float], title: str) -> Computed:
    found = activations_of(math.sqrt(gain / WIDTH), torch.relu)
    means, deviations = [float(each.mean()) for each in found], [float(each.std()) for each in found]
    # z = weights times inputs is normal with variance gain^l 2^(1-l); relu(z) has half its mean square
    size = [math.sqrt(gain) * (gain / 2) ** (layer / 2) for layer in range(LAYERS)]
    right_mean = [each / math.sqrt(2 * math.pi) for each in size]
    right_std = [each * math.sqrt(0.5 - 0.5 / math.pi) for each in size]

    def strays(ours: list[float], right: list[float], spread: Sequence[float]) -> list[float]:
        return [100 * (a / b - 1) / sd for a, b, sd in zip(ours, right, spread, strict=True)]

    note = "one run strays by .2 to 11 % layer by layer, so the slide's run cannot be met to 5 %, only its law"
    return Computed(
        (
            claim(
                "run's mean, in deviations from the law",
                strays(means, right_mean, MEAN_SPREAD),
                [0] * LAYERS,
                tolerance=3.0,
            ),
            claim(
                "run's spread, in deviations from the law",
                strays(deviations, right_std, STD_SPREAD),
                [0] * LAYERS,
                tolerance=3.0,
            ),
            claim(
                "the slide's mean, likewise",
                strays(slide_mean, right_mean, MEAN_SPREAD),
                [0] * LAYERS,
                tolerance=3.0,
                note=note,
            ),
            claim(
                "the slide's spread, likewise", strays(slide_std, right_std, STD_SPREAD), [0] * LAYERS, tolerance=3.0
            ),
        ),
        _picture(title, deviations, right_std, log=gain < 2),
    )


def init_xavier_relu() -> Computed:
    """The same weights with ReLU: half the signal is lost in each layer."""
    mean = [0.3977, 0.2800, 0.1832, 0.1305, 0.0921, 0.0648, 0.0479, 0.0342, 0.0249, 0.0183]
    std = [0.5834, 0.4104, 0.2803, 0.1981, 0.1387, 0.0983, 0.0693, 0.0507, 0.0359, 0.0257]
    return _relu(1.0, mean, std, "The same weights with ReLU: halved in every layer")


def init_he_relu() -> Computed:
    """Weights times sqrt(2/inputs): ReLU layers keep the mean square at 1."""
    mean = [0.563, 0.578, 0.574, 0.603, 0.573, 0.548, 0.600, 0.586, 0.656, 0.637]
    std = [0.826, 0.829, 0.846, 0.852, 0.852, 0.812, 0.835, 0.871, 0.940, 0.874]
    return _relu(2.0, mean, std, "Twice the variance mends it")


def exploding_product() -> Computed:
    """Fifty layers of gain g multiply by g^50; random matrices of that gain do so within their spread."""
    layers, width = 50, 256
    spread = math.sqrt(layers / (2 * width))  # of the logarithm: each layer's mean square is chi-squared over width
    powers, strays = [0.9**layers, 1.1**layers], []
    paths: dict[str, tuple[list[float], list[float]]] = {}
    for gain in (0.9, 1.1):
        hidden = torch.randn(width, dtype=torch.float64)
        sizes = [float(hidden.norm())]
        for _ in range(layers):
            hidden = torch.randn(width, width, dtype=torch.float64) @ hidden * (gain / math.sqrt(width))
            sizes.append(float(hidden.norm()))
        strays.append((math.log(sizes[-1] / sizes[0]) - layers * math.log(gain)) / spread)
        paths[f"gain {gain}"] = ([float(i) for i in range(layers + 1)], [size / sizes[0] for size in sizes])
    return Computed(
        (
            claim(".9^50", powers[0], 0.0052, tolerance=5e-5),
            claim("1.1^50", powers[1], 117.4, tolerance=0.05),
            claim("random nets, in deviations from g^50", strays, [0, 0], tolerance=3.0),
        ),
        curves("Fifty layers", paths, x_label="layer", y_label="size of the signal", log_y=True),
    )
