"""What `compare` gives: several nets on the same images, or two saved evaluations side by side."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class Timing:
    """Time of a forward pass.

    Attributes:
        batch: Images a pass.
        milliseconds: Per image: the median over the rounds, with its interval.
    """

    batch: int
    milliseconds: Number


@dataclass(frozen=True)
class ComparedNet:
    """One net, or one saved evaluation.

    Attributes:
        name: Its name.
        n: Images it was measured on.
        accuracy: Share right.
        top5: Share whose label is among the five highest outputs.
        loss: Mean cross-entropy in nats.
        ece: Expected calibration error.
        parameters: Shared ones once; None where only a report is known.
        macs: Multiply-adds for one image.
        size: Height and width of the input; empty where only a report is known.
        memory: Bytes of the activations that are alive at once, for one image, reckoned from what the net executes.
        single: Time at one image a pass; None where it was not measured.
        best: Time at the batch that is fastest an image.
    """

    name: str
    n: int
    accuracy: Number
    top5: Number
    loss: Number
    ece: Number
    parameters: int | None = None
    macs: int | None = None
    size: tuple[int, ...] = ()
    memory: int | None = None
    single: Timing | None = None
    best: Timing | None = None


@dataclass(frozen=True)
class ComparedPair:
    """Two nets on the same images.

    Attributes:
        a: The first.
        b: The second.
        only_a: Images that only the first has right.
        only_b: Images that only the second has right.
        both: Images that both have right.
        neither: Images that both have wrong.
        agreement: Share of images on which both say the same.
        difference: Accuracy of the first less that of the second.
        loss: Loss of the first less that of the second.
        p: Chance of so uneven a table if both were equally good (McNemar's exact test), Holm-corrected over the pairs.
        better: Name of the one that is better beyond chance; empty where none is.
    """

    a: str
    b: str
    only_a: int
    only_b: int
    both: int
    neither: int
    agreement: Number
    difference: Number
    loss: Number
    p: float
    better: str


@dataclass(frozen=True)
class Disagreement:
    """An image on which not all nets are right, and not all wrong.

    Attributes:
        row: Row in the split.
        name: Name of the image.
        label: Name of its class.
        said: What each net says.
        confidence: How sure each is.
        right: Whether each is right.
        picture: Key of the picture in the report's album, or empty.
    """

    row: int
    name: str
    label: str
    said: tuple[str, ...]
    confidence: tuple[float, ...]
    right: tuple[bool, ...]
    picture: str = ""


@dataclass(frozen=True)
class Difference:
    """One figure of two evaluations.

    Attributes:
        what: The figure: ``"accuracy"``, ``"recall of coat"``.
        a: In the first.
        b: In the second.
        difference: The second less the first.
        p: Chance of such a difference if there were none, Holm-corrected over the classes; missing where only the
            interval is known.
        clear: Whether it is there beyond chance.
        higher_is_better: How to read its sign.
    """

    what: str
    a: Number
    b: Number
    difference: Number
    p: Number
    clear: bool
    higher_is_better: bool = True


@dataclass(frozen=True)
class Comparison:
    """Nets on the same images (``kind`` is ``"nets"``), or saved evaluations (``"reports"``).

    Attributes:
        kind: ``"nets"`` or ``"reports"``.
        data: Name and split of the data; of reports what each was measured on.
        nets: A row each, in the order given.
        pairs: Every pair, tested on the same images; nets only.
        disagreements: Images on which nets differ and some are right, the surest contradictions first, at most 200.
        at_least_one: Share of images that some net has right; nets only.
        all_right: Share of images that all nets have right; nets only.
        differences: Figures of the second report against the first; reports only.
        device: Where it was timed, with its threads: ``"cpu, 2 threads, float32"``; empty where nothing was.
        rounds: Rounds of timing, the nets taking turns.
        note: What has to be known to read it.
    """

    kind: str
    data: tuple[str, ...]
    nets: tuple[ComparedNet, ...]
    pairs: tuple[ComparedPair, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    at_least_one: Number | None = None
    all_right: Number | None = None
    differences: tuple[Difference, ...] = ()
    device: str = ""
    rounds: int = 0
    note: str = ""
