"""What each layer of a net still knows of a picture, for those who have real weights and images at hand."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError
from striate.core.image import encode_png
from striate.data.load import load_data
from striate.metrics.rank_correlation import rank_correlation
from striate.nets.load import load_net
from striate.synthesis.invert import invert
from striate.synthesis.sheet import contact_sheet

from .claims import Computed, holds

PICTURES = 3  # the first test images of CIFAR-10
SEEDS = (0, 1, 2)
STEPS = 60
LEAST = 0.9  # rank correlation of depth and pixel error
MOST_SEEDS = 2  # in so many of three seeds


def inversion_curve() -> Computed:
    """ResNet-20 on CIFAR-10: images rebuilt from deeper layers are further from the original, in 2 of 3 seeds."""
    try:
        images = load_data("CIFAR10", partial=True, download=False).limit(PICTURES).images()
        net = load_net("striate/resnet20.cifar10")
    except StriateError as error:
        raise StriateError(
            f"inversion-curve needs the test images of CIFAR-10 and a net trained on it ({error})",
            accepted="CIFAR10 in the folder STRIATE_DATA, cifar10_resnet20.safetensors in the folder STRIATE_WEIGHTS",
        ) from error
    curves, strips = [], []
    for seed in SEEDS:
        made = invert(net, images, steps=STEPS, seed=seed)
        curves.append([float(row[3] or 0) for row in made.tables[0].rows])
        strips.append(made.images.reshape(PICTURES, -1, *images.shape[1:]))
    layers = len(curves[0])
    rhos = [rank_correlation(range(layers), errors) or 0.0 for errors in curves]
    ends = [f"{errors[0]:.3f} to {errors[-1]:.3f}" for errors in curves]
    sheet = torch.cat([images[:, None], strips[0]], 1).flatten(0, 1)
    return Computed(
        (
            holds(
                f"depth and pixel error rise together, rank correlation at least {LEAST}, in {MOST_SEEDS} of 3 seeds",
                sum(rho >= LEAST for rho in rhos) >= MOST_SEEDS,
                note=f"{layers} layers; rank correlations {', '.join(f'{rho:.3f}' for rho in rhos)}",
            ),
            holds(
                f"the output's inverse is further off than the first layer's, in {MOST_SEEDS} of 3 seeds",
                sum(errors[-1] > errors[0] for errors in curves) >= MOST_SEEDS,
                note=f"root mean square errors of pixels {', '.join(ends)}",
            ),
        ),
        encode_png(contact_sheet(sheet, across=layers + 1)),
    )
