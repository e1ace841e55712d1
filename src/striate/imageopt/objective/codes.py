"""Objectives that compare with a code: what a site said of another image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.net import Net

from .term import Objective, Seen, Sum, Term, own_rows
from .units import by_channel

_FLOOR = 0.1  # of the cosine that multiplies a dot product: below, the product would pull the wrong way
_TINY = 1e-12  # lengths below count as this, so that a code of zeros has cosine 0


def code_of(net: Net, images: Tensor, sites: str | Iterable[str], *, memory: int = 1 << 30) -> dict[str, Tensor]:
    """What sites say of images, by site: targets of the objectives below, (N, ...) each, without gradient.

    One forward pass an image, which stops at the deepest of the sites; ``memory`` bounds a chunk's bytes.

    Raises:
        UnknownNameError: A site is not there; the nearest are named.

    >>> net = Net(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten()), size=8)
    >>> codes = code_of(net, torch.rand(1, 1, 8, 8), ["0", "1"])
    >>> print(-code_distance("1", codes["1"], normalised=True) - 0.1 * layer_energy("0"))
    -code_distance('1', normalised) - 0.1 * layer_energy('0')
    """
    names = (sites,) if isinstance(sites, str) else tuple(dict.fromkeys(sites))
    if not names or len(images) == 0:
        raise StriateError(f"{len(names)} sites of {len(images)} images", accepted="at least one of each")
    chunk = net.batch_size((images.shape[-2], images.shape[-1]), memory=memory)
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    with net.look(read=names) as look, torch.no_grad():
        for first in range(0, len(images), chunk):
            seen = look(images[first : first + chunk])
            for name in names:
                parts[name].append(seen[name].clone())
    return {name: torch.cat(each) for name, each in parts.items()}


def code_distance(site: str, code: Tensor, *, normalised: bool = False) -> Objective:
    """The squared L2 distance of what a site says from a code.

    Args:
        site: Where.
        code: (N, ...) with one a row, or (1, ...) for every image, as `code_of` gives it.
        normalised: Divided by the code's own squared L2 norm, so that layers compare; an answer of zeros scores 1.

    Raises:
        StriateError: The normalised distance from a code of zeros; at the first pass, a code of another shape.

    Source: Mahendran & Vedaldi 2015, equations 2 and 5.
    """
    lengths = code.flatten(1).square().sum(1)
    if normalised and not bool((lengths > 0).all()):
        row = int((lengths <= 0).nonzero()[0])
        raise StriateError(f"the code of image {row} at {site!r} is zero", accepted="a code to divide by")

    def score(seen: Seen) -> Tensor:
        value = seen[site]
        distance = (value - target(seen, site, code, tuple(value.shape[1:]))).flatten(1).square().sum(1)
        return distance / target(seen, site, lengths, ()).to(distance) if normalised else distance

    return Term(f"code_distance({site!r}{', normalised' if normalised else ''})", score, frozenset({site}))


def dot(site: str, code: Tensor, *, power: float = 0.0) -> Objective:
    """The inner product with a code, multiplied by a power of their cosine: caricatures.

    A high power holds to the direction of the code, power 0 lets its strongest parts grow alone. Below a cosine of 0.1
    the factor is that of 0.1, which keeps the sign of the inner product.

    Args:
        site: Where.
        code: (N, ...) with one a row, or (1, ...) for every image.
        power: Of the cosine, at least 0.

    Source: Olah et al. 2017 (dot product and cosine, "Interaction between neurons"); Carter et al. 2019, section
    "Activation atlas", who multiply them. We take both over the whole layer.
    """
    if power < 0:
        raise StriateError(f"power is {power:g}", accepted="at least 0")

    def score(seen: Seen) -> Tensor:
        product, cosine_ = _angle(seen, site, code)
        return product * cosine_.clamp_min(_FLOOR) ** power if power else product

    return Term(f"dot({site!r}{f', cosine ** {power:g}' if power else ''})", score, frozenset({site}))


def cosine(site: str, code: Tensor) -> Objective:
    """The cosine between what a site says and a code, over the whole layer; 0 where one of them is zero.

    Args:
        site: Where.
        code: (N, ...) with one a row, or (1, ...) for every image.
    """
    return Term(f"cosine({site!r})", lambda seen: _angle(seen, site, code)[1], frozenset({site}))


def gram_of(code: Tensor, shares: Tensor | None = None) -> Tensor:
    """The Gram matrix of each image, (n, C, C): the mean over places of the products of two channels, not centred.

    Args:
        code: What a site said, (n, C, H, W), (n, T, C) or (n, C).
        shares: How much each place of the picture counts, (n, h, w) or (1, h, w) for all, 0 to 1, of any size: brought
            to that of the code by means over areas. The mean over places is then weighted so.

    Raises:
        StriateError: Shares of a code without maps, or shares that are 0 everywhere.

    Source: Gatys et al. 2016, equation 3, who sum over places. The mean makes images of different sizes comparable.
    Shares: Gatys et al. 2017, equations 5 and 6: theirs multiply the code and have squares that sum to 1, ours are
    those squares, so that a region with soft edges counts as much as it covers.
    """
    return _gram(by_channel(code, "code"), None if shares is None else _on_places(shares, code, "code"))


def gram_distance(site: str, gram: Tensor, shares: Tensor | None = None) -> Objective:
    """A quarter of the mean squared difference of Gram matrices: ``sum (G - A)^2 / (4 C^2)``, C the channels.

    Args:
        site: Where.
        gram: (N, C, C) with one a row, or (1, C, C) for every image, as `gram_of` gives it.
        shares: How much each place of the image counts, (N, h, w) or (1, h, w), as `gram_of` takes them.

    Source: Gatys et al. 2016, equation 4: with Gram matrices of sums over M places they divide by ``4 C^2 M^2``, which
    is the same where both images have M places.
    """

    def score(seen: Seen) -> Tensor:
        values = by_channel(seen[site], site)
        count = values.shape[1]
        own = None if shares is None else _on_places(own_rows(shares, seen), seen[site], site)
        difference = _gram(values, own) - target(seen, site, gram, (count, count))
        return difference.flatten(1).square().sum(1) / (4 * count**2)

    return Term(f"gram_distance({site!r}{'' if shares is None else ', in a region'})", score, frozenset({site}))


def diversity(site: str, count: int) -> Objective:
    """How unlike each other the images of a pass are: minus the mean cosine of an image's Gram matrix with the others'.

    Not one image by itself: all ``count`` images have to stand in one pass, none may leave it, and the gradient of an
    image also holds what it does to the scores of the others. The per-image law does not hold; ``per_image`` is False.

    Raises:
        StriateError: ``count`` is below 2; at a pass, it shows another number of images.

    Source: Olah et al. 2017, "Diversity"; they sum over pairs.
    """
    if count < 2:
        raise StriateError(f"count is {count}", accepted="at least 2 images")

    def score(seen: Seen) -> Tensor:
        grams = _gram(by_channel(seen[site], site)).flatten(1)
        if len(grams) != count:
            raise StriateError(
                f"diversity of {count} images in a pass of {len(grams)}",
                accepted="all of them in one pass",
                hint="a larger memory, and a keep from which no image leaves",
            )
        unit_ = grams / grams.square().sum(1, keepdim=True).clamp_min(_TINY**2).sqrt()
        cosines = unit_ @ unit_.T
        return -(cosines.sum(1) - cosines.diagonal()) / (count - 1)

    return Term(f"diversity({site!r} of {count})", score, frozenset({site}), per_image=False)


def over_layers(weights: Mapping[str, float], make: Callable[[str], Objective]) -> Objective:
    """A weighted sum over sites, read in one pass: ``make`` gives the objective of each.

    Raises:
        StriateError: No site is given.

    >>> print(over_layers({"conv1": 1, "conv2": 0.5}, layer_energy))
    layer_energy('conv1') + 0.5 * layer_energy('conv2')
    """
    if not weights:
        raise StriateError("no sites to sum over", accepted="at least one, with its weight")
    return Sum(tuple((float(weight), make(site)) for site, weight in weights.items()))


def target(seen: Seen, site: str, code: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The part of a target (N, ...) that belongs to the rows seen, or (1, ...) for all.

    Raises:
        StriateError: The target of an image has another shape than what is seen.
    """
    if code.shape[1:] != shape:
        given = tuple(code.shape[1:])
        raise StriateError(
            f"a target of shape {given} for {site!r}", accepted=f"{shape}, as this site and size give it"
        )
    return own_rows(code, seen).detach().to(seen[site])


