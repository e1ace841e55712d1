"""Textures: noise that is brought to the Gram matrices of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.progress import SILENT
from striate.core.rng import Rng, image_ids
from striate.imageopt.canvas import Fourier
from striate.imageopt.objective import Sum, code_of, gram_of
from striate.imageopt.problem import Search
from striate.imageopt.score import scores_of
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .made import Made
from .payload import Measured
from .stages import style_sites
from .style import search_named
from .style_losses import Apart, Weights, apart_in, shares_of
from .watch import Watch

CITES = ("gatys2015texture", "olah2017feature", "nocedal2006numerical")
NOISE = 0.05  # of the spectrum's free numbers at the start: enough to tell places apart, too little to leave clouds


def textures(
    net: Net,
    styles: Sequence[Tensor],
    *,
    size: tuple[int, int] | None = None,
    layers: Weights = (),
    search: str | Search = "lbfgs",
    steps: int = 200,
    seed: int = 0,
    names: Sequence[str] = (),
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """One texture for each picture (C, h, w), with its Gram matrices and none of its places.

    From weak noise around the picture's mean colour, lowers over the spectrum of the image the weighted mean over
    layers of the squared distances of Gram matrices, each as a share of the noise's. Gram matrices are means over
    places: the texture may be larger than the picture. Cost: about ``1.1 steps`` forward and backward passes.

    Args:
        net: Whose layers are read.
        styles: Pictures of textures, of any sizes.
        size: (H, W) of what is made; by default the net's own.
        layers: Sites, as `style_images` takes them.
        search: ``"lbfgs"``, ``"adam"``, or a search.
        steps: Of the search, at least 1.
        seed: Of the noise.
        names: File stems of the pictures.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: A picture or the size does not fit the net; a layer is not there.

    Source: Gatys et al. 2015 (texture), equations 1 to 5, who start from white noise over pixels.
    """
    height, width = net.a_size(size)
    if not styles:
        raise StriateError("no picture of a texture", accepted="at least one")
    for each in styles:
        net.check(each[None])
    sites = shares_of(layers or style_sites(net, (height, width)))
    start, canvas = _noise(styles, (height, width), seed)
    told = [code_of(net, each[None], sites) for each in styles]
    noise = code_of(net, start, sites, memory=memory)
    apart: list[tuple[float, Apart]] = [
        (share, apart_in(site, torch.cat([gram_of(each[site]) for each in told]), gram_of(noise[site])))
        for site, share in sites.items()
    ]
    objective = -Sum(tuple((share, each.relative) for share, each in apart))
    found = solve(
        net,
        objective,
        start=start,
        search=search_named(search),
        steps=steps,
        canvas=canvas,
        seed=seed,
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label="texture",
        callback=watch,
    )
    stems = tuple(names) or tuple(f"{k}" for k in range(len(styles)))
    return Made(
        images=found.images,
        stems=tuple(f"texture-{name}" for name in stems),
        targets=tuple(f"texture of {name}" for name in stems),
        words=f"-Gram distance at {', '.join(sites)}, each as a share of the noise's",
        scores=found.scores,
        history=found.history,
        steps=steps,
        seed=seed,
        objective=objective,
        sources=dict(zip(stems, styles, strict=True)),
        source=stems,
        tables=(_table(net, apart, found.images, stems, memory),),
        notes=found.notes,
        cites=CITES,
    )


def _table(
    net: Net, apart: Sequence[tuple[float, Apart]], images: Tensor, stems: Sequence[str], memory: int
) -> Measured:
    plain = scores_of(net, Sum(tuple((share, each.plain) for share, each in apart)), images, memory=memory)
    noise = torch.stack([share * each.far for share, each in apart]).sum(0)
    return Measured(
        "Distances of the Gram matrices from the picture's",
        ("texture", "distance", "of the noise"),
        tuple(zip(stems, plain.tolist(), noise.tolist(), strict=True)),
    )


def _noise(styles: Sequence[Tensor], size: tuple[int, int], seed: int) -> tuple[Tensor, Fourier]:
    """Where the textures start: weak noise around the mean colour of each picture, drawn by the picture's own id."""
    canvas, rng = Fourier(size), Rng(seed, "synthesis/texture")
    rows = torch.arange(len(styles))
    flat = torch.stack([each.mean((1, 2), keepdim=True).expand(-1, *size) for each in styles])
    base = canvas.start(flat, ids=rows, rng=rng)
    ids = torch.cat([image_ids(each[None]) for each in styles])
    return canvas.paint(base + NOISE * rng.normal(ids, base.shape[1:]).to(base), rows), canvas
