"""What `init-stats` gives: activations and gradients by site, one `Start` for each scheme of starting weights."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number

BINS = 25  # of a histogram
SPAN = 3.0  # deviations on either side of 0 that a histogram spans, of the scheme's median layer


@dataclass(frozen=True)
class Values:
    """One tensor of numbers in short; those that are not finite are counted apart and left out of the rest.

    Attributes:
        mean: Their mean.
        std: Their standard deviation.
        zeros: Share of them that are exactly 0.
        low: The lowest.
        high: The highest.
        norm: Root of the sum of their squares.
        broken: Share of them that are not finite.
    """

    mean: Number
    std: Number
    zeros: Number
    low: Number
    high: Number
    norm: Number
    broken: float = 0.0


@dataclass(frozen=True)
class SiteSignal:
    """One executed operation.

    Attributes:
        site: Its name.
        op: What it computes.
        shape: Shape of its output for one image.
        depth: How many weight layers lie before it, itself included.
        response: Whether it is the output of a weight layer: what the curves and findings are about.
        activation: Its output.
        gradient: The gradient of the mean loss with respect to its output.
        weight: The gradient with respect to its layer's weights; missing where it has none.
        dead: Share of its units that are 0 for every image and place (rectifiers).
        saturated: Share of its values in the flat ends of a squashing function (sigmoid, tanh).
        alike: Share of its layer's units whose weights are those of another unit.
        histogram: Counts of its output in `BINS` bins over 0 +- `reach`, what lies beyond in the outer ones.
        reach: Half the width of the histogram.
    """

    site: str
    op: str
    shape: tuple[int, ...]
    depth: int
    response: bool
    activation: Values
    gradient: Values
    weight: Values
    dead: Number
    saturated: Number
    alike: Number
    histogram: tuple[int, ...] = ()
    reach: float = 0.0


@dataclass(frozen=True)
class Start:
    """The net as one scheme starts it.

    Attributes:
        init: Name of the scheme.
        loss: Mean cross-entropy of the probe images, nats.
        forward: Deviation of the last hidden layer's response over that of the first.
        backward: Norm of the gradient at the first layer's response over that at the last hidden layer's.
        sites: In the order of execution.
        untouched: Parameters that the scheme left as they were built.
    """

    init: str
    loss: Number
    forward: Number
    backward: Number
    sites: tuple[SiteSignal, ...]
    untouched: tuple[str, ...] = ()


@dataclass(frozen=True)
class InitStats:
    """A net before training.

    Attributes:
        net: Name of the net.
        data: Name of the data whose training images were looked at.
        n: How many.
        size: Their height and width.
        classes: How many classes there are.
        chance: Logarithm of the number of classes: the loss of a net that knows nothing and says so.
        starts: One for each scheme.
        notes: What bears on the numbers.
    """

    net: str
    data: str
    n: int
    size: tuple[int, int]
    classes: int
    chance: float
    starts: tuple[Start, ...]
    notes: tuple[str, ...] = ()
