"""Faithfulness: whether a map says what the net does, one page a measure, each beside a random and an edge map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .scores import Measure

_HERE = "striate.inside.faithfulness"

MEASURES: Registry[Measure] = Registry(
    "measure of faithfulness",
    {
        "deletion": Entry(
            f"{_HERE}.deletion:deletion",
            "how soon the target's probability falls when pixels are covered, the map's highest first",
            cites=("petsiuk2018rise",),
        ),
        "insertion": Entry(
            f"{_HERE}.insertion:insertion",
            "how soon the target's probability rises when a blurred image gets its pixels back, the highest first",
            cites=("petsiuk2018rise",),
        ),
        "pixel_flipping": Entry(
            f"{_HERE}.pixel_flipping:pixel_flipping",
            "mean fall of the target's logit while the map's strongest regions become noise",
            cites=("samek2017evaluating",),
        ),
        "road": Entry(
            f"{_HERE}.road:road",
            "the target's probability while the highest pixels are filled in from their neighbours",
            cites=("rong2022consistent",),
        ),
        "sensitivity_n": Entry(
            f"{_HERE}.sensitivity_n:sensitivity_n",
            "correlation of what the map gives to random parts with how far the logit falls without them",
            cites=("ancona2018towards",),
        ),
        "infidelity": Entry(
            f"{_HERE}.infidelity:infidelity",
            "share of the logit's changes under random changes of the image that the map does not foretell",
            cites=("yeh2019fidelity",),
        ),
        "max_sensitivity": Entry(
            f"{_HERE}.max_sensitivity:max_sensitivity",
            "how far the map itself moves when the image is changed by next to nothing",
            cites=("yeh2019fidelity",),
        ),
        "pointing_game": Entry(
            f"{_HERE}.pointing_game:pointing_game",
            "whether the map's highest pixel lies on the object",
            cites=("zhang2018topdown",),
        ),
        "iou": Entry(
            f"{_HERE}.iou:iou",
            "best overlap of the map's highest pixels with the object, over all thresholds",
            cites=("simonyan2013deep",),
        ),
    },
)

OF_SUMS = frozenset({"sensitivity_n", "infidelity"})  # measures that add values up; the others only order pixels
OF_OBJECTS = frozenset({"pointing_game", "iou"})  # measures that need a mask of the object
DEFAULT = ("deletion", "insertion")
CONTROLS = ("random", "edge")
