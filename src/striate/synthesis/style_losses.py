"""What style transfer lowers: distances of Gram matrices and of codes, as shares of those between the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry, from_bytes, to_bytes
from striate.imageopt.objective import (
    Objective,
    Sum,
    code_distance,
    code_of,
    gram_distance,
    gram_of,
    weighted,
)
from striate.imageopt.score import scores_of
from striate.nets.net import Net

from .payload import Measured
from .stages import content_site, style_sites

ALIKE = 1e-3  # sources whose codes differ by less than this share of the code itself count as this far apart
Weights = Sequence[str] | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Losses:
    """What is lowered, as objectives for contents (N, C, H, W), row by row.

    Attributes:
        style: Weighted mean over sites and styles of the distances of Gram matrices, each divided by that of the
            content picture: 1 for the content picture, 0 for the style.
        content: Mean over sites of the squared distances of codes, each divided by that of the style picture: 0 for the
            content picture, 1 for the style picture stretched to its size.
        style_sum: The weighted mean of the distances themselves, in the paper's units.
        content_sum: The sum over sites of halves of the squared distances themselves, in the paper's units.
        sources: ``style_sum`` of the content pictures and ``content_sum`` of the style pictures, (N,) each.
        sites: Where style is read, and where content is.
    """

    style: Objective
    content: Objective
    style_sum: Objective
    content_sum: Objective
    sources: tuple[Tensor, Tensor]
    sites: tuple[tuple[str, ...], tuple[str, ...]]

    def total(self, content: float) -> Objective:
        """What a search raises: minus style, minus content times its weight."""
        return -self.style - content * self.content if content else -self.style

    def words(self, content: float, styles: int) -> str:
        """The total as one says it."""
        blended = f" of {styles} styles" if styles > 1 else ""
        own = f" - {content:g} * content at {', '.join(self.sites[1])}" if content else ""
        return f"-Gram distance{blended} at {', '.join(self.sites[0])}{own}; each as a share of the sources' own"


def style_losses(
    net: Net,
    contents: Tensor,
    styles: Sequence[Tensor],
    *,
    style_weights: Sequence[float] = (),
    layers: Weights = (),
    content_layers: Weights = (),
    masks: Sequence[Tensor] = (),
    memory: int = 1 << 30,
) -> Losses:
    """The two losses of contents and styles, each also divided by what it is between the sources.

    A style is (C, h, w), or (N, C, h, w) with one for each content. Cost: one forward pass a picture, and two a style.
    """
    size = (contents.shape[-2], contents.shape[-1])
    sites = shares_of(layers or style_sites(net, size))
    codes = code_of(net, contents, sites, memory=memory)
    regions: list[Tensor | None] = [rows_of(mask) for mask in masks]
    weights = _style_weights(style_weights, len(styles), whole=not masks)
    relative, plain, style_of = [], [], contents.new_zeros(len(contents))
    for picture, weight, region in zip(styles, weights, regions or [None] * len(styles), strict=True):
        told = code_of(net, batch_of(picture).to(contents), sites, memory=memory)
        for site, share in sites.items():
            each = apart_in(site, gram_of(told[site]), gram_of(codes[site], region), region)
            relative.append((weight * share, each.relative))
            plain.append((weight * share, each.plain))
            style_of = style_of + weight * share * each.far
    others = [stretched(batch_of(each).to(contents), size) for each in styles]
    content, halves, content_of, own = content_losses(net, contents, others, content_layers, memory=memory)
    return Losses(Sum(tuple(relative)), content, Sum(tuple(plain)), halves, (style_of, content_of), (tuple(sites), own))


def content_losses(
    net: Net, contents: Tensor, others: Sequence[Tensor], layers: Weights = (), *, memory: int = 1 << 30
) -> tuple[Objective, Objective, Tensor, tuple[str, ...]]:
    """The content's part of `Losses`: ``content``, ``content_sum``, that of the styles, and the sites.

    Args:
        net: Whose layers are read.
        contents: (N, C, H, W).
        others: The styles at the contents' size, each (1 or N, C, H, W); what divides is the mean over them.
        layers: Sites, with weights or of equal ones; by default that of `stages.content_site`.
        memory: Bytes beside the net.
    """
    sites = shares_of(layers or (content_site(net, (contents.shape[-2], contents.shape[-1])),))
    codes = code_of(net, contents, sites, memory=memory)
    told = [code_of(net, each, sites, memory=memory) for each in others]
    relative, halves, far_of = [], [], contents.new_zeros(len(contents))
    for site, share in sites.items():
        far = torch.stack([_far(codes[site], each[site]) for each in told]).mean(0)
        scale = apart_at_least(far, codes[site].flatten(1).square().sum(1), site)
        distance = code_distance(site, codes[site])
        relative.append((share, weighted(distance, 1 / scale, f"{distance.words} as a share")))
        halves.append((0.5, distance))
        far_of = far_of + far / 2
    return Sum(tuple(relative)), Sum(tuple(halves)), far_of, tuple(sites)


@dataclass(frozen=True, eq=False)
class Apart:
    """A distance of Gram matrices at a site: as a share of what it is at the start, as it is, and that of the start."""

    relative: Objective
    plain: Objective
    far: Tensor


def apart_in(site: str, gram: Tensor, start: Tensor, shares: Tensor | None = None) -> Apart:
    """The distance from the style's Gram matrices (1 or N, C, C), where the start has those of ``start`` (N, C, C).

    Args:
        site: Where.
        gram: Of the style.
        start: Of the pictures that the share refers to.
        shares: The region of the style, (1 or N, h, w).

    Raises:
        StriateError: The site is silent for both.
    """
    norm = 4 * gram.shape[-1] ** 2
    plain = gram_distance(site, gram, shares)
    far = _far(start, gram) / norm
    scale = apart_at_least(far, gram.flatten(1).square().sum(1) / norm, site)
    return Apart(weighted(plain, 1 / scale, f"{plain.words} as a share"), plain, far)


def measured(
    net: Net, losses: Losses, images: Tensor, *, names: Sequence[str], grey: bool = False, memory: int = 1 << 30
) -> Measured:
    """Both losses of the painted images rounded to 8 bits, and of the two sources."""
    rounded = from_bytes(to_bytes(images)).to(images)
    objectives = (losses.style_sum, losses.content_sum, losses.style, losses.content)
    told = [scores_of(net, each, rounded, memory=memory).tolist() for each in objectives]
    rows: list[tuple[float | str | None, ...]] = []
    for k, name in enumerate(names):
        rows.append((f"style-{name}", *(each[k] for each in told)))
        rows.append((f"{name} itself", float(losses.sources[0][k]), 0.0, 1.0, 0.0))
        rows.append((f"the style itself, for {name}", 0.0, float(losses.sources[1][k]), 0.0, 1.0))
    return Measured(
        title="Losses of the painted pictures and of their sources" + (", of the luminance" if grey else ""),
        columns=("picture", "style loss", "content loss", "style, share of the content's", "content, share of style's"),
        rows=tuple(rows),
    )


def shares_of(layers: Weights) -> dict[str, float]:
    """Layers with weights that sum to 1.

    Raises:
        StriateError: A weight is below 0, or all are 0.
    """
    weights = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    total = sum(weights.values())
    if min(weights.values()) < 0 or not total > 0:
        raise StriateError(f"weights of layers are {weights}", accepted="numbers of at least 0, one of them above")
    return {site: weight / total for site, weight in weights.items() if weight > 0}


def _style_weights(weights: Sequence[float], count: int, *, whole: bool) -> list[float]:
    own = list(weights) or [1.0] * count
    return [weight / sum(own) for weight in own] if whole else own


def rows_of(mask: Tensor) -> Tensor:
    """A mask (H, W), or one a content, as (1 or N, H, W)."""
    return mask[None] if mask.ndim == 2 else mask


def batch_of(picture: Tensor) -> Tensor:
    """A style (C, h, w), or one a content, as (1 or N, C, h, w)."""
    return picture[None] if picture.ndim == 3 else picture


def _far(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances, (n,)."""
    return (one - other).flatten(1).square().sum(1)


def apart_at_least(far: Tensor, size: Tensor, site: str) -> Tensor:
    """How far two sources are from each other at a site, at least a thousandth of what the site says.

    Raises:
        StriateError: The site is silent for both.
    """
    apart = torch.maximum(far, ALIKE * size.expand(far.shape))
    if not bool((apart > 0).all()):
        raise StriateError(f"{site!r} says nothing of the pictures", accepted="another layer")
    return apart


def stretched(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures (n, C, h, w) at a size, whatever becomes of their shape."""
    return picture if tuple(picture.shape[-2:]) == size else Geometry(size, crop="none").apply(picture)
