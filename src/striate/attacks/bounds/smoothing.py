"""Randomised smoothing: the class that a net gives most often under noise, and how far that is sure to hold in L2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from scipy.special import betaincinv
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT, Progress
from striate.core.rng import Rng
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

ABSTAINS = -1
_TOGETHER = 64  # draws of an image that are made at once


@dataclass(frozen=True)
class Smoothing:
    """A net under Gaussian noise.

    Attributes:
        sigma: Standard deviation of the noise, in units of [0, 1] pixels.
        first: Draws by which the class is chosen (n0 of the paper).
        draws: Draws by which it is tested (n).
        alpha: Chance, for each image, that what is certified does not hold.
    """

    sigma: float
    first: int = 100
    draws: int = 1000
    alpha: float = 0.001

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and math.isfinite(self.sigma)):
            raise StriateError(f"sigma is {self.sigma:g}", accepted="a number above 0")
        if self.first < 1 or self.draws < 1:
            raise StriateError(f"draws are {self.first} and {self.draws}", accepted="at least 1 of each")
        if not 0 < self.alpha < 1:
            raise StriateError(f"alpha is {self.alpha:g}", accepted="a number between 0 and 1")

    @property
    def largest(self) -> float:
        """The largest radius that so many draws can certify, where all of them agree."""
        return self.sigma * NormalDist().inv_cdf(max(0.5, least_share(self.draws, self.draws, self.alpha)))


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What is certified of images.

    Attributes:
        classes: Class of each (N,), `ABSTAINS` where the draws do not say.
        radii: L2 radius (N,) float64 within which it holds; 0 where it abstains.
    """

    classes: Tensor
    radii: Tensor


def least_share(hits: int, draws: int, alpha: float) -> float:
    """Lower end of the one-sided interval of a proportion, which is too high with chance ``alpha`` at most.

    >>> round(least_share(1000, 1000, 0.001), 6)
    0.993116

    Source: Clopper & Pearson 1934.
    """
    return 0.0 if hits == 0 else float(betaincinv(hits, draws - hits + 1, alpha))


@torch.no_grad()
def smoothed(
    net: Net,
    images: Tensor,
    ids: Tensor,
    how: Smoothing,
    *,
    seed: int = 0,
    memory: int = 1 << 30,
    progress: Progress = SILENT,
) -> Smoothed:
    """The smoothed class of each image and the L2 radius within which it is certified.

    ``sigma * quantile(share)``, where the share of the class among the draws is at least that with chance 1 - alpha;
    below one half there is no certificate. It is about the net under noise, not about the net itself. Draws hang on
    the image's id, so an image's certificate does not depend on its neighbours. n0 + n forward passes an image.

    Source: Cohen et al. 2019, section 3.2, CERTIFY.
    """
    rng = Rng(seed, "smoothing")
    with undisturbed(net):

        def votes(draws: int, name: str) -> Tensor:
            return _votes(
                net, images, ids, draws, sigma=how.sigma, rng=rng.child(name), memory=memory, progress=progress
            )

        classes = votes(how.first, "first").argmax(1)
        tested = votes(how.draws, "tested")
    hits = tested.gather(1, classes[:, None]).squeeze(1)
    shares = [least_share(count, how.draws, how.alpha) for count in hits.tolist()]
    normal = NormalDist()
    radii = torch.tensor(
        [how.sigma * normal.inv_cdf(share) if share > 0.5 else 0.0 for share in shares], dtype=torch.float64
    )
    return Smoothed(torch.where(radii > 0, classes.cpu(), ABSTAINS), radii)


def _votes(
    net: Net, images: Tensor, ids: Tensor, draws: int, *, sigma: float, rng: Rng, memory: int, progress: Progress
) -> Tensor:
    """How often each class comes first under noise, (N, K) int64."""
    shape = tuple(images.shape[1:])
    most = net.batch_size((shape[1], shape[2]), memory=memory)
    group = max(1, most // _TOGETHER)
    votes = torch.zeros(len(images), max(1, len(net.classes)), dtype=torch.int64, device=images.device)
    with progress.task("noise", len(images) * draws) as step:
        for start in range(0, len(images), group):
            part = images[start : start + group]
            for place in range(0, draws, _TOGETHER):
                count = min(_TOGETHER, draws - place)
                noise = rng.normal(ids[start : start + group], (_TOGETHER, *shape), step=place // _TOGETHER)[:, :count]
                noisy = torch.split((part[:, None] + sigma * noise.to(part)).flatten(0, 1), most)
                # noise leaves [0, 1], as a search may on its way: a net lets pixels pass that ask for a gradient
                chosen = torch.cat([net.logits(each.requires_grad_(True)).argmax(1) for each in noisy])
                chosen = chosen.view(len(part), count)
                votes[start : start + group] += torch.nn.functional.one_hot(chosen, votes.shape[1]).sum(1)
                step(len(part) * count)
    return votes
