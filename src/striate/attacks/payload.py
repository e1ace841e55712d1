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
        smallest: Smallest change found that reaches the goal, whatever the radius; None where none was.
        picture: Album key of the returned image, or empty.
        original: Album key of the clean image, or empty.
        difference: Album key of the amplified difference, or empty.
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
    smallest: float | None = None
    picture: str = ""
    original: str = ""
    difference: str = ""


@dataclass(frozen=True)
class CurvePoint:
    """Robust accuracy at one radius."""

    radius: float
    accuracy: Number


@dataclass(frozen=True)
class Masking:
    """Signs that gradients mislead the attack: each names what was seen; an empty tuple is no sign, not a proof."""

    signs: tuple[str, ...]
    zero_gradients: Number
    saturated: Number


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
        bounds: Certified accuracy at the radius, where asked for: lower bounds beside the attack's upper one.
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
    bounds: tuple[Bound, ...] = ()
