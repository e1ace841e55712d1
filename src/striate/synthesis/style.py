"""Style transfer: the content of one picture in the style of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import to_channels
from striate.core.progress import SILENT
from striate.imageopt.canvas import Canvas, Fourier, Grey
from striate.imageopt.found import Found
from striate.imageopt.problem import Search
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.solve import solve
from striate.nets.net import Net

from .colour import recoloured, same_colours, same_light
from .made import Made
from .style_losses import Losses, Weights, batch_of, measured, rows_of, style_losses
from .watch import Watch

CITES = ("gatys2015neural", "gatys2016image", "olah2017feature", "nocedal2006numerical")
COLOUR_CITES, MASK_CITES = ("gatys2016preserving",), ("gatys2017controlling",)
CONTENT = 0.1  # weight of the content against the style

Colours = Literal["style", "content", "matched"]


def style_images(
    net: Net,
    contents: Tensor,
    styles: Sequence[Tensor],
    *,
    content: float = CONTENT,
    style_weights: Sequence[float] = (),
    layers: Weights = (),
    content_layers: Weights = (),
    masks: Sequence[Tensor] = (),
    colours: Colours = "style",
    search: str | Search = "lbfgs",
    start: Tensor | None = None,
    steps: int = 200,
    names: Sequence[str] = (),
    memory: int = 1 << 30,
    watch: Watch | None = None,
) -> Made:
    """Pictures with the content of ``contents`` (N, C, H, W) in the style of other pictures (C, h, w).

    Lowers ``S + content * C`` over the spectrum of the image, from the content picture on. S is the weighted mean over
    layers of the squared distances of Gram matrices, C that of codes; each is a share of what it is between the two
    sources, so that one weight serves all nets, layers and sizes. Nothing is random. Cost: about ``1.1 steps + 10``
    forward and ``1.1 steps`` backward passes a picture, which stop at the deepest layer.

    Args:
        net: Whose layers are read.
        contents: Pictures in [0, 1].
        styles: One or more, of any sizes.
        content: Weight of the content, at least 0.
        style_weights: One a style; equal without. Divided by their sum, but not where there are masks.
        layers: Sites of the style, with weights or of equal ones, which are divided by their sum; by default about
            five, from `stages.style_sites`.
        content_layers: Sites of the content; by default the one of `stages.content_site`.
        masks: One a style, (H, W) or (N, H, W) in [0, 1]: how much each place of the content takes that style. A
            place that none takes keeps to its content alone.
        colours: ``"style"`` lets the style colour the picture; ``"content"`` paints its luminance alone and keeps the
            content's colours; ``"matched"`` first gives the style the content's mean and covariance of colours.
        search: ``"lbfgs"``, ``"adam"``, or a search.
        start: Where to start, in place of the contents.
        steps: Of the search, at least 1.
        names: File stems of the contents.
        memory: Bytes beside the net.
        watch: Who looks on.

    Raises:
        StriateError: Pictures, styles, masks and weights do not fit each other or the net; a layer is not there.

    Source: Gatys et al. 2016, equations 1 to 7, and section 3 for several styles; masks: Gatys et al. 2017, section 4;
    colours: Gatys et al. 2016, "Preserving color". They weigh layers by hand, for VGG-19 with average pooling, over
    pixels. Over the spectrum (Olah et al. 2017) other nets work as well: their strides leave a grid on pixels.
    """
    check_pictures(net, contents, styles, content=content)
    _check_weights(style_weights, len(styles))
    _check_masks(masks, contents, len(styles))
    check_colours(colours, net)
    shown, given = in_colours(contents, styles, colours)
    losses = style_losses(
        net, shown, given, style_weights=style_weights, layers=layers, content_layers=content_layers, masks=masks,
        memory=memory,
    )  # fmt: skip
    found = solve(
        net,
        losses.total(content),
        start=shown if start is None else start.to(shown),
        search=search_named(search),
        steps=steps,
        canvas=canvas_of(shown, grey=colours == "content"),
        memory=memory,
        progress=SILENT if watch is None else watch.progress,
        label="style",
        callback=watch,
    )
    grey = colours == "content"
    made = made_of(
        net, losses, found, contents=contents, styles=given, content=content, names=names, grey=grey, memory=memory
    )
    more = (*(COLOUR_CITES if colours != "style" else ()), *(MASK_CITES if masks else ()))
    return replace(made, cites=(*CITES, *more))


def made_of(
    net: Net,
    losses: Losses,
    found: Found,
    *,
    contents: Tensor,
    styles: Sequence[Tensor],
    content: float,
    names: Sequence[str],
    grey: bool = False,
    memory: int = 1 << 30,
) -> Made:
    """What was found, told as pictures of ``contents`` in another style; ``grey``: their luminance was painted."""
    stems = tuple(names) or tuple(f"content-{k}" for k in range(len(contents)))
    return Made(
        images=recoloured(found.images, contents) if grey else found.images,
        stems=tuple(f"style-{name}" for name in stems),
        targets=tuple(f"{name} in another style" for name in stems),
        words=("luminance: " if grey else "") + losses.words(content, len(styles)),
        scores=found.scores,
        history=found.history,
        steps=int(found.origin["steps"]),
        objective=None if grey else losses.total(content),
        steady=False,
        sources=sources_of(stems, contents, styles),
        source=stems,
        tables=(measured(net, losses, found.images, names=stems, grey=grey, memory=memory),),
        notes=found.notes,
    )


def search_named(search: str | Search) -> Search:
    """The search of this name, with the numbers that suit the spectrum; or the one given."""
    if not isinstance(search, str):
        return search
    known: dict[str, Search] = {"lbfgs": LBFGS(tolerance=0.0), "adam": Adam(0.2, falling=True)}
    if search not in known:
        raise UnknownNameError("search", search, known)
    return known[search]


def canvas_of(images: Tensor, *, grey: bool = False) -> Canvas:
    """The spectrum of such images, or of their luminance."""
    spectrum = Fourier((images.shape[-2], images.shape[-1]))
    return Grey(spectrum, images.shape[1]) if grey else spectrum


def in_colours(
    contents: Tensor, styles: Sequence[Tensor], colours: Colours, *, first: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """Contents and styles as they are looked at: in luminance, or the styles in the content's colours.

    Each style is fitted to each content, (N, C, h, w), or to the ``first`` alone, (1, C, h, w).
    """
    if colours == "style":
        return contents, list(styles)
    fitted = same_light if colours == "content" else same_colours
    goals = contents[:1] if first else contents
    own = [torch.stack([fitted(each.to(one), one).clamp(0.0, 1.0) for one in goals]) for each in styles]
    return (contents if colours == "matched" else to_channels(to_channels(contents, 1), 3).clamp(0.0, 1.0)), own


def sources_of(stems: Sequence[str], contents: Tensor, styles: Sequence[Tensor]) -> dict[str, Tensor]:
    """The pictures to show beside: contents by their stems, and styles (that of the first content)."""
    own = {f"of-style-{k}": batch_of(each)[0] for k, each in enumerate(styles)}
    return {**dict(zip(stems, contents, strict=True)), **own}


def check_pictures(net: Net, contents: Tensor, styles: Sequence[Tensor], *, content: float) -> None:
    """Whether a net can read these pictures.

    Raises:
        StriateError: It cannot; there is no style; the weight of the content is below 0.
    """
    net.check(contents)
    if not styles:
        raise StriateError("no style", accepted="at least one picture")
    for k, each in enumerate(styles):
        if each.ndim != 3 or each.shape[0] != net.channels:
            raise StriateError(f"style {k} of shape {tuple(each.shape)}", accepted=f"({net.channels}, h, w)")
        if min(each.shape[1:]) < net.least_size:
            raise StriateError(
                f"style {k} of {each.shape[1]} x {each.shape[2]} pixels", accepted=f"at least {net.least_size} a side"
            )
    if content < 0:
        raise StriateError(f"content is {content:g}", accepted="a weight of at least 0")


def _check_weights(weights: Sequence[float], styles: int) -> None:
    if weights and (len(weights) != styles or min(weights) < 0 or not sum(weights) > 0):
        raise StriateError(
            f"style_weights are {list(weights)} for {styles} styles", accepted="one at least 0 for each, one above"
        )


def check_colours(colours: str, net: Net) -> None:
    """Whether a net has the colours that are to be kept.

    Raises:
        StriateError: It sees one channel, or there is no such way.
    """
    if colours not in get_args(Colours):
        raise UnknownNameError("colours", colours, get_args(Colours))
    if colours != "style" and net.channels != 3:
        raise StriateError(f"colours are {colours!r} for {net.name}, which sees {net.channels} channel", accepted="3")


def _check_masks(masks: Sequence[Tensor], contents: Tensor, styles: int) -> None:
    if masks and len(masks) != styles:
        raise StriateError(f"{len(masks)} masks for {styles} styles", accepted="one mask a style")
    for k, mask in enumerate(masks):
        fits = mask.ndim in {2, 3} and mask.shape[-2:] == contents.shape[-2:]
        if not fits or (mask.ndim == 3 and len(mask) not in {1, len(contents)}):
            raise StriateError(
                f"mask {k} of shape {tuple(mask.shape)} for pictures of shape {tuple(contents.shape)}",
                accepted="(H, W), or (N, H, W), of the content picture's size",
            )
        if not bool((mask >= 0).all() and (mask <= 1).all()):
            raise StriateError(f"mask {k} has values out of [0, 1]", accepted="0 (not here) to 1 (here)")
        if not bool((rows_of(mask).flatten(1).sum(1) > 0).all()):
            raise StriateError(f"mask {k} is empty", accepted="a region for its style")
