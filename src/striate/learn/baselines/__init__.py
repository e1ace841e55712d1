"""What a net has to beat: features made by hand and simple classifiers, on the same split.

>>> sorted(FEATURES)
['colours', 'hog', 'pixels', 'tiny', 'words']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .contract import Fit, Maker

_HERE = "striate.learn.baselines"
FEATURES: Registry[Maker] = Registry(
    "feature",
    {
        "pixels": Entry(f"{_HERE}.pixels:pixels", "every pixel of every channel"),
        "tiny": Entry(f"{_HERE}.pixels:tiny", "16 x 16 pixels, mean taken off, unit length", ("torralba2008million",)),
        "colours": Entry(f"{_HERE}.colours:colours", "joint histogram of the colours", ("swain1991color",)),
        "hog": Entry(f"{_HERE}.gradients:gradients", "histograms of oriented gradients", ("dalal2005histograms",)),
        "words": Entry(
            f"{_HERE}.words:words",
            "visual words of dense SIFT, counted in a pyramid of places; needs OpenCV",
            ("csurka2004visual", "lazebnik2006beyond", "lowe2004distinctive"),
        ),
    },
    hint="striate methods lists them",
)
CLASSIFIERS: Registry[Fit] = Registry(
    "classifier",
    {
        "svm": Entry(f"{_HERE}.linear:svm", "linear support vector machine", ("cortes1995support", "fan2008liblinear")),
        "softmax": Entry(f"{_HERE}.linear:softmax", "softmax regression", ("cox1958regression",)),
        "nearest": Entry(f"{_HERE}.neighbours:nearest_images", "vote of the k nearest", ("cover1967nearest",)),
        "means": Entry(f"{_HERE}.means:nearest_mean", "nearest class mean", ("tibshirani2002diagnosis",)),
        "perceptron": Entry(
            f"{_HERE}.perceptron:perceptron",
            "perceptron rule, weights averaged",
            ("rosenblatt1958perceptron", "freund1999large"),
        ),
    },
    hint="striate methods lists them",
)
