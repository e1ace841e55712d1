"""Presets: the ways of ascending, by their papers: what is free, what is random, what holds the image back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from striate.core.errors import UnknownNameError
from striate.imageopt.canvas import Canvas, Fourier, Pixels
from striate.imageopt.objective import Objective, log_odds, logit
from striate.imageopt.problem import Search
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.ascent import Ascent
from striate.imageopt.search.regularised import Blurred, ClippedContribution, ClippedNorm, Decay, Regularised
from striate.imageopt.view import Chain, Jitter, Rotation, Scale, View

ADAM = ("kingma2015adam", "loshchilov2017sgdr")


@dataclass(frozen=True)
class Preset:
    """How images are made.

    Attributes:
        search: How they ascend.
        noise: Standard deviation of the start around mid grey.
        jitter: Largest shift at each step, as a share of the shorter side.
        smoothness: Weights of the total variation. For classes they are tried from the strongest on until the net sees
            the class at a probability of at least twice chance (one half with few classes); other scores take the first
            of them, in units of their slope at the start. They are divided by the shorter side: the length of an
            outline grows with it, the score does not.
        contrast: Root mean square distance from mid grey that an image would have under the penalty
            ``lambda ||I - 1/2||^2`` if the score were linear: lambda follows from the slope at the start, image by
            image, so that one number serves every net, unit and size. 0 is no penalty.
        spectrum: Ascend over the spectrum in decorrelated colours, falling as in photographs, and not over pixels.
        scale: Smallest and largest random enlargement at each step.
        turn: Largest random turn at each step, in degrees.
        power: Of the fall of that spectrum with frequency.
        odds: How classes are ascended: by their logit less so much of the log-sum-exp of the others. 1 is log-odds,
            which other nets recognise and where colours tell apart, 0 the logit, which shows the thing more often.
        keep: Which image is the result: ``"best"`` or ``"last"``.
        cites: Keys of the papers.
    """

    search: Search = field(default_factory=lambda: Adam(0.1, falling=True))
    noise: float = 0.02
    jitter: float = 0.125
    smoothness: tuple[float, ...] = (3.0, 1.5, 0.75, 0.375, 0.0)
    contrast: float = 0.0
    spectrum: bool = False
    power: float = 1.0
    scale: tuple[float, float] = (1.0, 1.0)
    turn: float = 0.0
    odds: float = 1.0
    keep: str = "best"
    cites: tuple[str, ...] = (
        "rudin1992nonlinear",
        "mordvintsev2015inceptionism",
        "kingma2015adam",
        "loshchilov2017sgdr",
    )

    def canvas(self, size: tuple[int, int]) -> Canvas:
        """What is free: the pixels, or the spectrum."""
        return Fourier(size, power=self.power) if self.spectrum else Pixels()

    def view(self, side: int) -> View | None:
        """What happens to the image at each step."""
        shift = int(self.jitter * side)
        if self.scale == (1.0, 1.0) and not self.turn:
            return Jitter(shift) if shift else None
        return Chain((Jitter(shift), Scale(*self.scale, fill="edge"), Rotation(self.turn, fill="edge")))

    def narrowed(self) -> Preset:
        """The same with views that a unit of a hidden layer, which may know one direction and scale, can bear."""
        low, high = max(0.9, self.scale[0]), min(1.1, self.scale[1])
        return replace(self, jitter=min(0.06, self.jitter), scale=(low, high), turn=min(5.0, self.turn))

    def score(self, classes: Tensor) -> Objective:
        """What is ascended for classes, without penalties."""
        if self.odds in {0.0, 1.0}:
            return log_odds(classes) if self.odds else logit(classes)
        return self.odds * log_odds(classes) + (1 - self.odds) * logit(classes)

    @property
    def score_words(self) -> str:
        """What is ascended for classes, in words."""
        if self.odds in {0.0, 1.0}:
            return "log-odds of the class" if self.odds else "logit of the class"
        return f"logit of the class less {self.odds:g} of the others' log-sum-exp"


YOSINSKI = ("yosinski2015understanding",)


def _yosinski(*after: Decay | Blurred | ClippedNorm | ClippedContribution, step: float = 0.04) -> Preset:
    """Plain ascent with what Yosinski et al. do after each step: a row of their table 1.

    Steps have a fixed length, where they set a rate or a progress in score, and are a quarter or less of theirs.
    """
    search = Regularised(Ascent(longest=step), after)
    return Preset(search=search, jitter=0.0, smoothness=(0.0,), odds=0.0, keep="last", cites=YOSINSKI)


DEFAULT = Preset()
OLAH = Preset(
    smoothness=(0.0,),
    spectrum=True,
    power=1.3,
    scale=(0.6, 1.1),
    turn=15.0,
    odds=0.25,
    cites=("olah2017feature", "mordvintsev2015inceptionism", *ADAM),
)
PRESETS: Mapping[str, Preset] = {
    "pixels": DEFAULT,
    "olah": OLAH,
    # thrice the step, for nets whose images are pale otherwise, as MobileNetV2's are
    "vivid": replace(OLAH, search=Adam(0.3, falling=True), scale=(0.8, 1.2), turn=10.0, odds=0.0),
    "simonyan": Preset(
        search=Ascent(0.1),
        noise=0.0,
        jitter=0.0,
        smoothness=(0.0,),
        contrast=0.02,
        odds=0.0,
        keep="last",
        cites=(),
    ),
    "yosinski1": _yosinski(Blurred(0.5, 4), ClippedNorm(0.5)),
    "yosinski2": _yosinski(Decay(0.3), ClippedNorm(0.2), step=0.08),
    "yosinski3": _yosinski(Decay(0.0001), Blurred(1.0, 4)),
    "yosinski4": _yosinski(Blurred(0.5, 4), ClippedContribution(0.9)),
}


def preset_named(preset: str | Preset) -> Preset:
    """The preset of this name, or the one given.

    Raises:
        UnknownNameError: There is none; the nearest are named.
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    return PRESETS[preset]
