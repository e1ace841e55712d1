"""Transforms by name, none of them loaded: one set of operations for augmentation and for views of an optimiser.

>>> from striate.data.transforms import TRANSFORMS
>>> TRANSFORMS.load("rotation").words
'turned by up to 30 degrees'
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from striate.core.errors import UnknownNameError
from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .affine import Rotation, Scale, Shear, Translation
    from .chain import Chain, transformed
    from .focus import Blur, MotionBlur, Noise, Sharpness
    from .levels import Autocontrast, Equalise, Posterise, Solarise
    from .light import Brightness, ColourCast, ColourPCA, Contrast, Grey, Hue, Saturation
    from .mixers import CutMix, Mixer, Mixup
    from .motion import Fill, Motion
    from .obstruction import Cutout, RandomErasing
    from .policies import RandAugment, TrivialAugment
    from .transform import Parameters, Transform
    from .warp import Elastic, Perspective
    from .window import RandomCrop, RandomFlip, ResizedCrop

Family = Literal["moves", "light", "levels", "focus", "obstruction", "policy", "mixer"]
_HERE = "striate.data.transforms"


@dataclass(frozen=True)
class Described(Entry):
    """One transform, described without loading it.

    Attributes:
        family: What kind of change it is; of ``"mixer"`` are those that mix two images and their labels.
        harms: What it may take from an image that its label hangs on.
        needs_colour: Whether it does nothing to, or cannot take, grey images.
    """

    family: Family = "moves"
    harms: str = ""
    needs_colour: bool = False


def _described(family: Family, *rows: tuple[str, str, str, str, str], colour: tuple[str, ...] = ()) -> dict[str, Entry]:
    return {
        name: Described(
            f"{_HERE}.{target}", summary, tuple(cites.split()), family=family, harms=harms, needs_colour=name in colour
        )
        for name, target, summary, harms, cites in rows
    }


_OUT = "what lies near the edge"
_ENTRIES: dict[str, Entry] = {
    **_described(
        "moves",
        ("crop", "window:CROPPED", "a window of the image's size after padding", _OUT, "he2016deep"),
        (
            "resized_crop",
            "window:RESIZED",
            "a window of random area and aspect, enlarged",
            "size, and all outside of the window",
            "szegedy2015going",
        ),
        ("flip", "window:MIRRORED", "left and right swapped", "left and right, letters and digits", ""),
        ("flip_vertical", "window:UPSIDE_DOWN", "top and bottom swapped", "what is upright, 6 and 9", ""),
        ("rotation", "affine:TURNED", "turned about the middle", "what is upright, corners", "ciresan2012multi"),
        ("scale", "affine:SCALED", "enlarged or shrunk about the middle", f"size, {_OUT}", "ciresan2012multi"),
        ("stretch", "affine:STRETCHED", "made wider or narrower", "proportions: circles and squares", ""),
        ("translation", "affine:SHIFTED", "moved by whole pixels", _OUT, "lecun1998gradient"),
        ("shear", "affine:SLANTED", "slanted along both axes", "right angles, corners", "simard2003best"),
        ("perspective", "warp:SEEN_ASIDE", "seen from aside: the corners move inwards", "parallels, size", ""),
        ("elastic", "warp:BENT", "bent by a smooth random field", "straight lines, fine detail", "simard2003best"),
    ),
    **_described(
        "light",
        ("brightness", "light:BRIGHTENED", "every value times a random factor", "detail in dark and bright parts", ""),
        ("contrast", "light:CONTRASTED", "distance from the mean grey times a random factor", "faint detail", ""),
        ("saturation", "light:SATURATED", "distance from grey times a random factor", "colour", ""),
        ("hue", "light:HUE_TURNED", "colours turned on the wheel", "colour", ""),
        (
            "colour_pca",
            "light:ALONG_AXES",
            "a colour added along the main axes of colour",
            "colour, a little",
            "krizhevsky2012imagenet",
        ),
        ("colour_cast", "light:CAST", "each channel times a random factor", "colour", ""),
        ("grey", "light:GREYED", "colour taken away", "colour, all of it", "chen2020simple"),
        colour=("saturation", "hue", "colour_pca", "grey"),
    ),
    **_described(
        "focus",
        ("noise", "focus:NOISY", "Gaussian noise added", "fine texture", ""),
        ("blur", "focus:BLURRED", "smoothed by a Gaussian", "fine detail, small objects", "chen2020simple"),
        ("motion_blur", "focus:STREAKED", "smoothed along a line", "fine detail across the line", ""),
        ("sharpness", "focus:SHARPENED", "sharper or softer", "little", "cubuk2019autoaugment"),
    ),
    **_described(
        "levels",
        ("posterise", "levels:POSTERISED", "fewer bits a channel", "faint shades", "cubuk2019autoaugment"),
        ("solarise", "levels:SOLARISED", "bright values inverted", "colour, light and shade", "cubuk2019autoaugment"),
        ("equalise", "levels:EQUALISED", "histograms levelled", "brightness and colour", "cubuk2019autoaugment"),
        ("autocontrast", "levels:STRETCHED", "channels stretched to the full range", "little", "cubuk2019autoaugment"),
    ),
    **_described(
        "obstruction",
        ("cutout", "obstruction:COVERED", "a grey square laid over", "small objects", "devries2017improved"),
        (
            "random_erasing",
            "obstruction:ERASED",
            "a rectangle of noise laid over",
            "small objects",
            "zhong2020random",
        ),
    ),
    **_described(
        "policy",
        (
            "rand_augment",
            "policies:RAND_AUGMENT",
            "two of 14 operations at one strength",
            "what each of its operations may",
            "cubuk2020randaugment cubuk2019autoaugment",
        ),
        (
            "trivial_augment",
            "policies:TRIVIAL_AUGMENT",
            "one of 14 operations at a random strength",
            "small images moved out of sight; what is upright",
            "muller2021trivialaugment",
        ),
    ),
    **_described(
        "mixer",
        ("mixup", "mixers:MIXED", "two images mixed, labels alike", "that an image shows one thing", "zhang2018mixup"),
        (
            "cutmix",
            "mixers:PASTED",
            "a rectangle of another image pasted in, labels by area",
            "objects that the rectangle covers",
            "yun2019cutmix",
        ),
    ),
}

TRANSFORMS: Registry[Any] = Registry("transform", _ENTRIES, hint="striate methods")

_PLACES = {
    "affine": ("Rotation", "Scale", "Shear", "Translation"),
    "chain": ("Chain", "transformed"),
    "focus": ("Blur", "MotionBlur", "Noise", "Sharpness"),
    "levels": ("Autocontrast", "Equalise", "Posterise", "Solarise"),
    "light": ("Brightness", "ColourCast", "ColourPCA", "Contrast", "Grey", "Hue", "Saturation"),
    "mixers": ("CutMix", "Mixer", "Mixup"),
    "motion": ("Fill", "Motion"),
    "obstruction": ("Cutout", "RandomErasing"),
    "policies": ("RandAugment", "TrivialAugment"),
    "transform": ("Parameters", "Transform"),
    "warp": ("Elastic", "Perspective"),
    "window": ("RandomCrop", "RandomFlip", "ResizedCrop"),
}
_HOMES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "TRANSFORMS", "Autocontrast", "Blur", "Brightness", "Chain", "ColourCast", "ColourPCA", "Contrast", "CutMix",
    "Cutout", "Described", "Elastic", "Equalise", "Fill", "Grey", "Hue", "Mixer", "Mixup", "Motion", "MotionBlur",
    "Noise", "Parameters", "Perspective", "Posterise", "RandAugment", "RandomCrop", "RandomErasing", "RandomFlip",
    "ResizedCrop", "Rotation", "Saturation", "Scale", "Sharpness", "Shear", "Solarise", "Transform", "Translation",
    "TrivialAugment", "described", "is_mixer", "transformed",
]  # fmt: skip


def described(name: str) -> Described:
    """What is known of a transform; an unknown name raises `UnknownNameError` with the nearest known ones."""
    entry = TRANSFORMS[name]
    if not isinstance(entry, Described):
        raise UnknownNameError("transform", name, TRANSFORMS)
    return entry


def is_mixer(name: str) -> bool:
    """Whether it mixes images and labels, rather than changing images one by one."""
    return described(name).family == "mixer"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
