"""Class images: what a net holds for typical of a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import from_bytes, to_bytes
from striate.core.progress import SILENT
from striate.core.rng import Rng
from striate.imageopt.canvas import Canvas, Fourier, Pixels
from striate.imageopt.found import Found
from striate.imageopt.objective import Objective, log_odds, total_variation
from striate.imageopt.search.adam import Adam
from striate.imageopt.solve import solve
from striate.imageopt.view import Chain, Jitter, Rotation, Scale, View
from striate.nets.net import Net

from .judge import seen_by
from .made import Made
from .watch import Watch

CITES = (
    "simonyan2013deep",
    "rudin1992nonlinear",
    "mordvintsev2015inceptionism",
    "kingma2015adam",
    "loshchilov2017sgdr",
)


@dataclass(frozen=True)
class Preset:
    """How class images are made.

    Attributes:
        rate: First step of Adam, in pixel values; it falls to zero along a half cosine.
        noise: Standard deviation of the start around mid grey.
        jitter: Largest shift at each step, as a share of the shorter side.
        smoothness: Weights of the total variation, tried from the strongest on until the net sees the class at a
            probability of at least twice chance (one half with few classes). They are divided by the shorter side: the
            length of an outline grows with it, the score does not.
        spectrum: Ascend over the spectrum in decorrelated colours, falling as in photographs, and not over pixels.
        scale: Smallest and largest random enlargement at each step.
        turn: Largest random turn at each step, in degrees.
    """

    rate: float = 0.1
    noise: float = 0.02
    jitter: float = 0.125
    smoothness: tuple[float, ...] = (3.0, 1.5, 0.75, 0.375, 0.0)
    spectrum: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    turn: float = 0.0

    def canvas(self, size: tuple[int, int]) -> Canvas:
        """What is free: the pixels, or the spectrum."""
        return Fourier(size) if self.spectrum else Pixels()

    def view(self, side: int) -> View:
        """What happens to the image at each step."""
        shift = Jitter(int(self.jitter * side))
        if self.scale == (1.0, 1.0) and not self.turn:
            return shift
        return Chain((shift, Scale(*self.scale, fill="edge"), Rotation(self.turn, fill="edge")))

    def objective(self, targets: Tensor, smoothness: float, side: int) -> Objective:
        """What is ascended: log-odds of the class less the total variation."""
        odds = log_odds(targets)
        return odds - smoothness / side * total_variation() if smoothness else odds


DEFAULT = Preset()
PRESETS = {
    "pixels": DEFAULT,
    "olah": Preset(rate=0.05, smoothness=(0.0,), spectrum=True, scale=(0.9, 1.1), turn=5.0),
}
SOURCES = {"pixels": CITES, "olah": (*CITES, "olah2017feature")}


def class_images(
    net: Net,
    targets: Sequence[int],
    *,
    steps: int = 128,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    preset: Preset = DEFAULT,
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """One image for each class that the net sees as that class.

    From grey noise, ascends ``S(I) - m TV(I)`` over pixels in [0, 1] under random shifts. Where the net does not
    clearly see the class at the end, the image is made again with a weaker penalty. Cost: ``steps + 11`` forward passes
    an image, as often as it is made.

    Args:
        net: A classifier.
        targets: Numbers of the classes.
        steps: Steps of Adam, at least 1.
        seed: Seed of start and shifts.
        size: (H, W) of the images; by default the net's own.
        preset: The numbers.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: A class is not there, the net cannot take such images, no gradient comes through.

    Source: Simonyan et al. 2013, section 2, equation 1: ``argmax S_c(I) - m ||I||^2``. We ascend log-odds in place of
    the logit, since other nets recognise what is told apart from the other classes; penalise the total variation
    (Rudin et al. 1992) in place of the L2 norm, which leaves high frequencies; shift at each step (Mordvintsev et al.
    2015); and use Adam. `PRESETS` has the numbers; ``olah`` is that of Olah et al. 2017, "Feature visualization": over
    the spectrum, shifted, scaled and turned at each step, without penalty (there the logit, or a unit, is ascended).
    """
    height, width = net.a_size(size)
    classes = checked_targets(net, targets)
    found, used = _painted(
        net, classes, (height, width), steps=steps, seed=seed, preset=preset, memory=memory, watch=watch
    )
    weights = used.tolist()
    return Made(
        images=found.images,
        stems=tuple(f"class-{each}" for each in targets),
        targets=tuple(net.classes[each] if each < len(net.classes) else str(each) for each in targets),
        words=_words(preset, used, min(height, width)),
        scores=found.scores,
        history=found.history,
        steps=steps,
        seed=seed,
        objective=preset.objective(classes, weights[0], min(height, width)) if len(set(weights)) == 1 else None,
        classes=tuple(targets),
        cites=CITES,
    )


def _painted(
    net: Net,
    classes: Tensor,
    size: tuple[int, int],
    *,
    steps: int,
    seed: int,
    preset: Preset,
    memory: int,
    watch: Watch | None,
) -> tuple[Found, Tensor]:
    """The images, and the weight of the penalty that each was made with."""
    rng = Rng(seed, "synthesis/class")
    start = (0.5 + preset.noise * rng.normal(classes, (net.channels, *size))).clamp(0, 1)

    def made(rows: Tensor, smoothness: float, steps: int = steps) -> Found:
        return solve(
            net,
            preset.objective(classes[rows], smoothness, min(size)),
            start=start[rows],
            search=Adam(preset.rate, falling=True),
            steps=steps,
            canvas=preset.canvas(size),
            view=preset.view(min(size)),
            seed=seed,
            ids=classes[rows],
            memory=memory,
            progress=SILENT if watch is None else watch.progress,
            label="class images",
            callback=watch,
        )

    if bool(made(torch.tensor([0]), 0.0, steps=1).flat.all()):
        raise StriateError(
            f"no gradient of {net.name} reaches its image",
            hint="a net without no_grad, detach or rounding on the way to its output",
        )
    every = torch.arange(len(classes))
    used = torch.full((len(classes),), preset.smoothness[0])
    found = made(every, preset.smoothness[0])
    for smoothness in preset.smoothness[1:]:
        probability, predicted = seen_by(net, from_bytes(to_bytes(found.images)), memory=memory)
        clear = probability.gather(1, classes[:, None]).squeeze(1) >= min(0.5, 2 / probability.shape[1])
        rows = (~(clear & (predicted == classes))).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        found, used = found.replaced(made(rows, smoothness), rows), used.index_fill(0, rows, smoothness)
    return found, used


def checked_targets(net: Net, targets: Sequence[int]) -> Tensor:
    """The classes as numbers (n,), each of which the net has; `StriateError` otherwise."""
    if net.channels not in {1, 3}:
        raise StriateError(f"{net.name} takes {net.channels} channels", accepted="1 or 3, for a picture")
    if len(targets) == 0:
        raise StriateError("no targets", accepted="at least one class")
    last = len(net.classes) - 1 if net.classes else math.inf
    for each in targets:
        if not 0 <= each <= last:
            raise StriateError(f"target is {each}", accepted=f"0 to {last:g}, the classes of {net.name}")
    return torch.tensor(list(targets), dtype=torch.int64)


def _words(preset: Preset, used: Tensor, side: int) -> str:
    weights = " or ".join(f"{each / side:.3g}" for each in sorted(set(used.tolist()), reverse=True))
    less = f" - {weights} * total variation" if any(preset.smoothness) else ""
    if preset.spectrum:
        return f"log-odds of the class{less} over the {preset.canvas((side, side)).words}, {preset.view(side).words}"
    shift = int(preset.jitter * side)
    return f"log-odds of the class{less}, shifted by up to {shift} px at each step"