def _angle(seen: Seen, site: str, code: Tensor) -> tuple[Tensor, Tensor]:
    """Inner product with a code and cosine of the angle, (n,) each."""
    value = seen[site]
    goal = target(seen, site, code, tuple(value.shape[1:])).flatten(1)
    flat = value.flatten(1)
    product = (flat * goal).sum(1)
    lengths = [each.square().sum(1).clamp_min(_TINY**2).sqrt() for each in (flat, goal)]
    return product, product / (lengths[0] * lengths[1])


def _gram(values: Tensor, shares: Tensor | None = None) -> Tensor:
    if shares is None:
        return values @ values.transpose(1, 2) / values.shape[2]
    return (values * shares) @ values.transpose(1, 2)


def _on_places(shares: Tensor, code: Tensor, site: str) -> Tensor:
    """Shares of a picture's places as those of a code, (n or 1, 1, places), with the sum 1."""
    if code.ndim != 4 or shares.ndim != 3:
        raise StriateError(
            f"shares of shape {tuple(shares.shape)} for a code of shape {tuple(code.shape)} at {site!r}",
            accepted="shares (n, h, w) of maps (n, C, H, W)",
        )
    small = F.adaptive_avg_pool2d(shares.to(code)[:, None], (code.shape[2], code.shape[3])).flatten(2)
    total = small.sum(2, keepdim=True)
    if not bool((total > 0).all()):
        row = int((total.flatten() <= 0).nonzero()[0])
        raise StriateError(f"the region of image {row} is empty", accepted="shares above 0 somewhere")
    return small / total
