"""What `attack` gives: how often the net survives, image by image."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.core.number import Number


@dataclass(frozen=True)
class Attacked:
    """One image under attack.

    Attributes:
        row: Row in the split.
        name: Name of the image.
        label: True class.
        clean: Class predicted on the clean image.
        predicted: Class predicted on the returned image.
        success: Whether the goal is reached on the returned float32 image, by a fresh forward pass.
        survives_8bit: Whether it still is after rounding to 8 bits; None where there was no success.
        distance: Norm of the difference, in the attack's norm, float64.
        step: First step at which the goal was reached; None where it never was.
        picture: Album key of the returned image, or empty.
        original: Album key of the clean image, or empty.
        difference: Album key of the amplified difference, or empty.
        survives_jpeg: Whether the goal is still reached as a JPEG file of quality 75; None where there was no success.
        broken_by: Which of several attacks reached the goal; "" for one alone.
        smallest: Smallest change found that reaches the goal, whatever the radius; None where none was.
    """

    row: int
    name: str
    label: int
    clean: int
    predicted: int
    success: bool
    survives_8bit: bool | None
    distance: float
    step: int | None
    picture: str = ""
    original: str = ""
    difference: str = ""
    survives_jpeg: bool | None = None
    smallest: float | None = None
    broken_by: str = ""


@dataclass(frozen=True)
class CurvePoint:
    """Robust accuracy at one radius."""

    radius: float
    accuracy: Number


@dataclass(frozen=True)
class Probe:
    """Images that the attack left, and how many of them another one broke."""

    name: str
    tried: int
    broken: int


@dataclass(frozen=True)
class Masking:
    """The masking verdict.

    Attributes:
        signs: That gradients mislead the attack, in words; none is no sign, not a proof.
        zero_gradients: Share of the attacked images whose first gradient was zero or not finite.
        saturated: Share of the images whose probability rounds to 1.
        probes: What weaker attacks did to images that were left, and a wide radius.
        draws: Passes averaged in each evaluation; above 1 where the net's outputs are random.
        blocked: What lets no gradient through, where it was handed on as it came; "" where nothing does.
    """

    signs: tuple[str, ...]
    zero_gradients: Number
    saturated: Number
    probes: tuple[Probe, ...] = ()
    draws: int = 1
    blocked: str = ""


@dataclass(frozen=True)
class Member:
    """One attack of several: how many images were left when it was through."""

    name: str
    broken: int
    left: Number


@dataclass(frozen=True)
class ClassRobustness:
    """One class: its images, the share right before and after, and what most of the fooled ones are taken for."""

    label: int
    clean_accuracy: Number
    robust_accuracy: Number
    taken_for: int | None = None


@dataclass(frozen=True)
class Transfer:
    """What images found on one net do to others.

    Attributes:
        nets: Names of the nets, the one that the report is about first.
        rates: Of the images that the nets of row and column both see right (with a target: neither sees it), the share
            that the column's net sees wrong (as the target) in the image found on the row's net.
    """

    nets: tuple[str, ...]
    rates: tuple[tuple[Number, ...], ...]


@dataclass(frozen=True)
class Bound:
    """A share of images that no attack within the radius can turn: proven, where an attack only tries.

    Attributes:
        method: ``ibp`` (intervals) or ``smoothing``.
        of: What it holds for: the net itself, or the net under noise, which is another classifier.
        accuracy: Share that is right and certified.
        norm: Norm of the radius.
        radius: In units of [0, 1] pixels.
        how: By which numbers, in words.
        abstained: Share of images on which draws did not agree enough (smoothing).
    """

    method: str
    of: str
    accuracy: Number
    norm: str
    radius: float
    how: str
    abstained: Number | None = None


@dataclass(frozen=True)
class Robustness:
    """A net under one attack at one radius.

    Attributes:
        method: Method id.
        norm: ``"inf"``, ``"2"``...
        radius: In units of [0, 1] pixels.
        target: Target class, or None for any other than the true one.
        n: Images attacked.
        clean_accuracy: Share right before.
        robust_accuracy: Share right before and still right after; with a target, share not turned into it.
        distance: Median distance of the successes, in the attack's norm.
        survives_8bit: Share of the successes that rounding to 8 bits does not undo.
        masking: Signs of masked gradients.
        per_image: Every image, in the order of the split.
        passes: ``forward`` and ``backward`` passes of single images.
        curve: Robust accuracy over the radius, where asked for.
        factor: By how much the differences in the pictures are amplified.
        survives_jpeg: Share of the successes that JPEG of quality 75 does not undo.
        transfer: How the images fool other nets, where asked for.
        bounds: Certified accuracy at the radius, where asked for: lower bounds beside the attack's upper one.
        members: Robust accuracy after each of several attacks, in order.
        smallest: Median of the smallest change that is known to break an image, over all that were broken.
        per_class: Robust accuracy of each class there is, in the order of the classes.
    """

    method: str
    norm: str
    radius: float
    target: int | None
    n: int
    clean_accuracy: Number
    robust_accuracy: Number
    distance: Number
    survives_8bit: Number
    masking: Masking
    per_image: tuple[Attacked, ...]
    passes: dict[str, int]
    curve: tuple[CurvePoint, ...] = field(default=())
    names: tuple[str, ...] = field(default=())
    factor: float = 1.0
    survives_jpeg: Number = field(default=Number(None, why="it was not tried"))
    transfer: Transfer | None = None
    bounds: tuple[Bound, ...] = ()
    members: tuple[Member, ...] = field(default=())
    smallest: Number = field(default_factory=lambda: Number.missing("not measured"))
    per_class: tuple[ClassRobustness, ...] = field(default=())
