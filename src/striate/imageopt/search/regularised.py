"""Searches over pixels whose images are regularised after each step: decayed, blurred, clipped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.data.transforms.focus import smoothing
from striate.imageopt.objective import Objective
from striate.imageopt.problem import Answer, Problem, Search

from .between import Between

GREY = 0.5  # what pixels are drawn to; the paper's images are zero at the mean of the training images


class After(Protocol):
    """What is done to images after a step of a search."""

    @property
    def words(self) -> str:
        """What it does."""

    def __call__(self, images: Tensor, *, grad: Tensor, step: int) -> Tensor:
        """The changed images (n, C, H, W); ``grad`` is their gradient before the step, ``step`` counts from 1."""


@dataclass(frozen=True)
class Decay:
    """Pixels drawn to mid grey by a share. Source: Yosinski et al. 2015, section 3.1, "L2 decay"."""

    share: float

    def __post_init__(self) -> None:
        _check_share(self.share, "share of the decay")

    @property
    def words(self) -> str:
        """What it does."""
        return f"decayed by {self.share:g}"

    def __call__(self, images: Tensor, *, grad: Tensor, step: int) -> Tensor:  # noqa: ARG002
        """Each pixel nearer to grey."""
        return GREY + (1 - self.share) * (images - GREY)


@dataclass(frozen=True)
class Blurred:
    """A Gaussian blur now and then, mirrored at the edges.

    Args:
        width: Standard deviation in pixels, above 0.
        every: Steps from one to the next, at least 1.

    Source: Yosinski et al. 2015, section 3.1, "Gaussian blur".
    """

    width: float
    every: int = 1

    def __post_init__(self) -> None:
        if not self.width > 0 or self.every < 1:
            raise StriateError(
                f"blur of width {self.width:g} every {self.every} steps", accepted="a width above 0, every 1 at least"
            )

    @property
    def words(self) -> str:
        """What it does."""
        return f"blurred by {self.width:g} px every {self.every} steps"

    def __call__(self, images: Tensor, *, grad: Tensor, step: int) -> Tensor:  # noqa: ARG002
        """The images, smoothed along both axes at every so many steps."""
        if step % self.every:
            return images
        width = torch.tensor([self.width])
        down, across = (smoothing(width, side).to(images) for side in images.shape[-2:])
        return down @ images @ across.transpose(-1, -2)


@dataclass(frozen=True)
class ClippedNorm:
    """Pixels of small norm set to grey: those below the quantile ``share`` of their image.

    A pixel's norm is the L2 norm over its channels of its difference from grey.
    Source: Yosinski et al. 2015, section 3.1, "Clipping pixels with small norm".
    """

    share: float

    def __post_init__(self) -> None:
        _check_share(self.share, "share of the pixels")

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.share:.0%} of pixels with the least norm set to grey"

    def __call__(self, images: Tensor, *, grad: Tensor, step: int) -> Tensor:  # noqa: ARG002
        """The images with the weakest pixels grey."""
        return _clipped(images, (images - GREY).square().sum(1), self.share)


@dataclass(frozen=True)
class ClippedContribution:
    """Pixels that contribute little set to grey: those below the quantile ``share`` of their image.

    A pixel's contribution is ``|sum over channels of (x - grey) * gradient|``, what the score would lose to first order
    if the pixel were grey. Source: Yosinski et al. 2015, section 3.1, "Clipping pixels with small contribution".
    """

    share: float

    def __post_init__(self) -> None:
        _check_share(self.share, "share of the pixels")

    @property
    def words(self) -> str:
        """What it does."""
        return f"{self.share:.0%} of pixels with the least contribution set to grey"

    def __call__(self, images: Tensor, *, grad: Tensor, step: int) -> Tensor:  # noqa: ARG002
        """The images with the least pixels grey."""
        return _clipped(images, ((images - GREY) * grad).sum(1).abs(), self.share)


@dataclass(frozen=True)
class Regularised:
    """Another search over pixels, whose images are changed after each of its steps, in the order given.

    For searches that bring their numbers into the region once a step (steepest, ascent, Adam), on the canvas of pixels:
    the change is made just before.

    Source: Yosinski et al. 2015, equation 2: ``x <- r(x + eta da/dx)``.
    """

    search: Search
    after: tuple[After, ...]

    @property
    def words(self) -> str:
        """How it searches."""
        return ", ".join((self.search.words, *(each.words for each in self.after)))

    def __call__(self, problem: Problem) -> Iterator[Tensor]:
        """The steps of the search."""
        between = _Changing(problem, self.after)
        for z in self.search(between):
            between.step += 1
            yield z


class _Changing(Between):
    """The problem, as a search sees it whose steps are followed by changes."""

    def __init__(self, problem: Problem, after: tuple[After, ...]) -> None:
        if problem.start.ndim != 4:
            raise StriateError(
                f"free numbers of shape {tuple(problem.start.shape)} to decay, blur or clip", accepted="pixels"
            )
        super().__init__(problem)
        self.after, self.step = after, 1
        self.grad = torch.zeros_like(problem.start)

    def ask(
        self, z: Tensor, *, rows: Tensor | None = None, grad: bool = True, objective: Objective | None = None
    ) -> Answer:
        answer = self.problem.ask(z, rows=rows, grad=grad, objective=objective)
        if answer.grad is not None and answer.grad.shape[1:] == self.grad.shape[1:]:
            self.grad[answer.rows] = answer.grad
        return answer

    def project(self, z: Tensor, rows: Tensor) -> Tensor:
        for change in self.after:
            z = change(z, grad=self.grad[rows], step=self.step)
        return self.problem.project(z, rows)


def _clipped(images: Tensor, strength: Tensor, share: float) -> Tensor:
    """The images with pixels grey whose strength (n, H, W) is below the quantile of their image."""
    flat = strength.flatten(1)
    least = flat.kthvalue(1 + math.ceil(share * (flat.shape[1] - 1)), dim=1).values.view(-1, 1, 1)
    return torch.where((strength < least)[:, None], GREY, images)


def _check_share(share: float, name: str) -> None:
    if not 0 < share < 1:
        raise StriateError(f"{name} is {share:g}", accepted="above 0, below 1")
