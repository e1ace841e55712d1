"""Patches of a layer and their nearest neighbours: texture as a Markov random field."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError

from .term import Objective, Seen, Term
from .units import by_channel

_TINY = 1e-12


def patches_of(code: Tensor, *, size: int = 3, stride: int = 1) -> Tensor:
    """All square patches of maps (n, C, H, W), one a row, of all images together: (patches, C * size * size).

    Raises:
        StriateError: The code has no maps, or they are smaller than a patch.
    """
    if code.ndim != 4 or min(code.shape[-2:]) < size or min(size, stride) < 1:
        raise StriateError(
            f"patches of {size} x {size}, stride {stride}, of a code of shape {tuple(code.shape)}",
            accepted="maps (n, C, H, W) at least as large as a patch, of size and stride at least 1",
        )
    return F.unfold(code, size, stride=stride).transpose(1, 2).flatten(0, 1)


def patch_distance(site: str, patches: Tensor, *, size: int = 3, stride: int = 1, memory: int = 1 << 28) -> Objective:
    """The sum over an image's patches of the squared L2 distance from the nearest of the given ones.

    Nearest is the one of the highest normalised cross-correlation (the cosine, nothing subtracted; the first of equal
    ones). The choice is made anew in each pass and taken as fixed by the gradient. Cost: images * patches of the site *
    given patches * numbers of a patch; ``memory`` bounds the bytes of the table of correlations.

    Args:
        site: Where.
        patches: (patches, C * size * size) as `patches_of` gives them; the same for every image.
        size: Side of a patch.
        stride: Step from a patch of the image to its neighbour.
        memory: Bytes.

    Raises:
        StriateError: At the first pass, the patches do not fit the site.

    Source: Li & Wand 2016, equations 2 and 3.
    """
    lengths = patches.square().sum(1, keepdim=True).clamp_min(_TINY**2).sqrt()
    units = (patches / lengths).detach()

    def score(seen: Seen) -> Tensor:
        value = seen[site]
        wanted = value.shape[1] * size**2
        if value.ndim == 4 and patches.shape[1] != wanted:
            raise StriateError(f"patches of {patches.shape[1]} numbers for {site!r}", accepted=f"{wanted}")
        distances = []
        for one in value:
            own = patches_of(one[None], size=size, stride=stride)
            near = nearest_patch(own.detach(), units.to(own), memory=memory)
            distances.append((own - patches.detach().to(own)[near]).square().sum())
        return torch.stack(distances)

    return Term(f"patch_distance({site!r}, {size} x {size}, {len(patches)} patches)", score, frozenset({site}))


def best_match(site: str, vectors: Tensor, *, memory: int = 1 << 28) -> Objective:
    """The sum over places of the inner product of what stands there with the given vector where it is largest.

    The choice is made anew in each pass; the gradient by what stands at a place is the vector chosen for it. Cost:
    places * vectors * channels; ``memory`` bounds the bytes of the table of products.

    Args:
        site: Where.
        vectors: (vectors, channels), the same for every image: the places of another picture (`places_of`).
        memory: Bytes.

    Raises:
        StriateError: No vectors; at the first pass, the site has another number of channels.

    Source: Mordvintsev et al. 2015, the notebook's ``objective_guide``.
    """
    if vectors.ndim != 2 or len(vectors) == 0:
        raise StriateError(f"vectors of shape {tuple(vectors.shape)}", accepted="(vectors, channels), at least one")
    fixed = vectors.detach()

    def score(seen: Seen) -> Tensor:
        value = by_channel(seen[site], site)
        if value.shape[1] != fixed.shape[1]:
            raise StriateError(f"vectors of {fixed.shape[1]} numbers for {site!r}", accepted=f"{value.shape[1]}")
        own, given = value.transpose(1, 2), fixed.to(value)
        return torch.stack(
            [(one * given[nearest_patch(one.detach(), given, memory=memory)]).sum() for one in own.unbind(0)]
        )

    return Term(f"best_match({site!r}, {len(vectors)} vectors)", score, frozenset({site}))


def places_of(code: Tensor) -> Tensor:
    """What stands at each place of a code (n, C, H, W), (n, T, C) or (n, C), of all images together: (places, C)."""
    return by_channel(code, "code").transpose(1, 2).flatten(0, 1)


def nearest_patch(patches: Tensor, units: Tensor, *, memory: int) -> Tensor:
    """For each patch (p, d) the number of the unit vector (s, d) with the highest inner product, (p,) int64."""
    most = max(1, memory // (patches.element_size() * max(1, len(patches))))
    best = patches.new_full((len(patches),), -torch.inf)
    found = torch.zeros(len(patches), dtype=torch.int64, device=patches.device)
    for first in range(0, len(units), most):
        value, at = (patches @ units[first : first + most].T).max(1)
        better = value > best
        best, found = torch.where(better, value, best), torch.where(better, at + first, found)
    return found
