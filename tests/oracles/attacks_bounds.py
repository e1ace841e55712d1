"""Closed forms of certificates, in plain Python."""

from __future__ import annotations

import math


def linear_leads(weight, bias, images, labels, *, radius, mean, std):
    """Least lead of the label over each class of a linear net, each pixel pushed to the worse of its two ends."""
    rows, shift = weight.tolist(), bias.tolist()
    leads = []
    for image, label in zip(images.flatten(1).tolist(), labels.tolist(), strict=True):
        one = []
        for other in range(len(rows)):
            total = shift[label] - shift[other]
            for pixel, mine, theirs in zip(image, rows[label], rows[other], strict=True):
                ends = (max(0.0, pixel - radius), min(1.0, pixel + radius))
                total += min((mine - theirs) * (end - mean) / std for end in ends)
            one.append(total)
        leads.append(one)
    return leads


def binomial_tail(hits, draws, share):
    """Chance of at least so many hits."""
    return sum(math.comb(draws, k) * share**k * (1 - share) ** (draws - k) for k in range(hits, draws + 1))
