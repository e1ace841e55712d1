"""What `transfer` gives: the advice, the net it made, what else was measured on the same images, the few-shot curve."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.core.number import Number
from striate.training.payload import Training


@dataclass(frozen=True)
class Advice:
    """Which policy suits the data, and by what.

    Attributes:
        policy: ``features``, ``last``, ``blocks``, ``all``, ``scratch``.
        images: Training images a class, the mean.
        separable: Share of the training images that a ridge classifier of the net's codes has right which was fitted
            without them.
        similarity: The same on the way from chance (0) to all (1): how well what the net knows already suits the data.
        why: The rule that held, in a sentence.
    """

    policy: str
    images: float
    separable: Number
    similarity: float
    why: str


@dataclass(frozen=True)
class Measured:
    """One classifier on the test images.

    Attributes:
        name: What it is called: a policy, or a baseline.
        what: What it is, in words.
        accuracy: Share of the test images right.
        difference: The chosen net's accuracy less this one's, on the same images; missing for the chosen itself.
        seconds: It took, codes included where they were not kept.
        chosen: Whether it is the net in the run folder.
        dev: Share of the dev images right, by which strengths and epochs were chosen.
    """

    name: str
    what: str
    accuracy: Number
    difference: Number
    seconds: float
    chosen: bool = False
    dev: Number = field(default_factory=lambda: Number.missing("not measured"))


@dataclass(frozen=True)
class Shots:
    """Accuracy by the number of training images a class.

    Attributes:
        name: ``codes``, ``hog``, ``pixels``.
        accuracy: Mean over the draws at each number; the interval is over draws of training images.
        over: The codes' accuracy less this one's, paired by draw.
    """

    name: str
    accuracy: tuple[Number, ...]
    over: tuple[Number, ...]


@dataclass(frozen=True)
class FewShot:
    """The curve: the numbers of images a class, and a line for each kind of code; the test images are always the same.

    Attributes:
        shots: Images a class, ascending.
        draws: Draws of training images at each number.
        n: Test images, which are never drawn.
        lines: The net's codes first.
    """

    shots: tuple[int, ...]
    draws: int
    n: int
    lines: tuple[Shots, ...]


@dataclass(frozen=True)
class Transfer:
    """A net that was made to tell other images apart.

    Attributes:
        net: What it started from.
        data: What it was made for.
        run: The run folder, a net by its path.
        asked: The policy that was asked for: ``auto`` takes the advice.
        policy: The one that made it.
        advice: What the data advise.
        classes: Their names.
        images: Images of train, dev, test.
        layer: The net's last layer, which was replaced.
        width: Numbers of a code.
        frozen_norm: Whether batch normalisation stayed as it was.
        accuracy: Of the run's net on the test images.
        chance: Share of the largest class among the test images.
        rows: All that was measured on them, the chosen first.
        few_shot: The curve, where it was asked for.
        training: The run.
        notes: What else a reader should know.
    """

    net: str
    data: str
    run: str
    asked: str
    policy: str
    advice: Advice
    classes: tuple[str, ...]
    images: tuple[int, int, int]
    layer: str
    width: int
    frozen_norm: bool
    accuracy: Number
    chance: float
    rows: tuple[Measured, ...]
    few_shot: FewShot | None
    training: Training
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerLine:
    """One way to join two nets, by the layer at which they are joined.

    Attributes:
        name: ``BnB``, ``BnB+``, ``AnB``, ``AnB+``: whose first n layers, on the classes B; + where they learn on.
        accuracy: Share of the test images of B right after each cut, mean over seeds; the interval is over seeds.
        over: The same less that of the net trained on B from the start, paired by seed.
        runs: Accuracy by cut and seed.
    """

    name: str
    accuracy: tuple[Number, ...]
    over: tuple[Number, ...]
    runs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ByLayer:
    """How well first layers that learnt other classes serve these, layer by layer.

    Attributes:
        net: The architecture.
        data: The data set.
        run: The folder with the runs.
        first: The classes A.
        second: The classes B, on which everything is measured.
        layers: The net's blocks, in order; the cut n lies behind the n-th.
        cuts: The n that were measured.
        seeds: Of starting weights and orders.
        images: Training, dev and test images of B.
        epochs: Of each run on B.
        base: Accuracy on B of the net trained on B alone, over seeds.
        base_first: Accuracy on A of the net trained on A.
        bases: Accuracy of the net trained on B, by seed.
        chance: Share of the largest class among the test images of B.
        lines: The four ways.
    """

    net: str
    data: str
    run: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    layers: tuple[str, ...]
    cuts: tuple[int, ...]
    seeds: tuple[int, ...]
    images: tuple[int, int, int]
    epochs: int
    base: Number
    base_first: Number
    bases: tuple[float, ...]
    chance: float
    lines: tuple[LayerLine, ...]

    def of(self, name: str) -> LayerLine:
        """The line of this name."""
        return next(line for line in self.lines if line.name == name)
