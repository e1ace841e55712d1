"""Scores and losses of a linear classifier, on the lectures' own numbers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.norms import norm_of
from striate.metrics.losses import cross_entropy

from .claims import SAME, Computed, claim, holds

SCORES = torch.tensor([[3.2, -5, 10], [0.1, 14, 5], [0.3, 8, 14]], dtype=torch.float64)  # cat, boat, shark by image
LABELS = torch.tensor([0, 1, 2])


def hinge(scores: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    """Multi-class hinge loss of each image, (N,): over the wrong classes, sum of max(0, s_j - s_y + margin)."""
    right = scores.gather(1, labels[:, None])
    losses = (scores - right + margin).clamp(min=0)
    return losses.scatter(1, labels[:, None], 0.0).sum(1)


def linear_scores() -> Computed:
    """Scores xW + b; the bias trick puts a 1 behind x and b under W."""
    x = torch.tensor([57, 77, 200, 128], dtype=torch.float64)
    W = torch.tensor([[0.7, -0.3, 0], [-0.3, 0.5, 0.25], [2.5, 3.1, 0.4], [1, -3, 0.1]], dtype=torch.float64)
    b = torch.tensor([1.7, -2, 3], dtype=torch.float64)
    scores = x @ W + b
    longer = torch.cat([x, torch.ones(1, dtype=x.dtype)])
    trick = longer @ torch.cat([W, b[None]])
    right = [646.5, 255.4, 115.05]
    return Computed((claim("scores xW + b", scores, right, says=SAME), claim("with the bias trick", trick, right)))


def hinge_example() -> Computed:
    """Three images, three classes, margin 1."""
    losses = hinge(SCORES, LABELS)
    note = "the formula writes s_j - s_y without the margin, which would give 6.8; Weston & Watkins 1999"
    return Computed(
        (
            claim("loss of each image", losses, [7.8, 0, 0], says=SAME, note=note),
            claim("mean loss", losses.mean(), 2.6, says=SAME),
        )
    )


def hinge_initial() -> Computed:
    """Before training all scores are about equal: each wrong class then costs the margin."""
    found = {
        classes: hinge(torch.zeros(1, classes, dtype=torch.float64), torch.tensor([0]))[0] for classes in (10, 1000)
    }
    wider = hinge(torch.zeros(1, 10, dtype=torch.float64), torch.tensor([3]), margin=2.0)[0]
    note = "the lecture's N - 1 holds for margin 1, and its N counts classes, not images"
    return Computed(
        (
            claim("loss with 10 equal scores", found[10], 9, says=SAME, note=note),
            claim("loss with 1000 equal scores", found[1000], 999, says=SAME),
            claim("with margin 2, 10 equal scores", wider, 18),
        )
    )


def hinge_scaling() -> Computed:
    """Weights times a are scores times a: a loss of 0 stays 0 for a >= 1, but not for every a."""
    grown = [hinge(a * SCORES[1:], LABELS[1:]).sum() for a in (1.0, 1.5, 2.0, 10.0)]
    shrunk = hinge(0.1 * SCORES[1:], LABELS[1:])
    note = "the lecture says that any multiple of W keeps the loss 0; margins shrink with a, so a < 1 can break it"
    return Computed(
        (
            claim("losses for a = 1, 1.5, 2, 10", torch.stack(grown), [0, 0, 0, 0], says=SAME),
            claim("losses of images 2, 3 for a = .1", shrunk, [0.1, 0.4], says=[0, 0], note=note),
        )
    )


def _regularised() -> tuple[Tensor, Tensor, Tensor]:
    x = torch.tensor([2, 0.1, 0.1, 0.5], dtype=torch.float64)
    spread = torch.tensor([0.2, 0.8, 0.2, 0.1], dtype=torch.float64)
    single = torch.tensor([1, 0, 0, 0], dtype=torch.float64)
    return x, spread, single


def l2_example() -> Computed:
    """Sum of squares of two weight vectors, and the smallest one that gives the same score: W = s x / (x.x)."""
    x, spread, single = _regularised()
    least = 2 * x / (x @ x)
    note = "the lecture says that both give 2; .4 + .08 + .02 + .05 = .55"
    return Computed(
        (
            claim("W1 x and W2 x", [spread @ x, single @ x], [0.55, 2], says=[2, 2], note=note),
            claim("sums of squares", [spread @ spread, single @ single], [0.73, 1], says=SAME),
            claim("smallest sum of squares with Wx = 2", least @ least, 0.936768),
            claim("its score", least @ x, 2),
        )
    )


def l1_example() -> Computed:
    """Sum of absolute values of the same weights."""
    _, spread, single = _regularised()
    found = [norm_of(weights[None], 1.0)[0] for weights in (spread, single)]
    note = "the lecture adds to 1.4; .2 + .8 + .2 + .1 = 1.3"
    return Computed((claim("L1 norms of W1, W2", found, [1.3, 1], says=[1.4, 1], note=note),))


def softmax_example() -> Computed:
    """From scores to probabilities to a loss: exponentials, divided by their sum, then minus the logarithm."""
    powers = SCORES[0].exp()
    losses = cross_entropy(SCORES, LABELS)
    sum_note = "the lecture's sum is exp(10) alone; exp(3.2) + exp(-5) + exp(10) is more"
    log_note = "the lecture writes -log(s_c), of the score; the logarithm is of the probability"
    return Computed(
        (
            claim("sum of exponentials", powers.sum(), 22051.0051, says=22026.4658, tolerance=5e-5, note=sum_note),
            claim(
                "probabilities",
                powers / powers.sum(),
                [0.0011125, 0.0000003, 0.9988872],
                says=SAME,
                tolerance=5.1e-8,
            ),
            claim("loss of the cat", losses[0], 6.801113, note=log_note),
            claim("mean loss of the three images", losses.mean(), 2.267905),
        )
    )


def softmax_initial() -> Computed:
    """Equal scores: the loss is log C, and the gradient of score j is p_j - y_j."""
    losses, gaps = [], []
    for classes in (10, 1000):
        scores = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
        label = torch.tensor([1])
        loss = F.cross_entropy(scores, label)
        (gradient,) = torch.autograd.grad(loss, scores)
        expected = scores.detach().softmax(1) - F.one_hot(label, classes)
        losses.append(loss.detach())
        gaps.append(float((gradient - expected).abs().max()))
    return Computed(
        (
            claim("loss with 10, 1000 classes", losses, [2.302585, 6.907755], says=[math.log(10), math.log(1000)]),
            claim("each of 10 probabilities", torch.zeros(10).double().softmax(0)[0], 0.1, says=SAME),
            holds("gradient of score j is p_j - y_j", max(gaps) < 1e-12),
        )
    )
