"""Temperature scaling: one number that makes a net as sure as it is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number

from .inputs import check_labels
from .intervals import quantile_of_normal
from .losses import cross_entropy
from .mean import Mean

CELLS = 2**21  # logits in float64 at a time
STEPS = 100
Slopes = Callable[[float], tuple[float, float, float]]


@dataclass(frozen=True)
class Temperature:
    """What to divide logits by, and what that does to the cross-entropy of the images it was fitted on.

    Fit it on dev and measure on test: ``loss_after`` is of the images that chose it.

    Attributes:
        value: The temperature: above 1 where the net was too sure. Missing where none is best, and ``why`` says why.
        loss_before: Mean cross-entropy in nats at temperature 1.
        loss_after: The same at ``value``.
    """

    value: Number
    loss_before: Number
    loss_after: Number


def fit_temperature(logits: Tensor, labels: Tensor) -> Temperature:
    """The temperature of least cross-entropy, from logits (N, K) and labels (N,); predictions stay as they are.

    The loss is convex in 1 / T, so its minimum is found to rounding by Newton steps kept inside a bracket, in
    float64. It lies at 0 where every label has the highest logit, and at infinity where labels are no likelier at
    higher logits: then there is no temperature to use. The interval is that of log T, by the sandwich of the
    estimating equation, which holds for a net that no temperature makes calibrated, too. Cost: some ten passes over
    the logits.

    >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> f"{fit_temperature(logits, torch.tensor([0, 0, 1, 1])).value.value:.4f}"  # 3 of 4 right: 4 / ln 3
    '3.6410'

    Raises:
        StriateError: Fewer than 2 images or classes, logits that are not finite, labels out of range.

    Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", section 4.2; interval of
    White 1982, "Maximum likelihood estimation of misspecified models", theorem 3.2.
    """
    _check(logits, labels)
    n = len(labels)
    before = _loss(logits, labels, 1.0)
    if bool((logits == logits[:, :1]).all()):
        return _without("the logits of every image are all equal: no temperature changes anything", before)
    if _slopes(logits, labels, math.inf)[0] == 0:
        return _without(
            f"all {n} labels have the highest logit: the nearer the temperature to 0 the lower the loss", before
        )
    if _slopes(logits, labels, 0.0)[0] >= 0:
        return _without("labels are no likelier at higher logits: the hotter the lower the loss", before)
    sharpness = _root(lambda at: _slopes(logits, labels, at))
    _, curve, square = _slopes(logits, labels, sharpness)
    value = 1 / sharpness
    error = math.sqrt(square / n) / (curve * sharpness)  # of log T
    factor = math.exp(min(quantile_of_normal() * error, 700.0))
    after = _loss(logits, labels, value)
    if error < 1e-12 or not math.isfinite(value * factor):
        return Temperature(Number(value, n=n, why="no interval: the estimate has no finite spread"), before, after)
    why = "95 % by the sandwich estimate, on the scale of log T"
    return Temperature(Number(value, value / factor, value * factor, n, why), before, after)


def scaled(logits: Tensor, temperature: float | Temperature) -> Tensor:
    """The logits divided by the temperature; a `Temperature` without value leaves no choice and is refused.

    Raises:
        StriateError: The temperature is missing, not finite or not above 0.
    """
    if isinstance(temperature, Temperature):
        if temperature.value.value is None:
            raise StriateError(f"no temperature was fitted: {temperature.value.why}", accepted="a temperature above 0")
        temperature = temperature.value.value
    if not (math.isfinite(temperature) and temperature > 0):
        raise StriateError(f"temperature is {temperature}", accepted="a number above 0")
    return logits / temperature


def _check(logits: Tensor, labels: Tensor) -> None:
    check_labels(logits, labels, name="logits")
    if len(labels) < 2 or logits.shape[1] < 2:
        raise StriateError(
            f"logits have shape {tuple(logits.shape)}", accepted="at least 2 images and 2 classes to fit on"
        )
    if not bool(logits.isfinite().all()):
        row = int((~logits.isfinite()).nonzero()[0, 0])
        raise StriateError(f"the logits of row {row} are not finite", accepted="finite logits")


def _without(why: str, before: Number) -> Temperature:
    return Temperature(Number(None, n=before.n, why=why), before, Number(None, n=before.n, why="no temperature"))


def _loss(logits: Tensor, labels: Tensor, temperature: float) -> Number:
    mean = Mean()
    for part in _parts(logits):
        mean = mean.update(cross_entropy(logits[part].to(torch.float64) / temperature, labels[part]))
    return mean.compute()


def _slopes(logits: Tensor, labels: Tensor, sharpness: float) -> tuple[float, float, float]:
    """Of the loss by 1 / T: its first and second derivative, and the mean square of the images' first ones."""
    first = second = square = 0.0
    for part in _parts(logits):
        exact = logits[part].detach().to("cpu", torch.float64)
        exact = exact - exact.amax(1, keepdim=True)
        weights = (exact == 0).to(torch.float64) if sharpness == math.inf else (exact * sharpness).exp()
        weights = weights / weights.sum(1, keepdim=True)
        mean = (weights * exact).sum(1)
        own = mean - exact.gather(1, labels[part].cpu()[:, None])[:, 0]
        first += float(own.sum())
        square += float(own.square().sum())
        second += float((weights * exact.square()).sum() - mean.square().sum())
    return first / len(labels), second / len(labels), square / len(labels)


def _root(slopes: Slopes) -> float:
    """Where the rising first derivative is 0: Newton from 1, halving the bracket where a step would leave it."""
    low, high, at = 0.0, math.inf, 1.0
    for _ in range(STEPS):
        first, second, _ = slopes(at)
        if first == 0:
            break
        low, high = (at, high) if first < 0 else (low, at)
        step = at - first / second if second > 0 else math.nan
        if not low < step < high:
            step = (low + high) / 2 if high < math.inf else 2 * at
        if abs(step - at) <= 1e-13 * at:
            return step
        at = step
    return at


def _parts(logits: Tensor) -> list[slice]:
    size = max(1, CELLS // logits.shape[1])
    return [slice(start, start + size) for start in range(0, len(logits), size)]
