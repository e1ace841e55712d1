"""The image of a code: what a layer still knows of a picture, painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.imageopt.canvas import Canvas, Fourier, Pixels
from striate.imageopt.found import Found
from striate.imageopt.objective import Objective, code_distance, code_of
from striate.imageopt.problem import Search
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.solve import solve
from striate.imageopt.view import Jitter
from striate.nets.net import Net

from .depth import Layer
from .natural import Natural
from .watch import Watch

CITES = (
    "mahendran2015understanding",
    "mahendran2016visualizing",
    "rudin1992nonlinear",
    "kingma2015adam",
    "loshchilov2017sgdr",
    "olah2017feature",
)


RESTING = 1e-9  # largest slope by a pixel that counts as none: the normalised loss has slopes of 1e-6 at 224 px


@dataclass(frozen=True)
class Inversion:
    """How codes are inverted. What differs by depth has three values: to .3, to .6 and beyond, as in the paper.

    Attributes:
        smoothness: The paper's ``l_V``, weight of the total variation.
        natural: What a natural image is; None leaves the regulariser out.
        spectrum: Search over the spectrum in decorrelated colours, falling as in photographs, and not over pixels.
        rates: First step of Adam, which falls to zero along a half cosine; none takes L-BFGS.
        jitter: Largest shift at each step, as a share of the stride of the layer's units; never more than a fourteenth
            of the shorter side.
        settle: Share of the steps that come last, at an eighth of the rate and without shifts.
        noise: Standard deviation of the start around mid grey.
    """

    smoothness: tuple[float, float, float] = (0.05, 0.5, 1.5)
    natural: Natural | None = field(default_factory=Natural)
    spectrum: bool = True
    rates: tuple[float, float, float] | None = (0.2, 0.2, 0.1)
    jitter: float = 0.25
    settle: float = 0.15
    noise: float = 0.02

    def smoothness_at(self, layer: Layer) -> float:
        """``l_V`` of a layer."""
        return self.smoothness[_third(layer.depth)]

    def shift(self, layer: Layer, side: int) -> int:
        """Pixels of the largest shift."""
        return min(int(self.jitter * layer.stride), side // 14)

    def objective(self, layer: Layer, code: Tensor, shape: tuple[int, int, int]) -> Objective:
        """What is ascended: minus the normalised distance of the code, less the regulariser; equation 5."""
        near = -code_distance(layer.name, code, normalised=True)
        if self.natural is None:
            return near
        return near - self.natural.penalty(self.smoothness_at(layer), shape)

    def canvas(self, size: tuple[int, int]) -> Canvas:
        """What is free."""
        return Fourier(size) if self.spectrum else Pixels()

    def search(self, layer: Layer, share: float = 1.0) -> Search:
        """The search, at a share of its rate."""
        return (
            LBFGS(tolerance=RESTING)
            if self.rates is None
            else Adam(share * self.rates[_third(layer.depth)], falling=True)
        )


ADAM = Inversion()
EXACT = Inversion(smoothness=(0.5, 5.0, 50.0), spectrum=False, rates=None, jitter=0.0, settle=0.0)
SEARCHES = {"adam": ADAM, "lbfgs": EXACT}


def image_of(
    net: Net,
    layer: Layer,
    code: Tensor,
    *,
    start: Tensor,
    steps: int,
    way: Inversion = ADAM,
    memory: int = 1 << 30,
    watch: Watch | None = None,
    label: str = "inversion",
) -> Found:
    """Images whose code at a layer is near the given one, found from ``start``.

    Minimises the normalised code distance plus the regulariser (Mahendran & Vedaldi 2015, equation 5). Cost: ``steps``
    passes forward and backward an image, no deeper than the layer, and ten forward. What is drawn depends on the pixels
    of the start alone.

    Args:
        net: Whose code.
        layer: Where, from `depth.layers_of`.
        code: (N, ...) as `code_of` gives it.
        start: (N, C, H, W).
        steps: Of the search, at least 1.
        way: How.
        memory: Bytes beside the net.
        watch: Who looks on.
        label: What the work is called.

    Raises:
        StriateError: A code of zeros, a start of another shape, no gradient comes through.
    """
    check_code(layer.name, code)
    if steps < 1:
        raise StriateError(f"steps is {steps}", accepted="at least 1")
    channels, height, width = (int(side) for side in start.shape[1:])
    objective = way.objective(layer, code, (channels, height, width))
    shift = way.shift(layer, min(height, width))
    last = int(way.settle * steps) if shift else 0

    def searched(start: Tensor, steps: int, *, share: float, shift: int) -> Found:
        return solve(
            net,
            objective,
            start=start,
            search=way.search(layer, share),
            steps=steps,
            canvas=way.canvas((height, width)),
            view=Jitter(shift) if shift else None,
            memory=memory,
            progress=SILENT if watch is None else watch.progress,
            label=label,
            callback=watch,
        )

    found = searched(start, steps - last, share=1.0, shift=shift)
    if bool(found.flat.all()):
        raise StriateError(
            f"no gradient of {net.name} at {layer.name!r} reaches its image",
            hint="a net without no_grad, detach or rounding on the way; another layer",
        )
    if not last:
        return found
    settled = searched(found.images, last, share=0.125, shift=0)
    passes = {name: found.passes[name] + settled.passes[name] for name in found.passes}
    return replace(settled, history=torch.cat([found.history, settled.history[1:]]), passes=passes)


def codes_at(net: Net, layers: Sequence[Layer], images: Tensor, *, memory: int = 1 << 30) -> dict[str, Tensor]:
    """The codes of images at the layers, by name, each checked: all are known before the first search begins.

    Raises:
        StriateError: A code is zero, or not finite.
    """
    codes = code_of(net, images, [layer.name for layer in layers], memory=memory)
    for name, code in codes.items():
        check_code(name, code)
    return codes


def check_code(name: str, code: Tensor) -> None:
    """Raises where a code is zero, or not finite: there is nothing to come near to."""
    lengths = code.flatten(1).double().square().sum(1)
    for row, length in enumerate(lengths.tolist()):
        if not math.isfinite(length):
            raise StriateError(f"the code of image {row} at {name!r} is not finite", hint="a layer before it")
        if length == 0:
            raise StriateError(
                f"the code of image {row} at {name!r} is zero throughout: the layer is dead for it",
                accepted="a layer that answers to this image",
                hint="a layer before it, or another image",
            )


def code_error(codes: Tensor, code: Tensor) -> list[float]:
    """The L2 distance of each code from the wanted one, over that one's norm."""
    wanted = code.flatten(1).double()
    apart = (codes.flatten(1).double() - wanted).square().sum(1).sqrt()
    return [float(each) for each in apart / wanted.square().sum(1).sqrt()]


def _third(depth: float) -> int:
    """Mahendran & Vedaldi 2015, table 3: layers 1 to 6, 7 to 12 and 13 to 20 of 20."""
    return 0 if depth <= 0.3 else 1 if depth <= 0.6 else 2
