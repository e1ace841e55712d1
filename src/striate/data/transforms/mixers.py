"""Mixers: two images of a batch become one, and so do their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.rng import Rng

from .obstruction import rectangles
from .transform import Parameters, Shape, check_share, shape_of, size_of

_TRIES = 48  # pairs drawn for a beta variate; with alpha 1 half of them are accepted


class Mixer(Protocol):
    """Mixes each image of a batch with another one of it, and their labels in the same proportion.

    What is drawn for an image (proportion, place) hangs on (seed, its id, step) alone. Who its partner is hangs on who
    else is in the batch, though not on their order: so the law that an image comes out alike alone and in any batch
    holds for transforms and cannot hold for mixers. Alone an image is its own partner and comes out as it was. A
    training run draws its batches from seed and epoch, so it resumes exactly all the same.
    """

    @property
    def words(self) -> str:
        """What it does, with its numbers."""

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``partner`` (n,) int64, a row of the batch, and what else the mixing needs."""

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The mixed images."""

    def shares(self, parameters: Parameters, size: tuple[int, int]) -> Tensor:
        """(n,) float64: how much of each image is its own, not its partner's."""

    def __call__(
        self, images: Tensor, labels: Tensor, ids: Tensor, rng: Rng, *, step: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Mixed images and mixed labels (n, K); ``labels`` (n, K) are rows of numbers, as one-hot ones are."""


@dataclass(frozen=True)
class Mixup:
    """Each image fades into its partner.

    Attributes:
        alpha: The proportion is drawn from Beta(alpha, alpha), for each image; above 0, at most 1.

    Source: Zhang et al. 2018, section 2, equation 1, with alpha 0.2 as for ImageNet. The released code draws one
    proportion a batch; we draw one an image. Beta variates by Jöhnk 1964.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha <= 1.0:
            raise StriateError(f"alpha is {self.alpha}", accepted="a number above 0, at most 1")

    @property
    def words(self) -> str:
        """What it does."""
        return f"two images mixed, the proportion from Beta({self.alpha:g}, {self.alpha:g})"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``partner`` (n,) and ``share`` (n,) float64."""
        del shape
        return {
            "partner": partners(ids, rng.child("mixup"), step=step),
            "share": betas(ids, rng.child("mixup share"), self.alpha, step=step),
        }

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """``share`` times the image plus the rest times its partner."""
        share = parameters["share"].to(images.dtype).to(images.device)[:, None, None, None]
        other = images[parameters["partner"].to(images.device)]
        return (share * images + (1.0 - share) * other).clamp(0.0, 1.0)

    def shares(self, parameters: Parameters, size: tuple[int, int]) -> Tensor:
        """The drawn proportions."""
        del size
        return parameters["share"]

    def __call__(
        self, images: Tensor, labels: Tensor, ids: Tensor, rng: Rng, *, step: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Mixed images and labels."""
        return _mixed(self, (images, labels), ids, rng, step)


@dataclass(frozen=True)
class CutMix:
    """A rectangle of the partner pasted in at the same place; labels are mixed by the area that was pasted.

    Attributes:
        share: Probability that an image is mixed at all.

    Source: Yun et al. 2019, section 3.1, equations 1 and 2, with alpha 1: the area is drawn evenly, the middle lies
    anywhere, and the label follows the area that is left once the rectangle is cut at the edges.
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def words(self) -> str:
        """What it does."""
        return f"a rectangle of another image pasted into {self.share:.0%} of the images"

    def draw(self, ids: Tensor, rng: Rng, *, step: int = 0, shape: Shape) -> Parameters:
        """``partner`` (n,) and ``boxes`` (n, 4) int64: left, top, right, bottom in pixels."""
        limits = torch.tensor([shape[2], shape[1]])
        draws = rng.child("cutmix box").uniform(ids, (4,), step=step).double()
        sides = ((1.0 - draws[:, :1]).sqrt() * limits).long()
        middle = (draws[:, 1:3] * limits).long()
        corner = middle - torch.div(sides, 2, rounding_mode="floor")
        low, high = (torch.minimum(each.clamp(min=0), limits) for each in (corner, corner + sides))
        boxes = torch.cat([low, high], 1)
        chosen = draws[:, 3] < self.share
        return {
            "partner": partners(ids, rng.child("cutmix"), step=step),
            "boxes": torch.where(chosen[:, None], boxes, torch.zeros_like(boxes)),
        }

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The images with their partners' rectangles."""
        pasted = rectangles(parameters["boxes"], size_of(images)).to(images.device)[:, None]
        return torch.where(pasted, images[parameters["partner"].to(images.device)], images)

    def shares(self, parameters: Parameters, size: tuple[int, int]) -> Tensor:
        """The share of the area that is still the image's own, exactly."""
        left, top, right, bottom = parameters["boxes"].double().unbind(1)
        return 1.0 - (right - left) * (bottom - top) / (size[0] * size[1])

    def __call__(
        self, images: Tensor, labels: Tensor, ids: Tensor, rng: Rng, *, step: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Mixed images and labels."""
        return _mixed(self, (images, labels), ids, rng, step)


def partners(ids: Tensor, rng: Rng, *, step: int = 0) -> Tensor:
    """For each image another row of the batch, (n,) int64; its own in a batch of one.

    Each image draws how many places further its partner stands in the order of ids, so that the order of the batch
    does not matter.
    """
    count = len(ids)
    if count < 2:
        return torch.zeros(count, dtype=torch.int64)
    order = ids.cpu().argsort(stable=True)
    place = order.argsort()
    return order[(place + 1 + rng.integers(ids.cpu(), high=count - 1, step=step)) % count]


def betas(ids: Tensor, rng: Rng, alpha: float, *, step: int = 0) -> Tensor:
    """Variates (n,) float64 of Beta(alpha, alpha), alpha at most 1.

    Source: Jöhnk 1964: of u^(1/alpha) and v^(1/alpha) with a sum of at most 1, the share of the first. Of 48 pairs none
    is accepted once in 2.8e14 draws at alpha 1, more seldom below; 1/2 is given then.
    """
    draws = rng.uniform(ids, (_TRIES, 2), step=step).double()
    logs = (draws + 2.0**-25).log() / alpha
    largest = logs.amax(-1, keepdim=True)
    total = largest[..., 0] + (logs - largest).exp().sum(-1).log()
    fits = total <= 0.0
    first = fits.to(torch.int8).argmax(1)
    every = torch.arange(len(ids))
    share = (logs[..., 0] - total).exp()[every, first]
    return torch.where(fits.any(1), share, 0.5)


def _mixed(mixer: Mixer, batch: tuple[Tensor, Tensor], ids: Tensor, rng: Rng, step: int) -> tuple[Tensor, Tensor]:
    images, labels = batch
    if labels.dim() != 2 or len(labels) != len(images):
        raise StriateError(
            f"labels of shape {tuple(labels.shape)} for {len(images)} images",
            accepted="one row of numbers an image, such as one_hot(labels, classes)",
        )
    if not len(images):
        return images, labels
    drawn = mixer.draw(ids.cpu(), rng, step=step, shape=shape_of(images))
    share = mixer.shares(drawn, size_of(images)).to(torch.float32).to(labels.device)[:, None]
    soft = labels.to(torch.float32)
    return mixer.apply(images, drawn), share * soft + (1.0 - share) * soft[drawn["partner"].to(labels.device)]


MIXED = Mixup()
PASTED = CutMix()
