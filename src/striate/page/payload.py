"""What `examine` gives: everything the page shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.attacks.payload import Robustness
from striate.checks.payload import Checked
from striate.core.number import Number
from striate.inside.payload import Explanation, Filters
from striate.inside.units.payload import Units
from striate.measure.payload import Evaluation
from striate.nets.payload import Summary
from striate.synthesis.payload import Synthesis
from striate.training.payload import Training


@dataclass(frozen=True)
class Examination:
    """A net examined on one split, in one page.

    Attributes:
        net: Name of the net.
        data: Name and split of the data.
        evaluation: Figures; its mistakes name pictures of the album.
        checked: What is wrong with the data, without what needs training; None where left out.
        cells: Album keys of at most 12 pictures for each confusion cell that holds mistakes, ``"label>predicted"``.
        explanation: What it looks at: a few right and wrong images.
        robustness: The attack, with the curve over the radius; None where left out.
        synthesis: Class images; None where left out.
        filters: First-layer filters; None where there is no convolution.
        summary: The net as it executes.
        training: The record of the run; None where the net is no run of ours.
        left_out: What is not on the page, and why.
        limits: Limits of the methods, sentences.
        units: A few units of a few layers; None where the net has none.
    """

    net: str
    data: str
    evaluation: Evaluation
    checked: Checked | None = None
    cells: dict[str, tuple[str, ...]] = field(default_factory=dict)
    explanation: Explanation | None = None
    robustness: Robustness | None = None
    synthesis: Synthesis | None = None
    filters: Filters | None = None
    summary: Summary | None = None
    training: Training | None = None
    left_out: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    units: Units | None = None


@dataclass(frozen=True)
class Demonstration:
    """What the demo made.

    Attributes:
        run: The run folder.
        page: The page that examines it.
        accuracy: On test images that training never saw.
        robust_accuracy: Under the attack of the page.
        next: Commands to try next.
    """

    run: str
    page: str
    accuracy: Number
    robust_accuracy: Number
    next: tuple[str, ...]
