"""Advice: which policy suits the data, by how many images there are and how well the net's codes part them already."""

from __future__ import annotations

from striate.metrics.intervals import wilson

from .codes import Codes
from .linear import left_out
from .payload import Advice

NEAR = 0.5  # similarity from which the data are near to what the net was trained on
FEW, SOME, MANY = 20, 200, 2000  # images a class


def advise(codes: Codes, classes: int, *, trained: bool = True) -> Advice:
    """The advice for training codes.

    The rule, of the mean number m of images a class and the similarity s: a net without weights of its own is trained
    from scratch; m < 20: ``features``; m < 200: ``features`` where s >= .5, else ``blocks``; m < 2,000: ``blocks``
    where s >= .5, else ``all``; beyond, ``all``. The thresholds are ours, and advice: only a measurement on images
    that nothing was chosen by says which is best, and ``--against`` makes it.

    Args:
        codes: Of the training images.
        classes: How many there are.
        trained: Whether the net has weights that learnt anything.

    Source: the four cases (many or few, near or far) are those of Yosinski et al. 2014, section 5, and Donahue et al.
    2014; that codes predict how well transfer goes is Kornblith et al. 2019, "Do better ImageNet models transfer
    better?", section 4.
    """
    right = left_out(codes.values, codes.labels, classes)
    separable = wilson(int(right.sum()), len(right))
    similarity = max(0.0, (float(separable) - 1 / classes) / (1 - 1 / classes))
    images = len(codes.labels) / classes
    near = similarity >= NEAR
    far = "near" if near else "far from"
    said = f"{images:.0f} training images a class, {far}{' to' if near else ''} what the net knows"
    if not trained:
        return Advice("scratch", images, separable, similarity, f"the net has no weights to transfer; {said}")
    if images < FEW:
        return Advice("features", images, separable, similarity, f"{said}: too few to move its weights")
    if images < SOME:
        policy = "features" if near else "blocks"
        return Advice(policy, images, separable, similarity, f"{said}: {_because(policy)}")
    if images < MANY:
        policy = "blocks" if near else "all"
        return Advice(policy, images, separable, similarity, f"{said}: {_because(policy)}")
    return Advice("all", images, separable, similarity, f"{said}: {_because('all')}")


def _because(policy: str) -> str:
    return {
        "features": "its codes part them as they are",
        "blocks": "its last blocks are worth moving, its first are not",
        "all": "enough to move every layer",
    }[policy]
