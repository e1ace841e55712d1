"""The neocognitron: how alike its layers answer to a digit and to the same digit moved."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.data.load import load_splits
from striate.nets.load import load_net
from striate.nets.own.neocognitron import Neocognitron, organise

from .claims import Computed, holds
from .draw import curves

TAUGHT, SHOWN, MARGIN, SHIFTS = 150, 60, 6, (0, 1, 2, 3, 4, 5, 6)
LAYERS = ("retina", "s1", "c1", "s2", "c2", "s3", "c3")


def digits() -> tuple[Tensor, Tensor]:
    """Digits to learn from and digits to move, normalised, with a margin of paper."""
    splits = load_splits("digits")
    given = ((splits.train, TAUGHT), (splits.test, SHOWN))
    parts = [F.pad(part.limit(count).images(), [MARGIN] * 4) for part, count in given]
    mean, std = parts[0].mean(), parts[0].std()
    return (parts[0] - mean) / std, (parts[1] - mean) / std


def taught(images: Tensor, *, spread: int, seed: int) -> Neocognitron:
    """A neocognitron whose three stages have organised themselves on these images."""
    name = f"striate/neocognitron+spread={spread}.random"
    net = load_net(name, channels=1, size=images.shape[-1], seed=seed).module
    assert isinstance(net, Neocognitron)
    for stage in range(1, net.stages + 1):
        organise(net, images, stages=(stage,))
    return net


@torch.no_grad()
def likeness(net: Neocognitron, images: Tensor, shift: int) -> dict[str, float]:
    """Mean cosine of each layer's answers to an image and to the image moved to the right by ``shift`` pixels."""
    here, there, found = images, images.roll(shift, 3), {}
    for name, layer in net.named_children():
        if name in LAYERS:
            here, there = layer(here), layer(there)
            found[name] = float(F.cosine_similarity(here.flatten(1), there.flatten(1)).mean())
    return found


def neocognitron(seed: int = 0) -> Computed:
    """Layers with and without pooling by C-cells, and what a move of the digit leaves of their answers."""
    learnt, shown = digits()
    nets = [taught(learnt, spread=spread, seed=seed) for spread in (5, 1)]
    wide, narrow = ([likeness(net, shown, shift) for shift in SHIFTS] for net in nets)
    at = SHIFTS.index(2)
    return Computed(
        (
            holds(
                "in each stage the C-cells answer more alike to a digit moved by 2 pixels than the S-cells before them",
                all(wide[at][f"c{stage}"] > wide[at][f"s{stage}"] for stage in (1, 2, 3)),
            ),
            holds(
                "C-cells that look at 5 x 5 answer more alike than C-cells that look at one",
                all(wide[at][f"c{stage}"] > narrow[at][f"c{stage}"] for stage in (1, 2)),
            ),
            holds(
                "the last layer is more alike than the pixels, at every shift",
                all(row["c3"] > row["retina"] for row in wide[1:]),
            ),
            holds(
                "the further the digit moves, the less alike are the C-cells of the first stage",
                all(before["c1"] > after["c1"] for before, after in pairwise(wide)),
            ),
        ),
        curves(
            "Likeness of answers to a digit and to the digit moved",
            {
                label: (SHIFTS, [row[name] for row in rows])
                for label, name, rows in (
                    ("pixels", "retina", wide),
                    ("S1", "s1", wide),
                    ("C1", "c1", wide),
                    ("C1 without pooling", "c1", narrow),
                    ("C2", "c2", wide),
                    ("C3", "c3", wide),
                )
            },
            x_label="pixels by which the digit moved",
            y_label="cosine of the answers before and after",
        ),
    )
