"""Style transfer by patches: every patch of the image's codes near one of the style's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.imageopt.objective import Objective, Sum, code_of, patch_distance, patches_of, weighted
from striate.imageopt.problem import Search
from striate.imageopt.score import scores_of
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .made import Made
from .stages import style_sites
from .style import canvas_of, check_pictures, made_of, search_named
from .style_losses import Losses, Weights, apart_at_least, content_losses, shares_of, stretched
from .watch import Watch

CITES = ("li2016combining", "olah2017feature", "nocedal2006numerical")
CONTENT = 0.4  # weight of the content against the patches
PATCH = 3  # side of a patch, in places of a layer
ACROSS = 28  # patches along the shorter side of a layer, about: finer layers are looked at in steps
SITES = 3  # layers whose patches are matched


def patch_style_images(
    net: Net,
    contents: Tensor,
    styles: Sequence[Tensor],
    *,
    content: float = CONTENT,
    layers: Weights = (),
    content_layers: Weights = (),
    search: str | Search = "lbfgs",
    steps: int = 100,
    names: Sequence[str] = (),
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """Pictures with the content of ``contents`` (N, C, H, W) made of patches of the codes of other pictures (C, h, w).

    Lowers ``S + content * C`` as `style_images` does, from the content picture on, S being the weighted mean over
    layers of the squared distances of all patches of 3 x 3 places from the nearest one of the styles: the one of the
    highest normalised correlation, chosen anew in each pass. Patches keep what Gram matrices lose, how a style's parts
    lie to each other. Cost: about ``1.1 steps`` forward and backward passes, each with a table of correlations.

    Args:
        net: Whose layers are read.
        contents: Pictures in [0, 1].
        styles: One or more, of any sizes, whose patches are pooled.
        content: Weight of the content, at least 0.
        layers: Sites of the style; by default the three deepest of `stages.style_sites`.
        content_layers: Sites of the content; by default the one of `stages.content_site`.
        search: ``"lbfgs"``, ``"adam"``, or a search.
        steps: Of the search, at least 1.
        names: File stems of the contents.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: Pictures do not fit each other or the net; a layer is not there, or smaller than a patch.

    Source: Li & Wand 2016, equations 1 to 4. They go from coarse to fine, add turned and scaled copies of the style,
    and a smoothness term; we go over the spectrum in one scale, which does without them.
    """
    check_pictures(net, contents, styles, content=content)
    losses = patch_losses(net, contents, styles, layers=layers, content_layers=content_layers, memory=memory)
    found = solve(
        net,
        losses.total(content),
        start=contents,
        search=search_named(search),
        steps=steps,
        canvas=canvas_of(contents),
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label="style by patches",
        callback=watch,
    )
    made = made_of(net, losses, found, contents=contents, styles=styles, content=content, names=names, memory=memory)
    return replace(made, words=made.words.replace("Gram distance", "distance of patches"), cites=CITES)


def patch_losses(
    net: Net,
    contents: Tensor,
    styles: Sequence[Tensor],
    *,
    layers: Weights = (),
    content_layers: Weights = (),
    memory: int = 1 << 30,
) -> Losses:
    """As `style_losses`, of patches: each share is of the content picture's own distance from the style's patches."""
    size = (contents.shape[-2], contents.shape[-1])
    sites = shares_of(layers or style_sites(net, size)[-SITES:])
    codes = code_of(net, contents, sites, memory=memory)
    told = [code_of(net, each[None].to(contents), sites, memory=memory) for each in styles]
    relative, plain, style_of = [], [], contents.new_zeros(len(contents))
    for site, share in sites.items():
        stride = _stride(codes[site], site)
        patches = torch.cat([patches_of(each[site], size=PATCH, stride=stride) for each in told])
        distance: Objective = patch_distance(site, patches, size=PATCH, stride=stride, memory=memory // 4)
        far = scores_of(net, distance, contents, memory=memory)
        scale = apart_at_least(far, codes[site].flatten(1).square().sum(1), site)
        relative.append((share, weighted(distance, 1 / scale, f"{distance.words} as a share")))
        plain.append((share, distance))
        style_of = style_of + share * far
    others = [stretched(each[None].to(contents), size) for each in styles]
    content, halves, content_of, own = content_losses(net, contents, others, content_layers, memory=memory)
    return Losses(Sum(tuple(relative)), content, Sum(tuple(plain)), halves, (style_of, content_of), (tuple(sites), own))


def _stride(code: Tensor, site: str) -> int:
    """Places from a patch to the next one, so that about `ACROSS` of them lie along the shorter side."""
    if code.ndim != 4 or min(code.shape[-2:]) < PATCH:
        raise StriateError(
            f"{site!r} gives {tuple(code.shape[1:])}",
            accepted=f"maps of at least {PATCH} x {PATCH} places",
            hint="an earlier layer",
        )
    return math.ceil(min(code.shape[-2:]) / ACROSS)
