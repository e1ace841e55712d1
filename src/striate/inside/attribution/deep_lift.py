"""DeepLIFT: how far each pixel's difference from a baseline raised the target's logit."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.number import Number
from striate.core.progress import SILENT, Progress
from striate.inside.payload import MapCheck
from striate.nets.look import Rule
from striate.nets.net import Net

from .baseline import Baseline, filled
from .chunks import chunks, looked_into
from .maps import Maps
from .rules.difference import Product, Rescale, Winner
from .rules.passing import class_score, signal
from .rules.way import DIFFERENCES, ELEMENTWISE, SELECTING, covered, end_of

GREY = 0.5
BOUND = 1e-4  # of the larger of the two scores in size: float32 stays below a tenth of it
WHAT = "the map adds up to the score less the baseline's"


def deep_lift(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    baseline: Baseline = GREY,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Maps:
    """Contributions ``m (x - x0)`` of every pixel, summed over its channels, signed, (N, H, W).

    The multipliers m are those of the rescale rule: ``(f(x) - f(x0)) / (x - x0)`` at every function of one number,
    where the gradient would have f'(x). They add up to the score less the baseline's. One forward and one backward pass
    for the image and for its baseline.

    Args:
        net: The net.
        images: (N, C, H, W).
        targets: One class for each image, (N,).
        baseline: What stands for nothing, in pixel values from 0 to 1: one number, one for each channel, or ``"mean"``
            for each image's own channel means.
        memory: Budget in bytes for one batch.
        progress: How progress is shown.

    Raises:
        StriateError: The net has a function of several numbers (attention, layer normalisation).

    Source: Shrikumar et al. 2017, section 3.5.1 (rescale rule). Max pooling and gates: see `rules.difference`.
    """
    size = (images.shape[-2], images.shape[-1])
    site = end_of(net, size)
    rules: dict[str, Rule] = {}
    for each in covered(net, size, site, DIFFERENCES):
        if each.op in ELEMENTWISE:
            rules[each.name] = Rescale()
        elif each.op in SELECTING:
            rules[each.name] = Winner()
        elif each.op == "mul":
            rules[each.name] = Product()
    fill, words = filled(images, baseline)
    values: list[Tensor] = []
    checks: list[MapCheck] = []
    with looked_into(net, images), progress.task("deep_lift", len(images)) as step:
        for part, rows in chunks(net, images, torch.arange(len(images)), memory=memory // 2, backward=True):
            wanted, colour = targets.to(part.device)[rows], fill.to(part.device)[rows]
            base = colour.expand_as(part)
            pair = torch.cat([part, base]).contiguous(memory_format=torch.channels_last)
            both: list[Tensor] = []
            of_class = class_score(net, site, torch.cat([wanted, wanted]))

            def score(output: Tensor, both: list[Tensor] = both, of_class: object = of_class) -> Tensor:
                assert callable(of_class)
                scores: Tensor = of_class(output)
                both.append(scores.detach())
                return scores[: len(scores) // 2]

            found, _ = signal(net, pair, rules=rules, site=site, score=score)
            given = found[: len(part)] * (part - base)
            values.append(given.sum(1).float().cpu())
            checks.extend(_checks(given, both[0]))
            step(len(part))
    return Maps(
        torch.cat(values),
        units=f"share of the rise of the target's logit above that of {words}, summed over the channels",
        signed=True,
        checks=tuple(checks),
        share=0.995,
    )


def _checks(given: Tensor, scores: Tensor) -> tuple[MapCheck, ...]:
    high, low = scores.double().chunk(2)
    gap = (given.flatten(1).sum(1, dtype=torch.float64) - (high - low)).abs()
    scale = torch.maximum(high.abs(), low.abs()).clamp(min=1e-12)
    residuals = (gap / scale).cpu().tolist()
    why = "arithmetic: no interval"
    return tuple(MapCheck(WHAT, Number.of(each, why=why), BOUND, each <= BOUND) for each in residuals)
