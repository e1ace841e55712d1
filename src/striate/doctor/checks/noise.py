"""The noise of gradients, and the size of batch that it suggests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..samples import unnoticed
from ..start import Failed, Start, loss_of

PARTS = 8  # batches whose gradients are compared
LEAST = 64  # samples below which the estimate says nothing
SECONDS = 0.5  # that one batch forwards and back may take


class Noise(NamedTuple):
    """Trace of the covariance of one sample's gradient, squared norm of the mean gradient, and their ratio."""

    trace: float
    signal: float

    @property
    def scale(self) -> float:
        """The simple noise scale, in samples; infinite where the mean gradient drowns."""
        return self.trace / self.signal if self.signal > 0 else math.inf


def noise_of(start: Start) -> Noise | None:
    """Noise of the gradient at the weights of ``start``, from its batch in ``PARTS`` parts, in eval mode.

    With B the samples of the whole, b those of a part, G the gradient over n samples:
    ``signal = (B |G_B|^2 - b mean |G_b|^2) / (B - b)`` and ``trace = (mean |G_b|^2 - |G_B|^2) / (1/b - 1/B)``, both
    without bias. Costs one batch forwards and back.

    Source: McCandlish et al. 2018, "An empirical model of large-batch training", equation 2.9 and appendix A.1.
    """
    size = len(start.x) // PARTS
    learning = [each for each in start.model.parameters() if each.requires_grad]
    if start.y is None or size < 1 or not learning:
        return None
    total: list[torch.Tensor] | None = None
    squares = 0.0
    with unnoticed(), torch.enable_grad():
        start.model.eval()
        for part in range(PARTS):
            rows = slice(part * size, (part + 1) * size)
            loss = loss_of(start.setup.loss_fn, start.call(start.model, start.x[rows]), start.y[rows])
            if loss is None or not loss.requires_grad:
                return None
            found = torch.autograd.grad(loss, learning, allow_unused=True)
            here = [torch.zeros_like(p) if g is None else g for p, g in zip(learning, found, strict=True)]
            squares += _squared(here) / PARTS
            total = here if total is None else [a + b for a, b in zip(total, here, strict=True)]
    assert total is not None
    whole, large = _squared(total) / PARTS**2, PARTS * size
    signal = (large * whole - size * squares) / (large - size)
    return Noise((squares - whole) / (1 / size - 1 / large), signal)


def _squared(tensors: list[torch.Tensor]) -> float:
    return sum(float(each.double().square().sum()) for each in tensors)


@check(
    "gradient-noise",
    what="a batch far from the size that the noise of the gradients suggests",
    why="far above it, larger batches buy hardly better steps; far below, steps follow noise and rates must be small",
    phase="end",
    needs=("end", "loss"),
    symptom="cost",
    mend="Change the batch by powers of two towards the noise scale, and the rate with it.",
    code="DataLoader(train, batch_size=256, shuffle=True)",
    thresholds=(
        Threshold("batch over noise scale", 16.0, "at 16 times, 16/17 of the gain of an endless batch is had"),
        Threshold("noise scale over batch", 1000.0, "steps then make a thousandth of the progress of an endless batch"),
    ),
    cost="one batch forwards and back, through the trained copy",
    source="McCandlish et al. 2018, An empirical model of large-batch training, equation 2.9 and appendix A.1",
    else_=("a model that has converged: its mean gradient is nought",),
    consequence=True,
)
def gradient_noise(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.end is not None
    start, train = case.end.start, case.train
    batch = train.batch if train is not None else None
    if batch is None or len(start.x) < LEAST or start.seconds > SECONDS:
        return
    try:
        noise = noise_of(start)
    except (Failed, RuntimeError):  # told of by the checks of the start
        return
    if noise is None or not math.isfinite(noise.scale) or noise.trace <= 0:
        return
    large = batch > limits["batch over noise scale"] * noise.scale
    small = noise.scale > limits["noise scale over batch"] * batch
    if large or small:
        words = "larger batches buy hardly anything" if large else "larger batches would make steadier steps"
        yield Seen(
            f"The gradient noise scale at the end is {noise.scale:,.1f} samples; a batch holds {batch:,}: {words}.",
            severity="note",
            sure=0.6,
            evidence=(
                Evidence("gradient noise scale, samples", Number.of(noise.scale), limit="1/16 to 1,000 batches"),
            ),
        )
