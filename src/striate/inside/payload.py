"""What looking inside gives: maps, each with its target, its score and its own check; filters."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number


@dataclass(frozen=True)
class MapCheck:
    """A map's own check: what should hold, the residual found, the bound it is held to, and whether it holds.

    ``holds`` is None, and the residual missing, where the check was not asked for: neither held nor failed.
    """

    what: str
    residual: Number
    bound: float
    holds: bool | None

    @classmethod
    def left_out(cls, what: str, bound: float) -> MapCheck:
        """What was not asked for."""
        return cls(what, Number.missing("the check was not asked for"), bound, None)


@dataclass(frozen=True)
class MapRow:
    """One map of one image by one method.

    Attributes:
        image: Name of the image.
        method: Method id.
        target: Class that was explained.
        target_name: Its name.
        score: The net's output for it.
        probability: Its probability.
        predicted: The class that the net predicts.
        layer: Site that the method looks at, or empty.
        file: npz with ``values`` (raw, signed, (H, W) or (C, H, W), input pixels), in the out folder; or empty.
        picture: Name of the heat-map picture (file relative to the out folder, or key of the album).
        input_picture: Name of the picture of the input.
        units: What the values mean.
        limits: The values that the ends of the colour scale stand for.
        signed: Whether zero is in the middle of the scale.
        check: The method's own check.
        passes: Passes through the net that this map took.
    """

    image: str
    method: str
    target: int
    target_name: str
    score: float
    probability: float
    predicted: int
    layer: str
    file: str
    picture: str
    input_picture: str
    units: str
    limits: tuple[float, float]
    signed: bool
    check: MapCheck
    passes: int


@dataclass(frozen=True)
class Explanation:
    """Maps, image by image, method by method."""

    maps: tuple[MapRow, ...]


@dataclass(frozen=True)
class Filters:
    """Weights of the first layer, one picture a filter; all have the same limits, so that they can be compared."""

    site: str
    shape: tuple[int, ...]
    limits: tuple[float, float]
    signed: bool
    pictures: tuple[str, ...]
