"""What `synthesize` gives: images, how high they score, and who else agrees."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Painted:
    """One image that was made.

    Attributes:
        target: What it was made for: a class name, a unit, a layer.
        index: Class or unit number, or None.
        picture: File relative to the out folder, or album key.
        score: Objective at the end, judged on the returned image.
        probability: The maker's probability of the target, or None where the target is no class.
        predicted: Class that the maker sees after rounding to 8 bits, or None.
        seed: Seed of its start.
    """

    target: str
    index: int | None
    picture: str
    score: float
    probability: float | None
    predicted: int | None
    seed: int


@dataclass(frozen=True)
class Judged:
    """What an independent net says of the images: its name, its class and its probability of the target for each."""

    net: str
    predicted: tuple[int, ...]
    probability: tuple[float, ...]
    agrees: float


@dataclass(frozen=True)
class Synthesis:
    """Images made by ascending an objective of a net."""

    kind: str
    objective: str
    steps: int
    images: tuple[Painted, ...]
    scores: tuple[float, ...]
    judge: Judged | None
    history: tuple[tuple[float, ...], ...]
